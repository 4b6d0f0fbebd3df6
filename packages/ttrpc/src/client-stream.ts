import { FLAG_NO_DATA, FLAG_REMOTE_CLOSED, FRAME_DATA, encodeFrame, type DecodedFrame } from './frame.ts';
import { MessageQueue } from './message-queue.ts';
import { decodeResponse, messageTooLarge } from './message.ts';
import { TtrpcError, kindOfStatus } from './errors.ts';
import type { TtrpcResponse } from './message.ts';

/** Messages of one stream that may wait for their reader; beyond, reading from the connection pauses. */
export const STREAM_MESSAGES_WAITING_MAX = 64;

/** A call that sends or receives several messages. Iterate it for the peer's messages. */
export interface TtrpcStream extends AsyncIterable<Uint8Array> {
  /** Sends one message; resolves when it has left this process. */
  send(message: Uint8Array): Promise<void>;
  /** Says that no more messages follow. */
  closeSend(): Promise<void>;
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array>;
}

/** What a stream needs of its connection. */
export interface StreamConnection {
  write(frame: Uint8Array): Promise<void>;
  /** Called when the number of waiting messages may have crossed the limit. */
  onFillChanged(): void;
  onEnd(streamId: number): void;
}

/** The client's end of one streaming call. */
export class ClientStream implements TtrpcStream {
  readonly #streamId: number;
  readonly #connection: StreamConnection;
  readonly #queue: MessageQueue<Uint8Array>;
  #isSendClosed: boolean;
  #end: { readonly error: unknown } | undefined;

  constructor(streamId: number, connection: StreamConnection, isSendClosed: boolean) {
    this.#streamId = streamId;
    this.#connection = connection;
    this.#isSendClosed = isSendClosed;
    this.#queue = new MessageQueue<Uint8Array>(
      () => {
        connection.onFillChanged();
      },
      () => {
        this.fail(undefined);
      },
    );
  }

  get isFull(): boolean {
    return this.#queue.length >= STREAM_MESSAGES_WAITING_MAX;
  }

  async send(message: Uint8Array): Promise<void> {
    // A signal's reason need not be an Error; it is passed on as it is.
    if (this.#end?.error !== undefined) throw this.#end.error as Error;
    if (this.#end !== undefined) throw new TtrpcError('failed_precondition', 'stream has ended', { code: 'CLOSED' });
    if (this.#isSendClosed) throw new TtrpcError('failed_precondition', 'cannot send on a closed stream', { code: 'CLOSED' });
    await this.#write(0, message);
  }

  async closeSend(): Promise<void> {
    if (this.#isSendClosed || this.#end !== undefined) return;
    this.#isSendClosed = true;
    await this.#write(FLAG_REMOTE_CLOSED | FLAG_NO_DATA, new Uint8Array(0));
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array> {
    return this.#queue;
  }

  /** Takes a data frame of the peer. */
  onData(frame: DecodedFrame & { readonly oversize: false }): void {
    if ((frame.flags & FLAG_NO_DATA) === 0) this.#queue.push(frame.payload);
    if ((frame.flags & FLAG_REMOTE_CLOSED) !== 0) this.fail(undefined);
    this.#connection.onFillChanged();
  }

  /** Takes the response that ends the call. */
  onResponse(payload: Uint8Array): void {
    let response: TtrpcResponse;
    try {
      response = decodeResponse(payload);
    } catch (error) {
      this.fail(error);
      return;
    }
    const error = remoteError(response);
    if (error === undefined && response.payload.length > 0) this.#queue.push(response.payload);
    this.fail(error);
  }

  /** Ends the stream, with an error or without. */
  fail(error: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#queue.end(error);
    this.#connection.onEnd(this.#streamId);
  }

  async #write(flags: number, message: Uint8Array): Promise<void> {
    let frame: Uint8Array;
    try {
      frame = encodeFrame({ streamId: this.#streamId, type: FRAME_DATA, flags }, message);
    } catch {
      throw messageTooLarge(message.length);
    }
    await this.#connection.write(frame);
  }
}

/** The error that a response carries, if it does. */
export function remoteError(response: TtrpcResponse): TtrpcError | undefined {
  const status = response.status;
  if (status === undefined || status.code === 0) return undefined;
  return new TtrpcError(kindOfStatus(status.code), status.message, { code: 'REMOTE', details: status.details });
}
