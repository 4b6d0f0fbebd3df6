/** A container in memory: its record, what runs of it, and who waits for it. */
import { join } from 'node:path';
import type { Named } from '../names/registry.ts';
import { statusText, statusWord, type ExitRecord, type Health, type StatusWord } from '../state/state.ts';
import type { StreamSession } from '../stdio/index.ts';
import type { ContainerRecord } from './record.ts';
import type { RootfsMount } from '../tasks/task-port.ts';
import { SerialLock } from './serial-lock.ts';

/** One run of a container, from its start until its exit was dealt with. */
export class Run {
  readonly pid: number;
  /** Aborted when the run is over, or the daemon: what goes on beside it ends. */
  readonly watch: AbortController = new AbortController();
  /** Monotonic milliseconds. */
  readonly startedMs: number;
  isOomKilled = false;
  readonly #handled = Promise.withResolvers<undefined>();

  constructor(pid: number, startedMs: number) {
    this.pid = pid;
    this.startedMs = startedMs;
  }

  /** Resolves when the exit was dealt with: everything released, the state stored, events sent. */
  get handled(): Promise<void> {
    return this.#handled.promise;
  }

  markHandled(): void {
    this.#handled.resolve(undefined);
  }
}

/** Where a container's files are. */
export interface ContainerPaths {
  /** Kept: record, log, hosts, hostname, resolv.conf. */
  readonly folder: string;
  /** While it runs: sockets and FIFOs. */
  readonly runtime: string;
  readonly log: string;
  readonly attachSocket: string;
  readonly stdinFifo: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

/** Characters of the id that name the folder of sockets: a socket's path may have 107 bytes at most. */
const RUNTIME_NAME_LENGTH = 16;

/** See the file's head. Changes of what it is doing happen under `lock`. */
export class Container implements Named {
  record: ContainerRecord;
  readonly paths: ContainerPaths;
  readonly lock: SerialLock = new SerialLock();
  run: Run | undefined;
  /** The run that is being started: a process may end before its start has been answered. */
  starting: Run | undefined;
  isRemoving = false;
  health: Health | undefined;
  /** What its root file system is mounted from, once it was asked for. */
  rootfs: readonly RootfsMount[] | undefined;
  /** Cancels a restart that is waiting for its time. */
  pendingRestart: AbortController | undefined;
  /** The delay before the next automatic restart. */
  restartDelayMs = 0;
  /** Clients attached now, or waiting for the next start. */
  readonly sessions: Set<StreamSession> = new Set<StreamSession>();
  /** Ids of execs, running or ended not long ago. */
  readonly execIds: Set<string> = new Set<string>();
  readonly #exitListeners = new Set<(exit: ExitRecord) => void>();
  readonly #removed = Promise.withResolvers<undefined>();

  constructor(record: ContainerRecord, roots: { containers: string; runtime: string }) {
    this.record = record;
    const folder = join(roots.containers, record.id);
    const runtime = join(roots.runtime, record.id.slice(0, RUNTIME_NAME_LENGTH));
    this.paths = {
      folder, runtime, log: join(folder, `${record.id}-json.log`), attachSocket: join(runtime, 'attach.sock'), stdinFifo: join(runtime, 'stdin'),
      hosts: join(folder, 'hosts'), hostname: join(folder, 'hostname'), resolvConf: join(folder, 'resolv.conf'),
    };
  }

  get id(): string {
    return this.record.id;
  }

  get name(): string {
    return this.record.name;
  }

  get isRunning(): boolean {
    return this.record.phase.kind === 'running';
  }

  get isPaused(): boolean {
    return this.record.phase.kind === 'running' && this.record.phase.isPaused;
  }

  get status(): StatusWord {
    return statusWord(this.record.phase, this.isRemoving);
  }

  statusText(nowMs: number): string {
    return statusText(this.record.phase, { isRemoving: this.isRemoving, health: this.health, startError: this.record.startError }, nowMs);
  }

  /** Calls `listener` at each exit until the result is called. */
  onExit(listener: (exit: ExitRecord) => void): () => void {
    this.#exitListeners.add(listener);
    return () => void this.#exitListeners.delete(listener);
  }

  announceExit(exit: ExitRecord): void {
    for (const listener of [...this.#exitListeners]) listener(exit);
  }

  /** Resolves when the container is gone. */
  get removed(): Promise<void> {
    return this.#removed.promise;
  }

  announceRemoved(): void {
    this.#removed.resolve(undefined);
  }

  /** Tells attached clients that the process is gone, or will never come. */
  endSessions(): void {
    for (const session of this.sessions) session.processGone();
  }
}
