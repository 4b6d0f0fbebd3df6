/** One client connected to one process: output from the logger to the client, the client's input into the process. */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connectAttachSocket, type OutputSelection } from './attach-socket.ts';
import { DetachScanner } from './detach-keys.ts';
import { openStdinPipe } from './stdin-pipe.ts';

/** Where a process's streams are. */
export interface ProcessStreams {
  readonly attachSocket: string;
  /** Undefined when the process has no input. */
  readonly stdinFifo: string | undefined;
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
}

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
  #output: Socket | undefined;
  #stdin: Socket | undefined;
  #closeStdin: (() => Promise<void>) | undefined;
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
      output && (output.stdout || output.stderr) ? connectAttachSocket(streams.attachSocket, output) : undefined,
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
  }

  #pumpOutput(out: Socket): void {
    out.on('data', (chunk: Buffer) => {
      if (!this.#client.write(chunk)) out.pause();
    });
    this.#client.on('drain', () => out.resume());
    out.once('end', () => { this.#finish('output-ended'); });
    out.on('error', () => { this.#finish('output-ended'); });
    out.once('close', () => { this.#finish('output-ended'); });
  }

  #pumpInput(stdin: Socket, streams: ProcessStreams): void {
    this.#closeStdin = () => streams.closeStdin();
    const scanner = this.#options.detachKeys && new DetachScanner(this.#options.detachKeys);
    stdin.on('error', () => { stdin.destroy(); }); // the process is gone; its output says how it ended
    stdin.on('drain', () => this.#client.resume());
    this.#client.on('data', (chunk: Buffer) => {
      const { forward, isDetached } = scanner?.scan(chunk) ?? { forward: chunk, isDetached: false };
      if (forward.length > 0 && !stdin.destroyed && !stdin.write(forward)) this.#client.pause();
      if (isDetached) this.#finish('detached');
    });
    this.#client.once('end', () => { this.#endInput(stdin); });
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
    this.#output?.destroy();
    this.#stdin?.destroy();
    // A client that vanished without closing its side will send nothing more either.
    if (end === 'client-gone' && this.#options.closesStdin) this.#tellEndOfInput();
    if (end === 'client-gone') this.#client.destroy();
    else this.#client.end();
    this.#ended.resolve(end);
  }
}
