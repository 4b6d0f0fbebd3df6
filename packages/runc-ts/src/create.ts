import { chmodSync, chownSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Cgroup, cgroupLayout, DEFAULT_DEVICE_RULES, type InitPlan, mkfifo, openCgroup, ownCapabilities, type Spawner } from '@dray/libcontainer';
import { invalidSpec, RuncError, wrapError } from './errors.ts';
import { runHooks } from './hooks/run.ts';
import { launch } from './launch.ts';
import type { CreateOptions, LogEntry } from './options.ts';
import { writePidFile } from './pid-file.ts';
import { killAndWait } from './process-end.ts';
import { compilePlan } from './spec/compile.ts';
import { decodeSpec, loadSpec } from './spec/load.ts';
import { namespaceUses, type NamespaceUses } from './spec/namespaces.ts';
import { validateProcess } from './spec/process.ts';
import type { Spec } from './spec/types.ts';
import { rootfsOf, validateId, validateSpec } from './spec/validate.ts';
import { readProcessStat } from './state/process-stat.ts';
import { type ContainerRecord, createRecord } from './state/record.ts';
import { EXEC_FIFO, type StateStore } from './state/store.ts';

/** What creating needs of the runtime. */
export interface CreateContext {
  readonly store: StateStore;
  readonly log: (entry: LogEntry) => void;
  readonly systemdCgroup: boolean;
  readonly isRootless: boolean;
  readonly spawner: Spawner | undefined;
}

const FIFO_MODE = 0o622;
const CAP_MKNOD = 27n;
const APPLY_FAILED = 'unable to start container process: unable to apply cgroup configuration';

/**
 * Creates a container: everything up to the moment before its program starts. When it fails, nothing is left behind.
 * @throws RuncError and LibcontainerError, in runc's words.
 */
export async function createContainer(id: string, options: CreateOptions, context: CreateContext): Promise<ContainerRecord> {
  const bundle = resolve(options.bundle);
  const spec = options.spec === undefined ? loadSpec(bundle) : decodeSpec(options.spec);
  validateProcess(spec.process);
  validateId(id);
  const uses = namespaceUses(spec.linux?.namespaces ?? []);
  const rootfs = rootfsOf(spec, bundle);
  validateSpec(spec, uses);
  requireConsole(spec, options.consoleSocket);
  const cgroup = openCgroup({ id, cgroupsPath: spec.linux?.cgroupsPath, systemd: context.systemdCgroup, soft: context.isRootless });
  if (cgroup.version === 1 && Object.keys(spec.linux?.resources?.unified ?? {}).length > 0) throw invalidSpec('invalid configuration: cannot use unified on cgroup v1');
  return new Creation({ id, bundle, spec, uses, rootfs, cgroup, options, context }).run();
}

interface CreationInit {
  readonly id: string;
  readonly bundle: string;
  readonly spec: Spec;
  readonly uses: NamespaceUses;
  readonly rootfs: string;
  readonly cgroup: Cgroup;
  readonly options: CreateOptions;
  readonly context: CreateContext;
}

/** One attempt to create a container, and what must be undone if it fails. */
class Creation {
  readonly #init: CreationInit;
  readonly #undo: (() => Promise<void> | void)[] = [];

  constructor(init: CreationInit) {
    this.#init = init;
  }

  async run(): Promise<ContainerRecord> {
    const { id, context } = this.#init;
    const directory = context.store.reserve(id);
    this.#undo.push(() => {
      context.store.remove(id);
    });
    try {
      return await this.#create(directory);
    } catch (error) {
      await this.#rollBack();
      throw error;
    }
  }

  async #create(directory: string): Promise<ContainerRecord> {
    const { id, bundle, spec, uses, rootfs, cgroup, options, context } = this.#init;
    const execFifo = join(directory, EXEC_FIFO);
    this.#makeFifo(execFifo);
    const plan = compilePlan(spec, {
      id,
      bundle,
      rootfs,
      uses,
      cgroupLayout: cgroupLayout(),
      cgroupPaths: cgroup.paths,
      cgroupJoinFiles: this.#prepareCgroup(),
      execFifo,
      consoleSocket: options.consoleSocket,
      noPivot: options.noPivot ?? false,
      noNewKeyring: options.noNewKeyring ?? false,
      listenPid: (options.listenFds ?? 0) > 0,
      canMakeDevices: canMakeDevices(),
      warn: (message) => {
        context.log({ level: 'warning', message });
      },
    });
    const pid = await this.#launch(plan);
    const record = this.#record(pid);
    context.store.save(record);
    if (options.pidFile !== undefined) writePidFile(options.pidFile, pid);
    return record;
  }

  async #launch(plan: InitPlan): Promise<number> {
    const { cgroup, options, context } = this.#init;
    try {
      return await launch(plan, {
        stdio: options.stdio,
        preserveFds: options.preserveFds ?? [],
        spawner: options.spawner ?? context.spawner,
        log: context.log,
        onPid: (started) => this.#undo.push(() => killAndWait(started)),
        onHooks: (started) => this.#runCreateHooks(started),
      });
    } catch (error) {
      if ((cgroup.stats().memory?.events?.['oom_kill'] ?? 0n) === 0n) throw error;
      throw new RuncError({ kind: 'failed_precondition', code: 'OOM_KILLED', message: 'unable to start container process: container init was OOM-killed (memory limit too low?)', cause: error });
    }
  }

  /** Limits are in force before the first process is in; what the kernel refuses is said before anything runs. */
  #prepareCgroup(): readonly string[] {
    const { cgroup, spec } = this.#init;
    const resources = spec.linux?.resources ?? {};
    this.#undo.push(() => cgroup.delete());
    try {
      cgroup.create();
    } catch (error) {
      throw wrapError(APPLY_FAILED, error);
    }
    try {
      cgroup.apply({ ...resources, devices: [...(resources.devices ?? []), ...DEFAULT_DEVICE_RULES] });
    } catch (error) {
      throw wrapError(isCpuset(error) ? APPLY_FAILED : 'unable to start container process: error during container init: error setting cgroup config for procHooks process', error);
    }
    return cgroup.joinFiles;
  }

  /** The container's root opens it for writing; `start` for reading. */
  #makeFifo(path: string): void {
    mkfifo(path, FIFO_MODE);
    chmodSync(path, FIFO_MODE);
    const { uidMappings = [], gidMappings = [] } = this.#init.spec.linux ?? {};
    const [uid, gid] = [uidMappings, gidMappings].map((mappings) => mappings.find((each) => each.containerID === 0)?.hostID);
    if (uid !== undefined && gid !== undefined && this.#init.uses.has('user')) chownSync(path, uid, gid);
  }

  async #runCreateHooks(pid: number): Promise<void> {
    const { id, bundle, spec } = this.#init;
    const { prestart = [], createRuntime = [] } = spec.hooks ?? {};
    const annotations = Object.keys(spec.annotations ?? {}).length === 0 ? {} : { annotations: spec.annotations ?? {} };
    const state = { ociVersion: spec.ociVersion, id, status: 'creating', pid, bundle, ...annotations } as const;
    await runHooks(prestart, state);
    await runHooks(createRuntime, state);
  }

  #record(pid: number): ContainerRecord {
    const { id, bundle, spec, rootfs, cgroup, options, context } = this.#init;
    return createRecord({
      id,
      pid,
      startTime: readProcessStat(pid)?.startTime ?? 0,
      spec,
      bundle,
      rootfs,
      cgroupPaths: cgroup.paths,
      isRootless: context.isRootless,
      noNewKeyring: options.noNewKeyring ?? false,
      descriptors: [0, 1, 2].map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)),
    });
  }

  /** In reverse order; a step that fails does not keep the others from running. The error that led here is the one to report. */
  async #rollBack(): Promise<void> {
    const { spec, id, bundle, context } = this.#init;
    for (const undo of this.#undo.toReversed()) {
      try {
        await undo();
      } catch (error) {
        context.log({ level: 'warning', message: `cannot clean up after container "${id}": ${error instanceof Error ? error.message : String(error)}` });
      }
    }
    try {
      await runHooks(spec.hooks?.poststop ?? [], { ociVersion: spec.ociVersion, id, status: 'stopped', bundle });
    } catch (error) {
      context.log({ level: 'warning', message: error instanceof Error ? error.message : String(error) });
    }
  }
}

/** A terminal's master must go somewhere, and a socket that nothing is sent to would wait for ever. */
function requireConsole(spec: Spec, consoleSocket: string | undefined): void {
  const hasTerminal = spec.process?.terminal ?? false;
  if (hasTerminal && consoleSocket === undefined) throw consoleError('cannot allocate tty if runc will detach without setting console socket');
  if (!hasTerminal && consoleSocket !== undefined) throw consoleError('cannot use console socket if runc will not detach or allocate tty');
}

function consoleError(message: string): RuncError {
  return new RuncError({ kind: 'invalid_argument', code: 'CONSOLE', message });
}

/** runc sets cpusets when it joins the cgroups, and says so; all else later. */
function isCpuset(error: unknown): boolean {
  return error instanceof Error && 'path' in error && typeof error.path === 'string' && error.path.includes('/cpuset.');
}

let mayMakeDevices: boolean | undefined;

/** In a user namespace mknod(2) is refused even with the capability; the initial one maps all ids. */
function canMakeDevices(): boolean {
  mayMakeDevices ??= ((ownCapabilities().effective >> CAP_MKNOD) & 1n) === 1n && isInitialUserNamespace();
  return mayMakeDevices;
}

function isInitialUserNamespace(): boolean {
  // The initial user namespace has this inode number since Linux 3.8.
  return linkOf('/proc/self/ns/user') === 'user:[4026531837]';
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // The process may have ended already, or it may not be looked into; this is told to others for information only.
    return '';
  }
}
