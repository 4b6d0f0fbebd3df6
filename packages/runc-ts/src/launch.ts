import { type InitPlan, type Spawner, spawnInit } from '@dray/libcontainer';
import { wrapError } from './errors.ts';
import type { LogEntry, Stdio } from './options.ts';

/** What {@link launch} is told beside the plan. */
export interface LaunchOptions {
  readonly stdio: Stdio | undefined;
  readonly preserveFds: readonly number[];
  readonly spawner: Spawner | undefined;
  readonly log: (entry: LogEntry) => void;
  /** Called as soon as the process exists. */
  readonly onPid?: (pid: number) => void;
  /** Called when the process waits for the hooks of the runtime's namespaces. */
  readonly onHooks?: (pid: number) => Promise<void>;
}

const OWN_STDIO: Stdio = [0, 1, 2];
/** Steps before the container's process is told from the runtime; runc words failures after them as those of the init. */
const EARLY_STEPS = new Set(['plan', 'cgroup', 'setns', 'clone', 'pipe', 'lookup-path', 'lookup-stat', 'lookup', 'exec', 'oom-score-adj']);

/**
 * Starts a process by its plan and resolves to its pid when it waits at its FIFO or has executed its program.
 * @throws RuncError in runc's words: `unable to start container process: …`.
 */
export async function launch(plan: InitPlan, options: LaunchOptions): Promise<number> {
  const { onHooks } = options;
  let hookFailure: Error | undefined;
  try {
    const handle = await spawnInit({
      plan,
      stdio: options.stdio ?? OWN_STDIO,
      preserveFds: options.preserveFds,
      onWarning: ({ message }) => {
        options.log({ level: 'warning', message });
      },
      ...(options.spawner === undefined ? {} : { spawner: options.spawner }),
      ...(onHooks === undefined ? {} : { onHooks: (pid) => onHooks(pid).catch((error: unknown) => { hookFailure = wrapError('unable to start container process: error during container init', error); throw hookFailure; }) }),
    });
    try {
      options.onPid?.(handle.pid);
      await handle.ready;
      return handle.pid;
    } finally {
      handle.close();
    }
  } catch (error) {
    if (hookFailure !== undefined) throw hookFailure;
    throw wrapError(isEarly(error) ? 'unable to start container process' : 'unable to start container process: error during container init', error);
  }
}

function isEarly(error: unknown): boolean {
  return error instanceof Error && 'step' in error && typeof error.step === 'string' && EARLY_STEPS.has(error.step);
}
