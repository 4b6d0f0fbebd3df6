import { OciImageError } from '../errors.ts';
import { TarDecoder } from './decoder.ts';
import type { TarEvent, TarHeader } from './types.ts';

/** An entry and its content. The content must be read before the next entry is asked for; what is left is skipped. */
export interface TarEntry {
  readonly header: TarHeader;
  /** The content with holes filled by zeros. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Zeros are passed on in pieces of this size. */
const ZEROS = Buffer.alloc(64 * 1024);

/**
 * Reads a tar entry by entry, at the consumer's pace.
 * @throws OciImageError `TAR_INVALID`, `TAR_TRUNCATED`
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void, void> {
  const events = tarEvents(source);
  try {
    for (;;) {
      const next = await events.next();
      if (next.done === true) return;
      if (next.value.kind !== 'entry') continue;
      const { header } = next.value;
      const body = readBody(events, header);
      yield { header, body };
      for await (const _rest of body) { /* what the consumer left */ }
    }
  } finally {
    await events.return();
  }
}

async function* tarEvents(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEvent, void, void> {
  const decoder = new TarDecoder();
  for await (const chunk of source) yield* decoder.push(chunk);
  decoder.end();
}

function readBody(events: AsyncGenerator<TarEvent, void, void>, header: TarHeader): AsyncGenerator<Uint8Array, void, void> {
  let position = 0;
  let isAtEnd = false;
  async function* bytes(): AsyncGenerator<Uint8Array, void, void> {
    while (!isAtEnd) {
      const next = await events.next();
      if (next.done === true) throw new OciImageError('TAR_TRUNCATED', 'unexpected EOF');
      if (next.value.kind === 'end') {
        isAtEnd = true;
        yield* zeros(header.size - position);
      } else if (next.value.kind === 'data') {
        yield* zeros(next.value.offset - position);
        position = next.value.offset + next.value.bytes.byteLength;
        yield next.value.bytes;
      }
    }
  }
  return bytes();
}

function* zeros(count: number): Generator<Uint8Array, void, void> {
  for (let left = count; left > 0; left -= ZEROS.byteLength) yield ZEROS.subarray(0, Math.min(left, ZEROS.byteLength));
}
