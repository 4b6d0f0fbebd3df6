import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { ContainerdApiError, isContainerdApiError, type ContainerdConnection } from '@dray/containerd-api';
import { TaskStatus as Status, type Process } from '@dray/containerd-api/types';
import type { OpenStdio } from './fifo-stdio.ts';
import { expectField, toExitStatus, type CallOptions, type ExitStatus } from './values.ts';

/** Where a process is in its life; an exit status exists only once it has stopped. */
export type ProcessState =
  | { readonly state: 'created' | 'running' | 'paused' | 'pausing' | 'unknown'; readonly id: string; readonly pid: number }
  | { readonly state: 'stopped'; readonly id: string; readonly pid: number; readonly exit: ExitStatus };

/** How long the clean-up after a failure may take; it does not listen to the caller's signal. */
export const CLEAN_UP_MS_MAX = 30_000;

/** How often `destroy()` tries. */
const DESTROY_ATTEMPTS_MAX = 3;

/** A process in a container: a task's own (see `Task`), or one started by `Task.exec()`. */
export class TaskProcess {
  readonly containerId: string;
  /** Empty for the task's own process. */
  readonly execId: string;
  protected readonly connection: ContainerdConnection;
  readonly #stdio: OpenStdio | undefined;
  #pid: number;
  #isStarted = false;
  #hasStdinEnded = false;

  /** @internal */
  constructor(connection: ContainerdConnection, ids: { readonly containerId: string; readonly execId: string }, pid: number, stdio?: OpenStdio) {
    this.connection = connection;
    this.containerId = ids.containerId;
    this.execId = ids.execId;
    this.#pid = pid;
    this.#stdio = stdio;
    stdio?.stdin?.once('finish', () => {
      this.#hasStdinEnded = true;
      if (this.#isStarted) void this.#closeIo();
    });
  }

  /** On the host; 0 before an exec has been started. */
  get pid(): number {
    return this.#pid;
  }

  /** The process's input, if asked for; ending it ends the process's. */
  get stdin(): Writable | undefined {
    return this.#stdio?.stdin;
  }

  /** The process's output, if asked for. It must be read to its end, or the process stops writing when the pipe is full. */
  get stdout(): Readable | undefined {
    return this.#stdio?.stdout;
  }

  /** As `stdout`; absent with a terminal. */
  get stderr(): Readable | undefined {
    return this.#stdio?.stderr;
  }

  /** Starts it. Call `wait()` before, or a quick exit may be missed after `delete()`. @throws ContainerdApiError of the runtime */
  async start(options: CallOptions = {}): Promise<void> {
    this.#pid = (await this.connection.tasks.start(this.#ids(), options)).pid;
    this.#isStarted = true;
    if (this.#hasStdinEnded) await this.#closeIo();
  }

  /** Resolves when it has ended, however long that takes. */
  async wait(options: CallOptions = {}): Promise<ExitStatus> {
    return toExitStatus(await this.connection.tasks.wait(this.#ids(), options));
  }

  /** @throws ContainerdApiError not_found, also when it has ended already */
  async status(options: CallOptions = {}): Promise<ProcessState> {
    return toProcessState(expectField((await this.connection.tasks.get(this.#ids(), options)).process, 'process'));
  }

  /** Sends a signal, by number or name. @throws ContainerdApiError not_found when it has ended, invalid_argument */
  async kill(signal: number | NodeJS.Signals, options: CallOptions & { readonly toAll?: boolean } = {}): Promise<void> {
    await this.connection.tasks.kill({ ...this.#ids(), signal: signalNumber(signal), all: options.toAll ?? false }, options);
  }

  /** Sets the size of its terminal, in characters. */
  async resize(size: { readonly columns: number; readonly rows: number }, options: CallOptions = {}): Promise<void> {
    await this.connection.tasks.resizePty({ ...this.#ids(), width: size.columns, height: size.rows }, options);
  }

  /** Removes what is left of it, once it has ended or before it was started. @throws ContainerdApiError failed_precondition while it runs */
  async delete(options: CallOptions = {}): Promise<ExitStatus> {
    const { tasks } = this.connection;
    const { containerId } = this;
    const response = this.execId === '' ? await tasks.delete({ containerId }, options) : await tasks.deleteProcess(this.#ids(), options);
    await this.#stdio?.release();
    return toExitStatus(response);
  }

  /** Kills and removes it, whatever state it is in, and closes its streams. @throws ContainerdApiError when the daemon cannot */
  async destroy(): Promise<void> {
    const options = { signal: AbortSignal.timeout(CLEAN_UP_MS_MAX) };
    try {
      for (let attempt = 1; ; attempt++) {
        const failure = await this.#killAndDelete(options);
        if (failure === undefined || failure.kind === 'not_found') return;
        // A start that was given up may still have been under way at the daemon.
        if (attempt === DESTROY_ATTEMPTS_MAX) throw failure;
      }
    } finally {
      await this.#stdio?.destroy();
    }
  }

  /** Resolves with what the daemon says against deleting it, if it does. */
  async #killAndDelete(options: CallOptions): Promise<ContainerdApiError | undefined> {
    const exited = apiErrorOf(this.wait(options));
    exited.catch(() => undefined);
    const wasKilled = (await apiErrorOf(this.kill('SIGKILL', { ...options, toAll: this.execId === '' }))) === undefined;
    // What cannot be killed has ended, or was never started: there is nothing to wait for.
    if (wasKilled) await exited;
    return apiErrorOf(this.delete(options));
  }

  /** Tells the shim to let go of its own writing end, without which the process sees no end of input. */
  async #closeIo(): Promise<void> {
    this.stdin?.destroy();
    try {
      await this.connection.tasks.closeIo({ ...this.#ids(), stdin: true });
    } catch (error) {
      // A process that has ended reads no input. Otherwise the daemon is away, which the next call reports.
      if (!isContainerdApiError(error)) throw error;
    }
  }

  #ids(): { containerId: string; execId: string } {
    return { containerId: this.containerId, execId: this.execId };
  }
}

/** How the daemon shows a process. */
export function toProcessState(process: Process): ProcessState {
  const { id, pid } = process;
  switch (process.status) {
    case Status.CREATED:
      return { state: 'created', id, pid };
    case Status.RUNNING:
      return { state: 'running', id, pid };
    case Status.PAUSED:
      return { state: 'paused', id, pid };
    case Status.PAUSING:
      return { state: 'pausing', id, pid };
    case Status.STOPPED:
      return { state: 'stopped', id, pid, exit: toExitStatus(process) };
    case Status.UNKNOWN:
      return { state: 'unknown', id, pid };
  }
}

/** The daemon's answer against a step, if there is one. Other failures are thrown. */
async function apiErrorOf(step: Promise<unknown>): Promise<ContainerdApiError | undefined> {
  try {
    await step;
    return undefined;
  } catch (error) {
    if (isContainerdApiError(error)) return error;
    throw error;
  }
}

function signalNumber(signal: number | NodeJS.Signals): number {
  const number = typeof signal === 'number' ? signal : (constants.signals as Readonly<Record<string, number | undefined>>)[signal];
  if (number === undefined) throw new ContainerdApiError('invalid_argument', 'MALFORMED', `unknown signal "${signal}"`);
  return number;
}
