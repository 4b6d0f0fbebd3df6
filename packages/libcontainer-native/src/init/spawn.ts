import fs from 'node:fs';
import net from 'node:net';
import { LibcontainerError } from '../errors.ts';
import { closeFd } from '../fs/at.ts';
import { SOCK, memfdCreate, sealMemfd, socketpair } from '../process/descriptors.ts';
import { pidfdGetFd, pidfdOpen, pidfdSendSignal, spawn, waitPidfd, type ExitStatus } from '../process/process.ts';
import { sealedBinary } from './binary.ts';
import { encodePlan } from './encode-plan.ts';
import { describeTrouble, initError, type InitWarning } from './failure.ts';
import type { InitPlan } from './plan.ts';
import { GO, SyncDecoder, type SyncMessage } from './sync-messages.ts';

/** A program with the descriptors it must inherit: its descriptor i is this process's fds[i]. */
export interface SpawnCommand {
  readonly file: string | { readonly fd: number };
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly fds: readonly number[];
}

/**
 * Starts a command, possibly behind a prefix such as `dray-monitor … --`. The prefix must hand the command its descriptors unchanged and must
 * not keep copies of descriptor 3 and up: the end of file on descriptor 3 tells that the container's program was executed. The spawner reaps
 * the process it started; init becomes a child of whoever executes the command.
 */
export type Spawner = (command: SpawnCommand) => Promise<{ readonly pid: number }>;

export interface SpawnInitOptions {
  readonly plan: InitPlan;
  /** Descriptors for 0, 1 and 2 of the container's process; they stay the caller's. With a console they are used until it is set up. */
  readonly stdio: readonly [number, number, number];
  /** Default: start `dray-init` as a child of this process, and reap it. */
  readonly spawner?: Spawner;
  /** Descriptors that become 3, 4, … of the container's process; they stay the caller's. */
  readonly preserveFds?: readonly number[];
  /** Called when the plan says `hooksWanted`: mounts are done, the pivot is not. What it throws ends the container. */
  readonly onHooks?: (pid: number) => Promise<void>;
  /** Gets the seccomp listener, which the callee closes. */
  readonly onSeccompListener?: (listenerFd: number, pid: number) => Promise<void>;
  readonly onWarning?: (warning: InitWarning) => void;
  /** Ends a container that is being made. */
  readonly signal?: AbortSignal;
}

export interface InitHandle {
  /** Host pid of the container's process. */
  readonly pid: number;
  /** Refers to this very process; valid until `close()`. */
  readonly pidfd: number;
  /**
   * Resolves when the process waits at its exec FIFO, or, without one, has executed its program. Rejects with the step that failed; init has ended
   * then, and was reaped if it was this process's child.
   */
  readonly ready: Promise<void>;
  /** Waits for the process to end and reaps it; only where the default spawner was used. */
  readonly wait: (options?: { readonly signal?: AbortSignal }) => Promise<ExitStatus>;
  /** Lets go of the descriptors. A process that is not ready yet ends; a ready one lives on. Idempotent. */
  readonly close: () => void;
}

const PLAN_MEMFD_NAME = 'dray-plan';
const SIGKILL = 9;

/**
 * Starts the container process that a plan describes.
 *
 * @returns once init exists, with its pid; `ready` tells the rest
 * @throws LibcontainerError with `step` when the first stage failed; nothing is left then
 */
export async function spawnInit(options: SpawnInitOptions): Promise<InitHandle> {
  options.signal?.throwIfAborted();
  const { plan, stdio, preserveFds = [] } = options;
  const inherited: number[] = [];
  const planFd = memfdCreate(PLAN_MEMFD_NAME);
  try {
    fs.writeSync(planFd, encodePlan(plan, { inherit: (fd) => inherited.push(fd), preserveFds: preserveFds.length }));
    sealMemfd(planFd);
    const [ours, theirs] = socketpair(SOCK.STREAM);
    const socket = new net.Socket({ fd: ours, readable: true, writable: true });
    try {
      const command: SpawnCommand = { file: { fd: sealedBinary() }, argv: ['dray-init'], env: {}, fds: [...stdio, theirs, planFd, ...inherited, ...preserveFds] };
      const start = options.spawner ?? spawnChild;
      await start(command);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      closeFd(theirs);
    }
    return await new InitConversation(socket, options).start();
  } finally {
    closeFd(planFd);
  }
}

/** The first stage ends soon; it is reaped in the background. */
const spawnChild: Spawner = async (command) => {
  const { pid, pidfd } = spawn(command);
  void waitPidfd(pidfd).catch(ignoreReaped).finally(() => { closeFd(pidfd); });
  return { pid };
};

/** A host program that waits for any child may be faster; then there is nothing left to reap. */
function ignoreReaped(error: unknown): void {
  if ((error as { code?: unknown }).code !== 'ECHILD') throw error;
}

/** One container's start: reads init's messages and answers them. */
class InitConversation {
  readonly #socket: net.Socket;
  readonly #options: SpawnInitOptions;
  readonly #decoder = new SyncDecoder();
  readonly #started = Promise.withResolvers<InitHandle>();
  readonly #ready = Promise.withResolvers<undefined>();
  #pid: number | undefined;
  #pidfd: number | undefined;
  #isReady = false;
  #isClosed = false;
  #failure: Error | undefined;

  constructor(socket: net.Socket, options: SpawnInitOptions) {
    this.#socket = socket;
    this.#options = options;
    // Whoever does not look at `ready` is not told by a crash.
    this.#ready.promise.catch(() => undefined);
  }

  start(): Promise<InitHandle> {
    const onAbort = (): void => { this.#fail(this.#options.signal?.reason as Error); };
    this.#options.signal?.addEventListener('abort', onAbort, { once: true });
    this.#socket.on('data', (chunk) => { this.#receive(chunk); });
    this.#socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') this.#failure ??= error;
    });
    this.#socket.on('close', () => {
      this.#options.signal?.removeEventListener('abort', onAbort);
      void this.#finish();
    });
    return this.#started.promise;
  }

  #receive(chunk: Buffer): void {
    try {
      for (const message of this.#decoder.push(chunk)) this.#handle(message);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #handle(message: SyncMessage): void {
    switch (message.type) {
      case 'pid': this.#meet(message.pid); break;
      case 'hooks': this.#answer((pid) => this.#options.onHooks?.(pid)); break;
      case 'seccomp': this.#answer((pid) => this.#handOverListener(message.listenerFd, pid)); break;
      case 'ready': this.#isReady = true; break;
      case 'warning': this.#options.onWarning?.({ ...message.trouble, message: describeTrouble(message.trouble) }); break;
      case 'error': this.#failure ??= initError(message.trouble); break;
    }
  }

  /** The message comes before init does anything, and only an ancestor can reap init, so the number is still its own. */
  #meet(pid: number): void {
    this.#pid = pid;
    this.#pidfd = pidfdOpen(pid);
    const pidfd = this.#pidfd;
    this.#started.resolve({ pid, pidfd, ready: this.#ready.promise, wait: (options) => waitPidfd(pidfd, options), close: () => { this.#close(); } });
  }

  #answer(act: (pid: number) => Promise<void> | undefined): void {
    if (this.#pid === undefined) throw new LibcontainerError({ kind: 'internal', code: 'SYNC_PROTOCOL', message: 'cannot understand container init: it has not told its pid' });
    Promise.resolve(act(this.#pid)).then(() => this.#socket.write(GO), (error: unknown) => { this.#fail(error as Error); });
  }

  async #handOverListener(listenerFd: number, pid: number): Promise<void> {
    if (this.#options.onSeccompListener === undefined || this.#pidfd === undefined) {
      throw new LibcontainerError({ kind: 'invalid_argument', code: 'NO_SECCOMP_AGENT', message: 'cannot hand over seccomp listener: nobody takes it' });
    }
    await this.#options.onSeccompListener(pidfdGetFd(this.#pidfd, listenerFd), pid);
  }

  /** End of file makes init end. */
  #fail(error: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
  }

  /** The socket is closed: init has executed its program, waits at the FIFO, or has ended. */
  async #finish(): Promise<void> {
    if (this.#isReady && this.#failure === undefined) {
      this.#ready.resolve(undefined);
      return;
    }
    const error = this.#failure ?? new LibcontainerError({ kind: 'aborted', code: 'INIT_ENDED', message: 'cannot start container process: container init ended without a word' });
    await this.#reapFailed();
    this.#started.reject(error);
    this.#ready.reject(error);
  }

  /** Init ends by itself after an error; after an abort it may be at work, so it is killed. Where it is our child, nobody else reaps it. */
  async #reapFailed(): Promise<void> {
    if (this.#pidfd === undefined) return;
    try {
      pidfdSendSignal(this.#pidfd, SIGKILL);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ESRCH') throw error;
    }
    if (this.#options.spawner === undefined) await waitPidfd(this.#pidfd).catch(ignoreReaped);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#socket.destroy();
    if (this.#pidfd !== undefined) closeFd(this.#pidfd);
  }
}

