import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ReadStream, WriteStream } from 'node:tty';
import { closeFd, type ExitStatus, receiveConsole, setWindowSize, unixListen, waitPid } from '@dray/libcontainer';

/** What a process's parent decides, a terminal cannot tell it: these are not handed on. */
const NOT_FORWARDED = new Set(['SIGKILL', 'SIGSTOP', 'SIGCHLD', 'SIGURG', 'SIGPIPE', 'SIGPROF', 'SIGWINCH', 'SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGTRAP', 'SIGSYS', 'SIGABRT', 'SIGIOT']);
const SIGNALED = 128;

/**
 * A process that this command stays with: signals are handed on, a terminal is copied, and its status becomes the command's.
 */
export class Foreground implements AsyncDisposable {
  readonly #socketFd: number | undefined;
  readonly #folder: string | undefined;
  readonly #release: (() => void)[] = [];

  private constructor(socketFd: number | undefined, folder: string | undefined) {
    this.#socketFd = socketFd;
    this.#folder = folder;
  }

  /** With a terminal, makes the socket that its master side comes back through. */
  static async open(hasTerminal: boolean): Promise<Foreground> {
    if (!hasTerminal) return Promise.resolve(new Foreground(undefined, undefined));
    const folder = mkdtempSync(join(tmpdir(), 'runc-ts-'));
    try {
      return new Foreground(unixListen(join(folder, 'console.sock')), folder);
    } catch (error) {
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  /** What `create` or `exec` must be told. */
  get startOptions(): { readonly consoleSocket?: string } {
    return this.#folder === undefined ? {} : { consoleSocket: join(this.#folder, 'console.sock') };
  }

  /** Resolves to the exit status of a child process of this one. */
  async attend(pid: number): Promise<number> {
    this.#forwardSignals(pid);
    const ended = waitPid(pid);
    const drained = this.#socketFd === undefined ? undefined : this.#copyTerminal(this.#socketFd);
    const status = await ended;
    await drained;
    return statusOf(status);
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const release of this.#release.toReversed()) release();
    if (this.#socketFd !== undefined) closeFd(this.#socketFd);
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
    return Promise.resolve();
  }

  #forwardSignals(pid: number): void {
    for (const name of Object.keys(constants.signals) as NodeJS.Signals[]) {
      if (NOT_FORWARDED.has(name)) continue;
      const forward = (): void => {
        sendSignal(pid, name);
      };
      process.on(name, forward);
      this.#release.push(() => process.off(name, forward));
    }
  }

  /** Resolves when everything that the terminal said is written. */
  async #copyTerminal(socketFd: number): Promise<void> {
    const { masterFd } = await receiveConsole(socketFd);
    this.#followSize(masterFd);
    this.#makeRaw();
    const output = new ReadStream(masterFd);
    const input = new WriteStream(masterFd);
    process.stdin.on('data', (chunk: Buffer) => input.write(chunk));
    this.#release.push(() => {
      process.stdin.pause();
      process.stdin.removeAllListeners('data');
      output.destroy();
      input.destroy();
    });
    const { promise, resolve } = Promise.withResolvers<undefined>();
    output.on('data', (chunk: Buffer) => {
      if (process.stdout.write(chunk)) return;
      output.pause();
      process.stdout.once('drain', () => output.resume());
    });
    // The last process that closes the terminal makes reading fail with EIO, which is its end of file.
    for (const event of ['end', 'error', 'close']) output.on(event, () => { resolve(undefined); });
    input.on('error', () => undefined);
    return promise;
  }

  #makeRaw(): void {
    if (!process.stdin.isTTY) return;
    process.stdin.setRawMode(true);
    this.#release.push(() => process.stdin.setRawMode(false));
  }

  #followSize(masterFd: number): void {
    const copySize = (): void => {
      if (process.stdout.isTTY) setWindowSize(masterFd, { columns: process.stdout.columns, rows: process.stdout.rows });
    };
    copySize();
    process.stdout.on('resize', copySize);
    this.#release.push(() => process.stdout.off('resize', copySize));
  }
}

function statusOf(status: ExitStatus): number {
  return status.signal === undefined ? status.code : SIGNALED + status.signal;
}

/** A signal may arrive when the process has just ended. */
function sendSignal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
