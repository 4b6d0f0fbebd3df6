/** One client connected to one process: output from the logger to the client, the client's input into the process. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { OutputSelection } from './attach-socket.ts';
import { DetachScanner } from './detach-keys.ts';
import type { OutputSource } from './output-source.ts';
import { openStdinPipe } from './stdin-pipe.ts';

/** Where a process's streams are. */
export interface ProcessStreams {
  openOutput(selection: OutputSelection): Promise<OutputSource>;
  /** Undefined when the process has no input. */
  readonly stdinFifo: string | undefined;
  /** Settles when the process runs: only then is its end of the input known to be open, so that what was written cannot be lost with the FIFO's last user. */
  readonly started: Promise<unknown>;
  /** Tells the shim that no more input comes. */
  closeStdin(): Promise<void>;
}

/** How a client wants to be connected. */
export interface SessionOptions {
  readonly output: OutputSelection | undefined;
  readonly hasStdin: boolean;
  /** The client's end of input is the process's. Otherwise the client's end of input only ends the session. */
  readonly closesStdin: boolean;
  /** Only for terminals: what ends the session and leaves the process running. */
  readonly detachKeys: Buffer | undefined;
  /** The client's write side is closed only after this: what the client asks next (an exit code) must be known by then. */
  readonly beforeEnd?: () => Promise<unknown>;
}

/** A process that is gone may have left children with its output open; after so long without a byte of theirs the session ends. */
const QUIET_MS = 2000;

/** How a session ended. */
export type SessionEnd = 'output-ended' | 'client-gone' | 'detached' | 'process-gone';

/**
 * Carries bytes between a client and a process. Created before the process runs; `connect` is called when its streams are there. The client's write side is
 * closed after the last byte of output and not before; a client that goes away leaves the process running.
 */
export class StreamSession {
  readonly #client: Duplex;
  readonly #options: SessionOptions;
  readonly #ended = Promise.withResolvers<SessionEnd>();
  #output: OutputSource | undefined;
  #stdin: Socket | undefined;
  #closeStdin: (() => Promise<void>) | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(client: Duplex, options: SessionOptions) {
    this.#client = client;
    this.#options = options;
    client.on('error', () => { this.#finish('client-gone'); });
    client.once('close', () => { this.#finish('client-gone'); });
  }

  /** How it ended, once it has. */
  get ended(): Promise<SessionEnd> {
    return this.#ended.promise;
  }

  /** Connects to the process. When this resolves no byte of output from now on is missed. */
  async connect(streams: ProcessStreams): Promise<void> {
    if (this.#isOver) return;
    const { output, hasStdin } = this.#options;
    const [out, stdin] = await Promise.all([
      output && (output.stdout || output.stderr) ? streams.openOutput(output) : undefined,
      hasStdin && streams.stdinFifo !== undefined ? openStdinPipe(streams.stdinFifo) : undefined,
    ]);
    this.#output = out;
    this.#stdin = stdin;
    if (this.#isClosed()) {
      out?.destroy();
      stdin?.destroy();
      return;
    }
    if (out) this.#pumpOutput(out);
    if (stdin) this.#pumpInput(stdin, streams);
    else this.#client.resume(); // input that nobody wants is read and dropped, so that the client's close is noticed
  }

  #isClosed(): boolean {
    return this.#isOver;
  }

  /** Ends the session from the process's side: it stopped, or never started. Output that is still on its way is delivered first. */
  processGone(): void {
    this.#stdin?.destroy();
    if (!this.#output) this.#finish('process-gone');
    else this.#endWhenQuiet(this.#output);
  }

  /** Ends the session with a message of the daemon's in place of output. */
  fail(message: string, isFramed: boolean): void {
    const text = Buffer.from(message);
    const header = Buffer.alloc(8);
    header.writeUInt8(1, 0);
    header.writeUInt32BE(text.length, 4);
    this.#client.write(isFramed ? Buffer.concat([header, text]) : text);
    this.#finish('process-gone');
  }

  #endWhenQuiet(output: OutputSource): void {
    this.#quiet ??= setTimeout(() => {
      if (output.isPaused) this.#quiet?.refresh(); // the client is slow, there may be more
      else this.#finish('process-gone');
    }, QUIET_MS);
  }

  #pumpOutput(output: OutputSource): void {
    this.#client.on('drain', () => { output.resume(); });
    output.flow({
      data: (chunk) => {
        this.#quiet?.refresh();
        if (!this.#client.write(chunk)) output.pause();
      },
      end: () => { this.#finish('output-ended'); },
    });
  }

  #pumpInput(stdin: Socket, streams: ProcessStreams): void {
    this.#closeStdin = () => streams.closeStdin();
    const started = streams.started;
    const scanner = this.#options.detachKeys && new DetachScanner(this.#options.detachKeys);
    stdin.on('error', () => { stdin.destroy(); }); // the process is gone; its output says how it ended
    stdin.on('drain', () => this.#client.resume());
    this.#client.on('data', (chunk: Buffer) => {
      const { forward, isDetached } = scanner?.scan(chunk) ?? { forward: chunk, isDetached: false };
      if (forward.length > 0 && !stdin.destroyed && !stdin.write(forward)) this.#client.pause();
      if (isDetached) this.#finish('detached');
    });
    this.#client.once('end', () => { void started.then(() => { this.#endInput(stdin); }, () => undefined); });
    this.#client.resume(); // it may have been paused while the request was read
  }

  #endInput(stdin: Socket): void {
    if (stdin.destroyed) return;
    stdin.end(() => {
      if (this.#options.closesStdin) this.#tellEndOfInput();
      else this.#finish('detached');
    });
  }

  /** At most once. */
  #tellEndOfInput(): void {
    const close = this.#closeStdin;
    this.#closeStdin = undefined;
    close?.().catch(() => undefined); // the process is gone: then its input is closed as well
  }

  #finish(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#quiet);
    this.#output?.destroy();
    this.#stdin?.destroy();
    // A client that vanished without closing its side will send nothing more either.
    if (end === 'client-gone' && this.#options.closesStdin) this.#tellEndOfInput();
    void this.#closeClient(end).finally(() => { this.#ended.resolve(end); });
  }

  async #closeClient(end: SessionEnd): Promise<void> {
    if (end === 'client-gone') {
      this.#client.destroy();
      return;
    }
    if (end === 'output-ended') await this.#options.beforeEnd?.();
    this.#client.end();
  }
}
