/** One container: its processes, its runtime, and the order in which things are told about it. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { errorText, isShimError, ShimError } from '../errors.ts';
import type { Publisher } from '../events/publisher.ts';
import type { CommandRuntimeOptions } from '../runtime/command-runtime.ts';
import type { MonitoredProcess, OciRuntime } from '../runtime/oci-runtime.ts';
import { removeTaskRecord, TASK_RECORD_VERSION, writeTaskRecord, type RuntimeRecord, type Stdio, type TaskRecord } from '../state/task-record.ts';
import { memoryFolderOf } from './cgroup-paths.ts';
import { ProcessMonitor, type ProcessExit } from './process-monitor.ts';
import { mountRootfs, unmountRootfs, type RootfsMount } from './rootfs.ts';
import { createEvent, deleteEvent, execAddedEvent, execStartedEvent, exitEvent, oomEvent, pausedEvent, resumedEvent, startEvent } from './task-events.ts';
import { TaskProcess } from './task-process.ts';

/** Output that is still under way when a process is deleted is waited for so long, as in the original. */
const DRAIN_TIMEOUT_MS = 10_000;
/** The first process's exit is told after those of the execs, which the kernel ends with it; it does not wait longer for them. */
const EXEC_EXIT_TIMEOUT_MS = 10_000;
const SIGKILL = 9;

/** What a container needs of the shim around it. */
export interface ContainerHost {
  readonly namespace: string;
  readonly group: string;
  /** Where console sockets may be made: a short path that only root may enter. */
  readonly socketFolder: string;
  readonly publisher: Publisher;
  readonly createRuntime: (options: CommandRuntimeOptions) => Promise<OciRuntime>;
  readonly warn: (message: string, containerId: string) => void;
}

export interface ContainerRequest {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: readonly RootfsMount[];
  readonly stdio: Stdio;
  readonly runtime: RuntimeRecord;
}

/** A container of this shim, from `create` or `readopt` until its first process was deleted. */
export class TaskContainer {
  readonly id: string;
  readonly bundle: string;
  readonly init: TaskProcess;
  readonly #host: ContainerHost;
  readonly #runtimeRecord: RuntimeRecord;
  readonly #runtime: OciRuntime;
  readonly #execs = new Map<string, TaskProcess>();
  #hasRootfsMount: boolean;
  #isPaused = false;
  /** Operations that change the container's state run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(host: ContainerHost, runtime: OciRuntime, { id, bundle, runtimeRecord, init, hasRootfsMount }: { readonly id: string; readonly bundle: string; readonly runtimeRecord: RuntimeRecord; readonly init: TaskProcess; readonly hasRootfsMount: boolean }) {
    this.#host = host;
    this.#runtime = runtime;
    this.id = id;
    this.bundle = bundle;
    this.#runtimeRecord = runtimeRecord;
    this.init = init;
    this.#hasRootfsMount = hasRootfsMount;
  }

  /**
   * Makes a container: mounts its rootfs, has the runtime create it.
   * @throws ShimError RUNTIME ("OCI runtime create failed: …"), MOUNT; nothing is left then
   */
  static async create(host: ContainerHost, request: ContainerRequest): Promise<TaskContainer> {
    const { id, bundle, stdio, rootfs } = request;
    const runtime = await host.createRuntime({ id, bundle, runtime: request.runtime, warn: (message) => { host.warn(message, id); } });
    const init = new TaskProcess({ id: '', stdio, phase: 'creating' });
    const container = new TaskContainer(host, runtime, { id, bundle, runtimeRecord: request.runtime, init, hasRootfsMount: rootfs.length > 0 });
    await container.#create(rootfs);
    host.publisher.publish(createEvent({ containerId: id, bundle, rootfs, io: stdio, pid: init.pid }));
    return container;
  }

  /** Takes a container over that another shim process made. Undefined: it was never whole, and what was there of it is gone now. */
  static async readopt(host: ContainerHost, bundle: string, record: TaskRecord): Promise<TaskContainer | undefined> {
    const runtime = await host.createRuntime({ id: record.id, bundle, runtime: record.runtime, warn: (message) => { host.warn(message, record.id); } });
    const init = TaskProcess.fromRecord(record.init);
    const container = new TaskContainer(host, runtime, { id: record.id, bundle, runtimeRecord: record.runtime, init, hasRootfsMount: record.hasRootfsMount });
    if (init.phase === 'creating') {
      await container.#abandon();
      return undefined;
    }
    container.#isPaused = record.isPaused;
    await container.#readoptInit();
    for (const exec of record.execs) await container.#readoptExec(TaskProcess.fromRecord(exec));
    return container;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** @throws ShimError `not_found` NO_PROCESS for an exec that is not known */
  process(execId: string): TaskProcess {
    if (execId === '') return this.init;
    const exec = this.#execs.get(execId);
    if (exec === undefined) throw new ShimError('not_found', 'NO_PROCESS', `process does not exist ${execId}`);
    return exec;
  }

  /** Starts the container's program, or an exec's. @returns its pid */
  start(execId: string): Promise<number> {
    return this.#exclusive(async () => {
      const target = this.process(execId);
      requirePhase(target, ['created'], this.#isPaused && execId === '' ? 'cannot start a paused process' : `cannot start a ${phaseWord(target)} process`);
      const started = execId === '' ? this.#startInit() : this.#startExec(target);
      target.starting = started.catch(() => { /* only its end matters to those who wait */ });
      try {
        return await started;
      } finally {
        target.starting = undefined;
      }
    });
  }

  /** Describes a further process; it is made when it is started. */
  addExec(execId: string, { stdio, spec }: { readonly stdio: Stdio; readonly spec: string }): Promise<void> {
    return this.#exclusive(() => {
      if (this.#execs.has(execId)) throw new ShimError('already_exists', 'PROCESS_EXISTS', `id ${execId}`);
      if (this.init.phase === 'stopped') throw new ShimError('failed_precondition', 'ILLEGAL_STATE', 'cannot exec in a stopped state');
      if (this.#isPaused) throw new ShimError('unknown', 'ILLEGAL_STATE', 'cannot exec in a paused state');
      this.#execs.set(execId, new TaskProcess({ id: execId, stdio, spec, phase: 'created' }));
      this.#save();
      this.#host.publisher.publish(execAddedEvent(this.id, execId));
    });
  }

  /** Signals a process, or all of the container's. @throws ShimError `not_found` PROCESS_FINISHED */
  async kill(execId: string, signal: number, all: boolean): Promise<void> {
    const target = this.process(execId);
    await target.starting;
    if (target.phase === 'stopped' && !all) throw new ShimError('not_found', 'PROCESS_FINISHED', 'process already finished');
    if (execId === '') {
      await this.#runtime.kill(signal, { all });
      return;
    }
    if (target.monitor === undefined) throw new ShimError('failed_precondition', 'ILLEGAL_STATE', 'process not created');
    await target.monitor.signal(signal);
  }

  /** Removes a process that is not running; with the first one the whole container. @returns how it ended */
  delete(execId: string): Promise<{ readonly pid: number; readonly exit: ProcessExit }> {
    return this.#exclusive(async () => {
      const target = this.process(execId);
      requirePhase(target, ['created', 'stopped'], this.#isPaused && execId === '' ? 'cannot delete a paused process' : 'cannot delete a running process');
      await target.monitor?.drain(target.phase === 'stopped' ? DRAIN_TIMEOUT_MS : 0);
      const exit = execId === '' ? await this.#deleteInit() : await this.#deleteExec(target);
      return { pid: target.pid, exit };
    });
  }

  async resize(execId: string, width: number, height: number): Promise<void> {
    const target = this.process(execId);
    await target.starting;
    // Without a terminal there is nothing to do, which the original does not mind either.
    await target.monitor?.resize(width, height);
  }

  async closeStdin(execId: string): Promise<void> {
    const target = this.process(execId);
    await target.starting;
    await target.monitor?.closeStdin();
  }

  pause(): Promise<void> {
    return this.#exclusive(async () => {
      if (this.#isPaused) throw illegal('cannot pause a paused container');
      requirePhase(this.init, ['running'], this.init.phase === 'stopped' ? 'cannot pause a stopped container' : 'cannot pause task in created state');
      await this.#runtime.pause().catch(wrap('OCI runtime pause failed'));
      this.#isPaused = true;
      this.#save();
      this.#host.publisher.publish(pausedEvent(this.id));
    });
  }

  resume(): Promise<void> {
    return this.#exclusive(async () => {
      if (!this.#isPaused) throw illegal(`cannot resume a ${phaseWord(this.init)} ${this.init.phase === 'running' ? 'process' : 'container'}`);
      await this.#runtime.resume().catch(wrap('OCI runtime resume failed'));
      this.#isPaused = false;
      this.#save();
      this.#host.publisher.publish(resumedEvent(this.id));
    });
  }

  update(resources: string): Promise<void> {
    return this.#exclusive(async () => {
      if (this.init.phase === 'stopped') throw illegal('cannot update a stopped container');
      await this.#runtime.update(resources).catch(wrap('OCI runtime update failed'));
    });
  }

  /** All processes, those of execs with their exec's id. */
  async pids(): Promise<readonly { readonly pid: number; readonly execId: string | undefined }[]> {
    const execs = new Map([...this.#execs.values()].filter(({ phase }) => phase === 'running').map(({ pid, id }) => [pid, id]));
    const pids = await this.#runtime.pids();
    return pids.map((pid) => ({ pid, execId: execs.get(pid) }));
  }

  async #create(rootfs: readonly RootfsMount[]): Promise<void> {
    const target = path.join(this.bundle, 'rootfs');
    this.#save();
    try {
      if (rootfs.length > 0) {
        mkdirSync(target, { recursive: true, mode: 0o711 });
        mountRootfs(rootfs, target);
      }
      const created = await this.#runtime.create({ bundle: this.bundle, monitor: this.#monitorSetup(this.init) }).catch(wrap('OCI runtime create failed'));
      this.#setProcess(this.init, created);
      this.init.phase = 'created';
      this.#save();
    } catch (error) {
      if (rootfs.length > 0) unmountRootfs(target);
      removeTaskRecord(this.bundle);
      throw error;
    }
  }

  #monitorSetup(target: TaskProcess): ReturnType<TaskProcess['monitorSetup']> {
    const { ioUid, ioGid } = this.#runtimeRecord;
    const consoleSocket = path.join(this.#host.socketFolder, `${randomBytes(6).toString('hex')}.pty`);
    return target.monitorSetup(this.bundle, { id: this.id, namespace: this.#host.namespace, ioUid, ioGid, consoleSocket });
  }

  #setProcess(target: TaskProcess, { pid, monitor }: MonitoredProcess): void {
    target.pid = pid;
    target.monitor = monitor;
    void monitor.exited.then((exit) => this.#onExit(target, exit));
    if (target === this.init) this.#watchOom(pid, monitor);
  }

  async #startInit(): Promise<number> {
    // Not saved: whether a created container was started, its runtime knows.
    this.init.phase = 'starting';
    try {
      await this.#runtime.start().catch(wrap('OCI runtime start failed'));
    } catch (error) {
      if (this.init.exit === undefined) this.init.phase = 'created';
      throw error;
    }
    if (this.init.exit === undefined) this.init.phase = 'running';
    this.#save();
    this.#host.publisher.publish(startEvent(this.id, this.init.pid));
    return this.init.pid;
  }

  async #startExec(exec: TaskProcess): Promise<number> {
    if (this.init.phase === 'stopped') throw new ShimError('failed_precondition', 'ILLEGAL_STATE', 'cannot exec in a stopped container');
    exec.phase = 'starting';
    this.#save();
    try {
      const created = await this.#runtime.exec({ bundle: this.bundle, execId: exec.id, process: exec.spec, monitor: this.#monitorSetup(exec) }).catch(wrap('OCI runtime exec failed'));
      exec.phase = 'running';
      this.#host.publisher.publish(execStartedEvent(this.id, exec.id, created.pid));
      this.#setProcess(exec, created);
    } catch (error) {
      exec.phase = 'created';
      this.#save();
      throw error;
    }
    this.#save();
    return exec.pid;
  }

  /** The start is told before the exit, the execs' exits before the first process's. */
  async #onExit(target: TaskProcess, exit: ProcessExit): Promise<void> {
    target.setExit(exit);
    await target.starting;
    if (target === this.init) await this.#endExecs();
    this.#announceExit(target, exit);
  }

  #announceExit(target: TaskProcess, exit: ProcessExit): void {
    const event = exitEvent({ containerId: this.id, id: target.id === '' ? this.id : target.id, pid: target.pid, exit });
    this.#host.publisher.publish({
      ...event,
      onDelivered: () => {
        target.isExitPublished = true;
        this.#save();
      },
    });
    target.setAnnounced();
  }

  async #endExecs(): Promise<void> {
    const running = [...this.#execs.values()].filter(({ phase }) => phase === 'running' || phase === 'starting');
    if (sharesPidNamespace(this.bundle)) {
      await this.#runtime.kill(SIGKILL, { all: true }).catch((error: unknown) => {
        if (!isShimError(error) || error.code !== 'PROCESS_FINISHED') this.#host.warn(`cannot kill what the container has left: ${errorText(error)}`, this.id);
      });
    }
    if (running.length === 0) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => { resolve(undefined); }, EXEC_EXIT_TIMEOUT_MS);
    await Promise.race([Promise.all(running.map(({ announced }) => announced)), promise]);
    clearTimeout(timer);
  }

  async #deleteInit(): Promise<ProcessExit> {
    const wasCreated = this.init.phase === 'created';
    if (wasCreated) await this.#runtime.delete({ force: true }).catch(wrap('OCI runtime delete failed'));
    const exit = await this.init.exited;
    await this.init.announced;
    const released = Promise.all([this.init, ...this.#execs.values()].map((each) => this.#release(each)));
    released.catch(() => { /* seen below, unless the runtime has failed first */ });
    if (!wasCreated) await this.#runtime.delete({ force: false }).catch(wrap('OCI runtime delete failed'));
    await released;
    if (this.#hasRootfsMount) unmountRootfs(path.join(this.bundle, 'rootfs'));
    this.#hasRootfsMount = false;
    removeTaskRecord(this.bundle);
    this.#isDeleted = true;
    this.#host.publisher.publish(deleteEvent(this.id, this.init.pid, exit));
    return exit;
  }

  #isDeleted = false;

  async #deleteExec(exec: TaskProcess): Promise<ProcessExit> {
    if (exec.exit !== undefined) await exec.announced;
    await this.#release(exec);
    this.#execs.delete(exec.id);
    const files = exec.files(this.bundle);
    for (const file of [files.exitFile, files.log, path.join(this.bundle, `${exec.id}.pid`)]) rmSync(file, { force: true });
    this.#save();
    return exec.exit ?? { status: 0, atNanos: 0n };
  }

  async #release(target: TaskProcess): Promise<void> {
    if (target.monitor === undefined) return;
    // An exec may outlive its container for a moment; it ends with its cgroup.
    if (target.exit === undefined) {
      await target.monitor.signal(SIGKILL).catch(() => { /* it has ended meanwhile */ });
      await target.exited;
    }
    await target.monitor.release();
    target.monitor = undefined;
  }

  async #abandon(): Promise<void> {
    await ProcessMonitor.abandon(this.init.files(this.bundle));
    await this.#runtime.delete({ force: true }).catch((error: unknown) => { this.#host.warn(`cannot delete a container that was not whole: ${errorText(error)}`, this.id); });
    if (this.#hasRootfsMount) unmountRootfs(path.join(this.bundle, 'rootfs'));
    removeTaskRecord(this.bundle);
  }

  async #readoptInit(): Promise<void> {
    const { init } = this;
    // The other shim may have been killed between starting it and saying so.
    if (init.phase !== 'running' && init.phase !== 'stopped' && (await this.#runtime.isStarted().catch(() => false))) {
      init.phase = 'running';
      this.#host.publisher.publish(startEvent(this.id, init.pid));
    }
    init.monitor = await ProcessMonitor.readopt(init.files(this.bundle), init.pid);
    this.#resumeExit(init);
    if (init.exit === undefined) this.#watchOom(init.pid, init.monitor);
  }

  async #readoptExec(exec: TaskProcess): Promise<void> {
    this.#execs.set(exec.id, exec);
    if (exec.phase === 'created') return;
    if (exec.phase === 'starting') {
      // Whoever asked for it has got no answer: it is as if it had failed.
      await ProcessMonitor.abandon(exec.files(this.bundle));
      exec.phase = 'created';
      return;
    }
    exec.monitor = await ProcessMonitor.readopt(exec.files(this.bundle), exec.pid);
    this.#resumeExit(exec);
  }

  /** Goes on where the other shim stopped: an exit that containerd may not know of is told. */
  #resumeExit(target: TaskProcess): void {
    if (target.exit === undefined) void target.monitor?.exited.then((exit) => this.#onExit(target, exit));
    else if (!target.isExitPublished) this.#announceExit(target, target.exit);
  }

  #watchOom(pid: number, monitor: ProcessMonitor): void {
    monitor.onOom(() => { this.#host.publisher.publish(oomEvent(this.id)); });
    try {
      const memory = memoryFolderOf(pid);
      if (memory === undefined) return;
      monitor.watchOom(memory.version, memory.folder).catch((error: unknown) => { this.#host.warn(`cannot watch for out-of-memory kills: ${errorText(error)}`, this.id); });
    } catch (error) {
      // The process may have ended already.
      this.#host.warn(`cannot find the memory cgroup: ${errorText(error)}`, this.id);
    }
  }

  #exclusive<T>(operation: () => Promise<T> | T): Promise<T> {
    const result = this.#turn.then(operation);
    this.#turn = result.catch(() => { /* the next one does not care */ });
    return result;
  }

  #save(): void {
    if (this.#isDeleted) return;
    writeTaskRecord(this.bundle, {
      version: TASK_RECORD_VERSION, id: this.id, namespace: this.#host.namespace, group: this.#host.group, runtime: this.#runtimeRecord,
      hasRootfsMount: this.#hasRootfsMount, isPaused: this.#isPaused, init: this.init.toRecord(), execs: [...this.#execs.values()].map((exec) => exec.toRecord()),
    });
  }
}

function phaseWord({ phase }: TaskProcess): string {
  return phase === 'creating' || phase === 'starting' ? 'created' : phase;
}

function illegal(message: string): ShimError {
  return new ShimError('unknown', 'ILLEGAL_STATE', message);
}

function requirePhase({ phase }: TaskProcess, allowed: readonly TaskProcess['phase'][], message: string): void {
  if (!allowed.includes(phase)) throw illegal(message);
}

/** Puts the original's words in front of a runtime's failure. */
function wrap(prefix: string): (error: unknown) => never {
  return (error) => {
    throw new ShimError('unknown', 'RUNTIME', `${prefix}: ${errorText(error)}`, error);
  };
}

/** Without a pid namespace of its own a container's processes do not end with its first one. */
function sharesPidNamespace(bundle: string): boolean {
  try {
    const spec = JSON.parse(readFileSync(path.join(bundle, 'config.json'), 'utf8')) as { readonly linux?: { readonly namespaces?: readonly { readonly type?: string; readonly path?: string }[] } };
    return !(spec.linux?.namespaces ?? []).some(({ type, path: joined }) => type === 'pid' && (joined ?? '') === '');
  } catch {
    // The bundle is being removed: there is nothing left to end.
    return false;
  }
}
