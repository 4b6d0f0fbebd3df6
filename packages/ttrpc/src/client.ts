import { connect } from 'node:net';
import { finished, type Duplex } from 'node:stream';
import { ClientStream, remoteError, type TtrpcStream } from './client-stream.ts';
import { startDeadline } from './deadline.ts';
import type { TtrpcCallOptions } from './definition.ts';
import { TtrpcError } from './errors.ts';
import { FLAG_REMOTE_CLOSED, FLAG_REMOTE_OPEN, FRAME_DATA, FRAME_RESPONSE, FrameDecoder, type DecodedFrame } from './frame.ts';
import { decodeResponse, encodeRequestFrame, messageTooLarge, type TtrpcResponse } from './message.ts';

/** A call that waits for its response. */
interface PendingCall {
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

const NO_METADATA: ReadonlyMap<string, readonly string[]> = new Map();
const STREAM_ID_MAX = 2 ** 32 - 1;

/**
 * A ttrpc connection, seen from the calling side. Any number of calls run at once.
 * It owns its stream: `close()` and `destroy()` end it, and every open call then fails with `unavailable` (code `CLOSED`).
 */
export class TtrpcClient implements AsyncDisposable {
  /** Settles when the connection has ended, whoever ended it: with the error that ended it, if one did. Never rejects. */
  readonly closed: Promise<Error | undefined>;
  readonly #stream: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #calls = new Map<number, PendingCall>();
  readonly #streams = new Map<number, ClientStream>();
  #nextStreamId = 1;
  #end: TtrpcError | undefined;

  /** Speaks ttrpc over a connected stream. */
  constructor(stream: Duplex) {
    this.#stream = stream;
    stream.on('data', (chunk: Uint8Array) => {
      for (const frame of this.#decoder.push(chunk)) this.#onFrame(frame);
    });
    this.closed = new Promise((resolve) => {
      finished(stream, { readable: true, writable: false }, (error) => {
        this.#shutDown(error ?? undefined);
        stream.destroy();
        resolve(error ?? undefined);
      });
    });
  }

  /**
   * Connects to a unix socket; a path that starts with a NUL byte is an abstract one.
   * @throws the system's error (ENOENT, ECONNREFUSED …), or the signal's reason
   */
  static async connect(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<TtrpcClient> {
    const { signal } = options;
    signal?.throwIfAborted();
    const socket = connect({ path });
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const onAbort = (): void => {
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort);
    socket.once('connect', () => {
      resolve(undefined);
    });
    socket.once('error', reject);
    try {
      await promise;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', reject);
    }
    return new TtrpcClient(socket);
  }

  /** Whether the connection has ended. */
  get isClosed(): boolean {
    return this.#end !== undefined;
  }

  /**
   * Calls a method with an encoded request and resolves with the encoded response.
   * @throws TtrpcError with the peer's kind (`REMOTE`), unavailable (`CLOSED`), deadline_exceeded (`TIMEOUT`),
   *   resource_exhausted (`FRAME_TOO_LARGE`) or invalid_argument (`MALFORMED`); the signal's reason when that aborts
   */
  async call(service: string, method: string, payload: Uint8Array, options: TtrpcCallOptions = {}): Promise<Uint8Array> {
    options.signal?.throwIfAborted();
    const streamId = this.#takeStreamId();
    const frame = encodeRequestFrame(streamId, 0, { service, method, payload, ...requestOptions(options) });
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    this.#calls.set(streamId, { resolve, reject });
    const stopWatching = this.#watch(options, reject);
    try {
      this.#stream.write(frame);
      return await promise;
    } finally {
      stopWatching();
      this.#calls.delete(streamId);
    }
  }

  /**
   * Begins a call that sends (`hasRequestStream`) or receives several messages; needs ttrpc 1.2 on the other side.
   * Without a request stream, `payload` is the one request. Stopping the iteration gives the call up.
   * @throws as `call` does, here or from the iteration
   */
  stream(
    service: string,
    method: string,
    options: TtrpcCallOptions & { readonly hasRequestStream: boolean; readonly payload?: Uint8Array },
  ): TtrpcStream {
    options.signal?.throwIfAborted();
    const streamId = this.#takeStreamId();
    const flags = options.hasRequestStream ? FLAG_REMOTE_OPEN : FLAG_REMOTE_CLOSED;
    const payload = options.payload ?? new Uint8Array(0);
    const frame = encodeRequestFrame(streamId, flags, { service, method, payload, ...requestOptions(options) });
    let stopWatching = (): void => undefined;
    const connection = {
      write: (data: Uint8Array): Promise<void> => this.#write(data),
      onFillChanged: (): void => {
        this.#pauseWhileFull();
      },
      onEnd: (): void => {
        stopWatching();
        this.#streams.delete(streamId);
        this.#pauseWhileFull();
      },
    };
    const stream = new ClientStream(streamId, connection, !options.hasRequestStream);
    this.#streams.set(streamId, stream);
    stopWatching = this.#watch(options, (error) => {
      stream.fail(error);
    });
    this.#stream.write(frame);
    return stream;
  }

  /** Ends the connection; open calls fail. Resolves when the stream is closed. */
  async close(): Promise<void> {
    this.#shutDown(undefined);
    this.#stream.end();
    this.#stream.destroy();
    await this.closed;
  }

  /** Breaks the connection off; open calls fail with `error` as their cause. */
  destroy(error?: Error): void {
    this.#shutDown(error);
    this.#stream.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #takeStreamId(): number {
    if (this.#end !== undefined) throw this.#end;
    const streamId = this.#nextStreamId;
    if (streamId > STREAM_ID_MAX) throw new TtrpcError('resource_exhausted', 'stream ids are used up', { code: 'CLOSED' });
    this.#nextStreamId += 2;
    return streamId;
  }

  #onFrame(frame: DecodedFrame): void {
    const call = this.#calls.get(frame.streamId);
    const stream = this.#streams.get(frame.streamId);
    if (frame.oversize) {
      call?.reject(messageTooLarge(frame.payloadBytes));
      stream?.fail(messageTooLarge(frame.payloadBytes));
    } else if (frame.type === FRAME_RESPONSE) {
      if (call !== undefined) settle(call, frame.payload);
      else stream?.onResponse(frame.payload);
    } else if (frame.type === FRAME_DATA) {
      stream?.onData(frame);
    }
    // What is left answers a call that was given up.
  }

  #watch(options: TtrpcCallOptions, reject: (error: unknown) => void): () => void {
    const { signal, timeoutMs } = options;
    const onAbort = (): void => {
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort);
    const stopDeadline =
      timeoutMs === undefined
        ? undefined
        : startDeadline(timeoutMs, () => {
            reject(new TtrpcError('deadline_exceeded', 'context deadline exceeded', { code: 'TIMEOUT' }));
          });
    return () => {
      signal?.removeEventListener('abort', onAbort);
      stopDeadline?.();
    };
  }

  async #write(frame: Uint8Array): Promise<void> {
    if (this.#end !== undefined) throw this.#end;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#stream.write(frame, (error) => {
      if (error) reject(this.#end ?? closedError(error));
      else resolve(undefined);
    });
    await promise;
  }

  #pauseWhileFull(): void {
    const isFull = [...this.#streams.values()].some((stream) => stream.isFull);
    if (isFull) this.#stream.pause();
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  #shutDown(cause: Error | undefined): void {
    if (this.#end !== undefined) return;
    const error = closedError(cause);
    this.#end = error;
    for (const call of this.#calls.values()) call.reject(error);
    for (const stream of [...this.#streams.values()]) stream.fail(error);
  }
}

function settle(call: PendingCall, payload: Uint8Array): void {
  let response: TtrpcResponse;
  try {
    response = decodeResponse(payload);
  } catch (error) {
    call.reject(error);
    return;
  }
  const error = remoteError(response);
  if (error === undefined) call.resolve(response.payload);
  else call.reject(error);
}

function closedError(cause: Error | undefined): TtrpcError {
  return new TtrpcError('unavailable', 'ttrpc: closed', { code: 'CLOSED', ...(cause === undefined ? {} : { cause }) });
}

function requestOptions(options: TtrpcCallOptions): { timeoutNanos: bigint; metadata: ReadonlyMap<string, readonly string[]> } {
  const timeoutNanos = options.timeoutMs === undefined ? 0n : BigInt(Math.max(1, Math.round(options.timeoutMs * 1e6)));
  if (options.metadata === undefined) return { timeoutNanos, metadata: NO_METADATA };
  const metadata = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(options.metadata)) {
    metadata.set(key.toLowerCase(), typeof value === 'string' ? [value] : value);
  }
  return { timeoutNanos, metadata };
}
