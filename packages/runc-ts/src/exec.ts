import { closeFd, type InitPlan, type NamespaceType, type Spawner } from '@dray/libcontainer';
import { type FoundContainer, notRunning, statusOf } from './container.ts';
import { RuncError } from './errors.ts';
import { launch } from './launch.ts';
import type { ExecOptions, LogEntry } from './options.ts';
import { writePidFile } from './pid-file.ts';
import { openPidfd } from './process-end.ts';
import { decodeProcess } from './spec/load.ts';
import { planProcess, validateProcess } from './spec/process.ts';
import type { ProcessSpec } from './spec/types.ts';
import { isAlive } from './state/process-stat.ts';

/** What executing needs of the runtime. */
export interface ExecContext {
  readonly log: (entry: LogEntry) => void;
  readonly spawner: Spawner | undefined;
}

/**
 * Starts one more process in a running container and resolves to its pid, as the caller's pid namespace counts.
 * @throws RuncError and LibcontainerError, in runc's words.
 */
export async function execInContainer(container: FoundContainer, options: ExecOptions, context: ExecContext): Promise<number> {
  const process = decodeProcess(options.process);
  validateProcess(process);
  const status = statusOf(container);
  if (status === 'stopped') throw new RuncError({ kind: 'failed_precondition', code: 'NOT_RUNNING', message: 'cannot exec in a stopped container' });
  if (status === 'paused' && options.ignorePaused !== true) throw new RuncError({ kind: 'failed_precondition', code: 'PAUSED', message: 'cannot exec in a paused container (use --ignore-paused to override)' });
  const pidfd = openInit(container);
  try {
    const pid = await launch(execPlan(container, process, pidfd, options, context), {
      stdio: options.stdio,
      preserveFds: options.preserveFds ?? [],
      spawner: options.spawner ?? context.spawner,
      log: context.log,
    });
    if (options.pidFile !== undefined) writePidFile(options.pidFile, pid);
    return pid;
  } finally {
    closeFd(pidfd);
  }
}

/** Opened first and compared after: between the two the pid cannot come to name another process. */
function openInit({ record }: FoundContainer): number {
  const pidfd = openPidfd(record.init_process_pid);
  if (pidfd === undefined) throw notRunning();
  if (isAlive(record.init_process_pid, record.init_process_start)) return pidfd;
  closeFd(pidfd);
  throw notRunning();
}

function execPlan({ record, cgroup }: FoundContainer, process: ProcessSpec, pidfd: number, options: ExecOptions, context: ExecContext): InitPlan {
  const types = record.dray.namespaces.map(({ type }) => type as NamespaceType);
  return {
    kind: 'exec',
    namespaces: { joinPidfd: { pidfd, types } },
    cgroupProcs: cgroup.joinFiles,
    ...(process.oomScoreAdj === undefined ? {} : { oomScoreAdj: process.oomScoreAdj }),
    ...(options.consoleSocket === undefined
      ? {}
      : { console: { socketPath: options.consoleSocket, ...(process.consoleSize === undefined ? {} : { width: process.consoleSize.width, height: process.consoleSize.height }) } }),
    process: planProcess(process, {
      seccomp: record.dray.seccomp,
      personality: record.dray.personality,
      sessionKeyring: record.config.no_new_keyring ? undefined : `_ses.${record.id}`,
      setgroups: true,
      listenPid: (options.listenFds ?? 0) > 0,
      warn: (message) => {
        context.log({ level: 'warning', message });
      },
    }),
  };
}
