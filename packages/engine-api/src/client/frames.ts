import type { Readable } from 'node:stream';
import { DrayClientError } from './errors.ts';

/** Bytes of one of the process's two streams. */
export interface OutputChunk { readonly stream: 'stdout' | 'stderr'; readonly data: Buffer }

const HEADER_BYTES = 8;
const STDERR = 2;
const DAEMON_ERROR = 3;
/** No daemon sends larger frames; a larger length means that the stream is not framed. */
const FRAME_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Takes Docker's multiplexed stream apart: frames of an 8-byte header (stream, three zeros, length) and their payload. Payloads are passed on as they
 * arrive, so that a frame larger than memory is no problem.
 */
export class FrameDecoder {
  #header = Buffer.alloc(0);
  #left = 0;
  #stream: OutputChunk['stream'] = 'stdout';

  /**
   * The output in further bytes of the stream.
   *
   * @throws DrayClientError `STREAM_ERROR` for a stream that is not framed, and for an error that the daemon reports in a frame.
   */
  decode(data: Buffer): OutputChunk[] {
    const chunks: OutputChunk[] = [];
    for (let rest = data; rest.length > 0;) {
      if (this.#left === 0) {
        const wanted = HEADER_BYTES - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, wanted)]);
        rest = rest.subarray(wanted);
        if (this.#header.length === HEADER_BYTES) this.#begin();
        continue;
      }
      const payload = rest.subarray(0, this.#left);
      this.#left -= payload.length;
      rest = rest.subarray(payload.length);
      chunks.push({ stream: this.#stream, data: payload });
    }
    return chunks;
  }

  /** Whether the stream may end here. */
  get isAtBoundary(): boolean {
    return this.#left === 0 && this.#header.length === 0;
  }

  #begin(): void {
    const kind = this.#header[0] ?? 0;
    this.#left = this.#header.readUInt32BE(4);
    if (kind > DAEMON_ERROR || this.#header.readUIntBE(1, 3) !== 0 || this.#left > FRAME_BYTES_MAX) throw new DrayClientError('STREAM_ERROR', `cannot decode the stream: unrecognized frame header ${this.#header.toString('hex')}`);
    this.#stream = kind === STDERR || kind === DAEMON_ERROR ? 'stderr' : 'stdout';
    this.#header = Buffer.alloc(0);
  }
}

/** The output in a stream that is framed, or (of a terminal) that is not. */
export async function* demultiplex(source: Readable, { isFramed }: { isFramed: boolean }): AsyncIterable<OutputChunk> {
  const decoder = new FrameDecoder();
  for await (const data of source as AsyncIterable<Buffer>) {
    if (isFramed) yield* decoder.decode(data);
    else yield { stream: 'stdout', data };
  }
}
