/**
 * The frames of ttrpc: a header of ten bytes (payload length, stream id, type, flags; big endian), then the payload.
 * @see https://github.com/containerd/ttrpc/blob/main/PROTOCOL.md
 */

/** Bytes before each payload. */
export const FRAME_HEADER_BYTES = 10;
/** The largest payload, 4 MiB. A longer one is drained and refused. */
export const FRAME_PAYLOAD_BYTES_MAX: number = 4 << 20;

/** Frame types. */
export const FRAME_REQUEST = 1;
export const FRAME_RESPONSE = 2;
export const FRAME_DATA = 3;

/** Flag: the sender sends no more on this stream. */
export const FLAG_REMOTE_CLOSED = 1;
/** Flag: the sender goes on sending on this stream. */
export const FLAG_REMOTE_OPEN = 2;
/** Flag: the frame stands for no message, not for an empty one. */
export const FLAG_NO_DATA = 4;

/** The header of a frame. */
export interface FrameHeader {
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
}

/** What a decoder yields: a frame, or the header of one that was too long and has been dropped. */
export type DecodedFrame =
  | (FrameHeader & { readonly oversize: false; readonly payload: Uint8Array })
  | (FrameHeader & { readonly oversize: true; readonly payloadBytes: number });

/** Writes a header of `payloadBytes` into the first ten bytes of `target`. */
export function writeFrameHeader(target: Uint8Array, header: FrameHeader, payloadBytes: number): void {
  const view = new DataView(target.buffer, target.byteOffset, FRAME_HEADER_BYTES);
  view.setUint32(0, payloadBytes);
  view.setUint32(4, header.streamId);
  view.setUint8(8, header.type);
  view.setUint8(9, header.flags);
}

/**
 * One frame as contiguous bytes.
 * @throws RangeError when the payload is longer than FRAME_PAYLOAD_BYTES_MAX
 */
export function encodeFrame(header: FrameHeader, payload: Uint8Array): Uint8Array {
  if (payload.length > FRAME_PAYLOAD_BYTES_MAX) {
    throw new RangeError(`payload has ${payload.length} bytes, want at most ${FRAME_PAYLOAD_BYTES_MAX}`);
  }
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  writeFrameHeader(frame, header, payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/**
 * Cuts a byte stream into frames. A payload that lies within one chunk is a view of it, not a copy.
 * It accepts any bytes: every ten of them are a header to it.
 */
export class FrameDecoder {
  /** Bytes of an incomplete header or payload, in order. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #header: (FrameHeader & { readonly payloadBytes: number }) | undefined;
  /** Bytes of a too long payload still to be dropped. */
  #drainBytes = 0;

  /** Takes the next chunk of the stream and returns the frames it completes, in order. */
  push(chunk: Uint8Array): DecodedFrame[] {
    const frames: DecodedFrame[] = [];
    let rest = chunk;
    for (;;) {
      if (this.#header === undefined) {
        const bytes = this.#take(rest, FRAME_HEADER_BYTES);
        if (bytes === undefined) return frames;
        rest = bytes.rest;
        this.#header = readHeader(bytes.taken);
        if (this.#header.payloadBytes > FRAME_PAYLOAD_BYTES_MAX) this.#drainBytes = this.#header.payloadBytes;
      }
      const { payloadBytes, streamId, type, flags } = this.#header;
      if (this.#drainBytes > 0) {
        const dropped = Math.min(this.#drainBytes, rest.length);
        this.#drainBytes -= dropped;
        rest = rest.subarray(dropped);
        if (this.#drainBytes > 0) return frames;
        frames.push({ streamId, type, flags, oversize: true, payloadBytes });
      } else {
        const bytes = this.#take(rest, payloadBytes);
        if (bytes === undefined) return frames;
        rest = bytes.rest;
        frames.push({ streamId, type, flags, oversize: false, payload: bytes.taken });
      }
      this.#header = undefined;
    }
  }

  /** Whether the stream ended inside a frame, if it ended now. */
  get isInsideFrame(): boolean {
    return this.#header !== undefined || this.#pendingBytes > 0;
  }

  /** The next `size` bytes from what is pending and `chunk`; otherwise keeps the chunk for later. */
  #take(chunk: Uint8Array, size: number): { taken: Uint8Array; rest: Uint8Array } | undefined {
    const missing = size - this.#pendingBytes;
    if (chunk.length < missing) {
      if (chunk.length > 0) this.#pending.push(chunk);
      this.#pendingBytes += chunk.length;
      return undefined;
    }
    const rest = chunk.subarray(missing);
    if (this.#pendingBytes === 0) return { taken: chunk.subarray(0, missing), rest };
    const taken = new Uint8Array(size);
    let offset = 0;
    for (const part of this.#pending) {
      taken.set(part, offset);
      offset += part.length;
    }
    taken.set(chunk.subarray(0, missing), offset);
    this.#pending = [];
    this.#pendingBytes = 0;
    return { taken, rest };
  }
}

function readHeader(bytes: Uint8Array): FrameHeader & { readonly payloadBytes: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  return { payloadBytes: view.getUint32(0), streamId: view.getUint32(4), type: view.getUint8(8), flags: view.getUint8(9) };
}
