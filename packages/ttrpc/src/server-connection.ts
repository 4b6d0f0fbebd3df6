import { finished, type Duplex } from 'node:stream';
import { STREAM_MESSAGES_WAITING_MAX } from './client-stream.ts';
import { startDeadline } from './deadline.ts';
import type { TtrpcCallContext, TtrpcMethod } from './definition.ts';
import { TtrpcError, isTtrpcError, isTtrpcErrorKind, statusOfKind } from './errors.ts';
import {
  FLAG_NO_DATA,
  FLAG_REMOTE_CLOSED,
  FLAG_REMOTE_OPEN,
  FRAME_DATA,
  FRAME_REQUEST,
  FrameDecoder,
  encodeFrame,
  type DecodedFrame,
} from './frame.ts';
import { MessageQueue } from './message-queue.ts';
import { decodeRequest, encodeResponseFrame, messageTooLarge, type TtrpcRequest, type TtrpcStatus } from './message.ts';

/** A handler without its types. */
export type AnyHandler = (request: unknown, context: TtrpcCallContext) => unknown;

/** A method and who answers it. */
export interface RegisteredMethod {
  readonly method: TtrpcMethod;
  readonly handler: AnyHandler;
}

/** Finds a method or throws the not_implemented error that names what is missing. */
export type MethodResolver = (service: string, method: string) => RegisteredMethod;

/** Calls that may run at once on one connection. A Wait call stays open as long as its process, so this is generous. */
export const CALLS_AT_ONCE_MAX = 65_536;

const EMPTY = new Uint8Array(0);

/** One caller of a server. */
export class ServerConnection {
  readonly closed: Promise<void>;
  readonly #stream: Duplex;
  readonly #resolve: MethodResolver;
  readonly #decoder = new FrameDecoder();
  readonly #calls = new Map<number, ServerCall>();
  /** Those of the calls that take several messages. */
  readonly #streamingCalls = new Set<ServerCall>();
  #lastStreamId = 0;
  #isDraining = false;
  #onIdle: (() => void) | undefined;

  constructor(stream: Duplex, resolve: MethodResolver) {
    this.#stream = stream;
    this.#resolve = resolve;
    stream.on('data', (chunk: Uint8Array) => {
      for (const frame of this.#decoder.push(chunk)) this.#onFrame(frame);
    });
    stream.on('drain', () => {
      this.#pauseWhileFull();
    });
    this.closed = new Promise((settle) => {
      // A broken connection needs no report: the caller is gone, and its calls are told by their signals.
      finished(stream, { readable: true, writable: false }, () => {
        stream.destroy();
        for (const call of this.#calls.values()) call.abort(new TtrpcError('canceled', 'context canceled', { code: 'CLOSED' }));
        settle();
      });
    });
  }

  /** Answers what is running, refuses what comes, then closes. */
  async close(): Promise<void> {
    this.#isDraining = true;
    if (this.#calls.size > 0 && !this.#stream.destroyed) {
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      await Promise.race([idle, this.closed]);
    }
    this.#stream.end(() => this.#stream.destroy());
    await this.closed;
  }

  /** Breaks off at once. */
  destroy(): void {
    this.#stream.destroy();
  }

  #onFrame(frame: DecodedFrame): void {
    if (frame.oversize) {
      const error = messageTooLarge(frame.payloadBytes);
      const call = this.#calls.get(frame.streamId);
      if (call === undefined) this.#writeError(frame.streamId, error);
      else call.failInput(error);
    } else if (frame.type === FRAME_REQUEST) {
      this.#onRequest(frame);
    } else if (frame.type === FRAME_DATA) {
      const call = this.#calls.get(frame.streamId);
      if (call === undefined) this.#writeError(frame.streamId, invalid('StreamID is no longer active'));
      else call.onData(frame);
    }
    // Frames of other types are none of the server's: dropped.
  }

  #onRequest(frame: DecodedFrame & { readonly oversize: false }): void {
    const { streamId } = frame;
    let call: ServerCall;
    let registered: RegisteredMethod;
    try {
      if (streamId % 2 !== 1) throw invalid('StreamID must be odd for client initiated streams');
      if (streamId <= this.#lastStreamId) throw invalid('StreamID cannot be re-used and must increment');
      this.#lastStreamId = streamId;
      if (this.#isDraining) throw new TtrpcError('unavailable', 'server is shutting down', { code: 'CLOSED' });
      if (this.#calls.size >= CALLS_AT_ONCE_MAX) throw tooManyCalls();
      const request = decodeRequest(frame.payload);
      registered = this.#resolve(request.service, request.method);
      call = new ServerCall(registered, request, frame.flags, () => {
        this.#pauseWhileFull();
      });
    } catch (error) {
      this.#writeError(streamId, error);
      return;
    }
    this.#calls.set(streamId, call);
    if (registered.method.requestStream) this.#streamingCalls.add(call);
    void this.#answer(streamId, call);
  }

  async #answer(streamId: number, call: ServerCall): Promise<void> {
    try {
      if (call.hasResponseStream) {
        for await (const message of call.runStreaming()) await this.#writeData(streamId, 0, message);
        await this.#writeData(streamId, FLAG_REMOTE_CLOSED | FLAG_NO_DATA, EMPTY);
      } else {
        this.#write(encodeResponseFrame(streamId, { status: undefined, payload: await call.run() }));
      }
    } catch (error) {
      this.#writeError(streamId, error);
    } finally {
      call.finish();
      this.#calls.delete(streamId);
      this.#streamingCalls.delete(call);
      if (this.#calls.size === 0) this.#onIdle?.();
      this.#pauseWhileFull();
    }
  }

  async #writeData(streamId: number, flags: number, message: Uint8Array): Promise<void> {
    if (this.#write(encodeData(streamId, flags, message))) return;
    // A slow reader holds its stream back; a connection that ends lets go of it.
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#stream.off('drain', done);
        this.#stream.off('close', done);
        resolve();
      };
      this.#stream.on('drain', done);
      this.#stream.on('close', done);
    });
  }

  #writeError(streamId: number, error: unknown): void {
    this.#write(encodeErrorFrame(streamId, error));
  }

  #write(frame: Uint8Array): boolean {
    if (this.#stream.destroyed || this.#stream.writableEnded) return true;
    const hasRoom = this.#stream.write(frame);
    if (!hasRoom) this.#stream.pause();
    return hasRoom;
  }

  /** Reads nothing more while answers pile up or a handler leaves its messages unread. */
  #pauseWhileFull(): void {
    const isFull = this.#stream.writableNeedDrain || this.#hasFullCall();
    if (isFull) this.#stream.pause();
    else if (this.#stream.isPaused()) this.#stream.resume();
  }

  #hasFullCall(): boolean {
    for (const call of this.#streamingCalls) if (call.isFull) return true;
    return false;
  }
}

/** One call that a handler is working on. */
class ServerCall {
  readonly hasResponseStream: boolean;
  readonly #registered: RegisteredMethod;
  readonly #request: TtrpcRequest;
  readonly #input: MessageQueue<unknown> | undefined;
  /** Made when the handler first asks for its signal, which most never do. */
  #controller: AbortController | undefined;
  #abortReason: TtrpcError | undefined;
  readonly #stopDeadline: (() => void) | undefined;

  constructor(registered: RegisteredMethod, request: TtrpcRequest, flags: number, onRoom: () => void) {
    const { method } = registered;
    this.#registered = registered;
    this.#request = request;
    this.hasResponseStream = method.responseStream;
    if (method.requestStream) {
      this.#input = new MessageQueue(onRoom);
      if (request.payload.length > 0) this.#input.push(this.#decode(request.payload));
      if ((flags & FLAG_REMOTE_OPEN) === 0) this.#input.end();
    }
    if (request.timeoutNanos > 0n) {
      this.#stopDeadline = startDeadline(Math.max(1, Number(request.timeoutNanos / 1_000_000n)), () => {
        this.abort(new TtrpcError('deadline_exceeded', 'context deadline exceeded', { code: 'TIMEOUT' }));
      });
    }
  }

  get isFull(): boolean {
    return this.#input !== undefined && this.#input.length >= STREAM_MESSAGES_WAITING_MAX;
  }

  async run(): Promise<Uint8Array> {
    const { method, handler } = this.#registered;
    const response = await handler(this.#handlerInput(), this.#context());
    return method.responseType.encode(method.responseType.fromPartial(response)).finish();
  }

  async *runStreaming(): AsyncGenerator<Uint8Array> {
    const { method, handler } = this.#registered;
    const responses = handler(this.#handlerInput(), this.#context()) as AsyncIterable<unknown>;
    for await (const response of responses) {
      yield method.responseType.encode(method.responseType.fromPartial(response)).finish();
      if (this.#abortReason !== undefined) throw this.#abortReason;
    }
  }

  onData(frame: DecodedFrame & { readonly oversize: false }): void {
    if (this.#input === undefined) return;
    try {
      if ((frame.flags & FLAG_NO_DATA) === 0) this.#input.push(this.#decode(frame.payload));
    } catch (error) {
      this.#input.end(error);
    }
    if ((frame.flags & FLAG_REMOTE_CLOSED) !== 0) this.#input.end();
  }

  failInput(error: TtrpcError): void {
    this.#input?.end(error);
  }

  abort(reason: TtrpcError): void {
    this.#abortReason ??= reason;
    this.#controller?.abort(reason);
    this.failInput(reason);
  }

  finish(): void {
    this.#stopDeadline?.();
  }

  #handlerInput(): unknown {
    return this.#input ?? this.#decode(this.#request.payload);
  }

  #decode(payload: Uint8Array): unknown {
    try {
      return this.#registered.method.requestType.decode(payload);
    } catch (error) {
      throw new TtrpcError('invalid_argument', 'cannot decode the request', { code: 'MALFORMED', cause: error });
    }
  }

  #context(): TtrpcCallContext {
    const { service, method, metadata } = this.#request;
    const signal = (): AbortSignal => this.#signal();
    return {
      service,
      method,
      metadata,
      get signal(): AbortSignal {
        return signal();
      },
    };
  }

  #signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }
}

function encodeData(streamId: number, flags: number, message: Uint8Array): Uint8Array {
  try {
    return encodeFrame({ streamId, type: FRAME_DATA, flags }, message);
  } catch {
    throw messageTooLarge(message.length);
  }
}

function encodeErrorFrame(streamId: number, error: unknown): Uint8Array {
  const status = toStatus(error);
  try {
    return encodeResponseFrame(streamId, { status, payload: EMPTY });
  } catch {
    // Details or a text that no frame can hold: the code alone still says what went wrong.
    return encodeResponseFrame(streamId, { status: { code: status.code, message: 'error text is too long to be sent', details: [] }, payload: EMPTY });
  }
}

/** The status of whatever a handler threw. An error of another class counts when its `kind` is of the vocabulary. */
function toStatus(error: unknown): TtrpcStatus {
  const kind = error instanceof Error && 'kind' in error && isTtrpcErrorKind(error.kind) ? error.kind : 'unknown';
  const message = error instanceof Error ? error.message : String(error);
  return { code: statusOfKind(kind), message, details: isTtrpcError(error) ? error.details : [] };
}

function invalid(message: string): TtrpcError {
  return new TtrpcError('invalid_argument', message, { code: 'MALFORMED' });
}

function tooManyCalls(): TtrpcError {
  return new TtrpcError('resource_exhausted', `more than ${CALLS_AT_ONCE_MAX} calls at once`, { code: 'TOO_MANY_CALLS' });
}
