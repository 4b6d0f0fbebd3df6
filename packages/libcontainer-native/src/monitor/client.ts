/** A connection to one dray-monitor. */
import { closeSync, constants, openSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { LibcontainerError, systemError } from '../errors.ts';
import { encodeMonitorRequest, MONITOR_PROTOCOL_VERSION, MonitorMessageDecoder, type MonitorMessage, type MonitorRequest, type MonitorStatus } from './protocol.ts';

/** sun_path holds 108 bytes with its end. */
const SOCKET_PATH_BYTES_MAX = 107;

interface PendingRequest {
  readonly request: MonitorRequest;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Talks to a monitor over its control socket. Lifecycle: `connect()` → requests and status reports → `taken()` or `quit()`, after which the
 * monitor is gone, or `close()`, after which it goes on and may be connected to again.
 */
export class MonitorClient implements Disposable {
  readonly #socket: Socket;
  readonly #decoder = new MonitorMessageDecoder();
  readonly #pending = new Map<number, PendingRequest>();
  readonly #closed = Promise.withResolvers<undefined>();
  #sequence = 0;
  #status: MonitorStatus | undefined;
  #greeted: PromiseWithResolvers<undefined> | undefined = Promise.withResolvers<undefined>();
  #onStatus: ((status: MonitorStatus) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => { this.#take(chunk); });
    socket.on('error', () => { /* 'close' follows and says all there is to say */ });
    socket.on('close', () => { this.#end(); });
  }

  /**
   * Connects and exchanges hellos. The path may be longer than a socket's address holds.
   * @throws LibcontainerError with the errno's code (ENOENT, ECONNREFUSED: there is no monitor), or MONITOR_PROTOCOL
   */
  static async connect(path: string): Promise<MonitorClient> {
    return MonitorClient.#greet(await connectUnix(path));
  }

  /**
   * Takes over the descriptor of a connected socket whose other end the monitor was given as `--control-fd`, and exchanges hellos.
   * @throws LibcontainerError MONITOR_CLOSED when the monitor ended before it answered
   */
  static async fromDescriptor(fd: number): Promise<MonitorClient> {
    return MonitorClient.#greet(new Socket({ fd, readable: true, writable: true }));
  }

  static async #greet(socket: Socket): Promise<MonitorClient> {
    const client = new MonitorClient(socket);
    try {
      await client.#hello();
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** The newest status known. */
  get status(): MonitorStatus {
    if (this.#status === undefined) throw closedError();
    return this.#status;
  }

  /** Settles when the connection is gone, for whatever reason. */
  get closed(): Promise<undefined> {
    return this.#closed.promise;
  }

  /** Calls back on each report from now on; there is one listener. It must not throw. */
  onStatus(listener: (status: MonitorStatus) => void): void {
    this.#onStatus = listener;
  }

  /** Names the process whose exit counts: a child of the monitor. Nothing it did meanwhile is missed. @throws ECHILD, EBUSY */
  watch(pid: number): Promise<void> {
    return this.#request({ type: 'watch', pid });
  }

  /** Sets the terminal's size; without a terminal nothing happens. */
  resize(width: number, height: number): Promise<void> {
    return this.#request({ type: 'resize', width, height });
  }

  /** From now on stdin ends when its last writer leaves. */
  closeStdin(): Promise<void> {
    return this.#request({ type: 'closeStdin' });
  }

  /** Signals the watched process. @throws ESRCH when it has exited */
  signal(signal: number): Promise<void> {
    return this.#request({ type: 'signal', signal });
  }

  /** Watches a memory cgroup's folder for kills; `status.oomKills` counts them. */
  watchOom(version: 1 | 2, folder: string): Promise<void> {
    return this.#request({ type: 'watchOom', version, folder });
  }

  /**
   * The exit status is in safe hands: the monitor moves the output that is there, without waiting for anybody, and leaves. Resolves when it has
   * let go of every file. @throws EBUSY while the process runs
   */
  async taken(): Promise<void> {
    await this.#request({ type: 'taken' });
    await this.closed;
  }

  /** Ends a monitor that watches nobody: what its command left behind is killed. @throws EBUSY while a watched process runs */
  async quit(): Promise<void> {
    await this.#request({ type: 'quit' });
    await this.closed;
  }

  /** Lets go of the connection; the monitor goes on. */
  close(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #hello(): Promise<void> {
    const greeted = this.#greeted;
    this.#socket.write(encodeMonitorRequest({ type: 'hello' }, ++this.#sequence));
    await greeted?.promise;
    this.#greeted = undefined;
  }

  #request(request: MonitorRequest): Promise<void> {
    if (this.#socket.destroyed) return Promise.reject(closedError());
    const sequence = ++this.#sequence;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#pending.set(sequence, { request, resolve: () => { resolve(undefined); }, reject });
    this.#socket.write(encodeMonitorRequest(request, sequence));
    return promise;
  }

  #take(chunk: Buffer): void {
    try {
      for (const message of this.#decoder.push(chunk)) this.#handle(message);
    } catch (error) {
      this.#greeted?.reject(error);
      this.#socket.destroy();
    }
  }

  #handle(message: MonitorMessage): void {
    switch (message.type) {
      case 'hello':
        if (message.version !== MONITOR_PROTOCOL_VERSION) {
          throw new LibcontainerError({ kind: 'failed_precondition', code: 'MONITOR_PROTOCOL', message: `the monitor speaks version ${message.version}, want ${MONITOR_PROTOCOL_VERSION}` });
        }
        return;
      case 'status':
        this.#status = message.status;
        this.#greeted?.resolve(undefined);
        this.#onStatus?.(message.status);
        return;
      case 'result':
        this.#settle(message.sequence, message.errno);
    }
  }

  #settle(sequence: number, errno: number): void {
    const pending = this.#pending.get(sequence);
    this.#pending.delete(sequence);
    if (errno === 0) pending?.resolve();
    else pending?.reject(systemError(errno, `monitor ${pending.request.type}`));
  }

  #end(): void {
    for (const { request, resolve, reject } of this.#pending.values()) {
      // A monitor that leaves on request may be gone before its answer was read.
      if (request.type === 'taken' || request.type === 'quit') resolve();
      else reject(closedError());
    }
    this.#pending.clear();
    this.#greeted?.reject(closedError());
    this.#closed.resolve(undefined);
  }
}

function closedError(): LibcontainerError {
  return new LibcontainerError({ kind: 'unavailable', code: 'MONITOR_CLOSED', message: 'the monitor\'s connection is closed' });
}

/** A path that a socket address cannot hold is named through its folder's descriptor. */
async function connectUnix(path: string): Promise<Socket> {
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return connectShort(path, path);
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await connectShort(`/proc/self/fd/${folder}/${basename(path)}`, path);
  } finally {
    closeSync(folder);
  }
}

function connectShort(path: string, shown: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const onError = (error: NodeJS.ErrnoException): void => {
      reject(systemError(Math.abs(error.errno ?? 0), 'connect', shown));
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      resolve(socket);
    });
  });
}
