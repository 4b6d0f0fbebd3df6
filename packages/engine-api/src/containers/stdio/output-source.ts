/** Where a process's output comes from. */
import { constants, open, close } from 'node:fs';
import { Socket } from 'node:net';
import { connectAttachSocket, type OutputSelection } from './attach-socket.ts';

/** Who takes the output. */
export interface OutputSink {
  data(chunk: Buffer): void;
  /** All of it was given. Called once. */
  end(): void;
}

/** Output on its way. Nothing is read before `flow`. */
export interface OutputSource {
  flow(sink: OutputSink): void;
  pause(): void;
  resume(): void;
  readonly isPaused: boolean;
  destroy(): void;
}

/** The live output of a logger: bytes that go to the client as they are. @throws EngineApiError `unavailable` */
export async function openLoggerOutput(path: string, selection: OutputSelection): Promise<OutputSource> {
  return new SocketSource([{ socket: await connectAttachSocket(path, selection), header: undefined }]);
}

/** FIFOs that a shim copies a process's output into. */
export class FifoOutput {
  readonly #sources: { socket: Socket; header: Buffer | undefined }[];
  readonly #guards: number[];

  private constructor(sources: { socket: Socket; header: Buffer | undefined }[], guards: number[]) {
    this.#sources = sources;
    this.#guards = guards;
  }

  /** Opens the reading sides. Until `started` the FIFOs are held open for writing too, so that they do not end before the shim has opened them. */
  static async open(paths: { readonly stdout: string | undefined; readonly stderr: string | undefined }, isFramed: boolean): Promise<FifoOutput> {
    const sources: { socket: Socket; header: Buffer | undefined }[] = [];
    const guards: number[] = [];
    for (const [type, path] of [[1, paths.stdout], [2, paths.stderr]] as const) {
      if (path === undefined) continue;
      const fd = await openPromise(path, constants.O_RDONLY | constants.O_NONBLOCK);
      sources.push({ socket: new Socket({ fd, readable: true, writable: false }), header: isFramed ? Buffer.of(type, 0, 0, 0, 0, 0, 0, 0) : undefined });
      guards.push(await openPromise(path, constants.O_WRONLY | constants.O_NONBLOCK));
    }
    return new FifoOutput(sources, guards);
  }

  /** The shim has them open: from now on they end when it closes them. */
  started(): void {
    for (const fd of this.#guards.splice(0)) close(fd);
  }

  /** Gives everything back unread. */
  abandon(): void {
    this.started();
    for (const { socket } of this.#sources) socket.destroy();
  }

  source(): OutputSource {
    return new SocketSource(this.#sources);
  }
}

function openPromise(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, (err, fd) => {
      if (err) reject(err);
      else resolve(fd);
    });
  });
}

/** One or two sockets as one output; with a header each chunk becomes a frame. */
class SocketSource implements OutputSource {
  readonly #inputs: readonly { readonly socket: Socket; readonly header: Buffer | undefined }[];
  #isPaused = false;

  constructor(inputs: readonly { readonly socket: Socket; readonly header: Buffer | undefined }[]) {
    this.#inputs = inputs;
    for (const { socket } of inputs) socket.on('error', () => undefined); // 'close' follows
  }

  flow(sink: OutputSink): void {
    let open = this.#inputs.length;
    for (const { socket, header } of this.#inputs) {
      let isOpen = true;
      const ended = (): void => {
        if (!isOpen) return;
        isOpen = false;
        if (--open === 0) sink.end();
      };
      socket.on('data', (chunk: Buffer) => { sink.data(header ? frame(header, chunk) : chunk); });
      socket.once('end', ended);
      socket.once('close', ended);
    }
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    this.#isPaused = true;
    for (const { socket } of this.#inputs) socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    for (const { socket } of this.#inputs) socket.resume();
  }

  destroy(): void {
    for (const { socket } of this.#inputs) socket.destroy();
  }
}

function frame(header: Buffer, chunk: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(header.length + chunk.length);
  header.copy(framed);
  framed.writeUInt32BE(chunk.length, 4);
  chunk.copy(framed, header.length);
  return framed;
}
