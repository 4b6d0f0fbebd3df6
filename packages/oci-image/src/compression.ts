import { Readable, type Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { OciImageError } from './errors.ts';
import type { Compression } from './media-types.ts';

/** Bytes a decompressor hands out at a time. */
const OUTPUT_CHUNK_BYTES = 256 * 1024;
/** Bytes looked at to tell the compression. */
const SNIFF_BYTES = 6;
const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_SKIPPABLE_MAGIC = 0x184d2a50;

/** Bounds of {@link decompress}: what a small blob may grow to. */
export interface DecompressionLimits {
  /** Most bytes that come out. Default 256 GiB. */
  readonly outputBytesMax?: number;
  /** Most bytes out for each byte in, looked at once `ratioFromBytes` have come out. Default 400. */
  readonly ratioMax?: number;
  /** Default 1 GiB. */
  readonly ratioFromBytes?: number;
}

const LIMITS: Required<DecompressionLimits> = { outputBytesMax: 256 * 1024 ** 3, ratioMax: 400, ratioFromBytes: 1024 ** 3 };

/** Tells the compression from the first bytes. `xz` and `bzip2` are recognised to be refused by name. */
export function sniffCompression(head: Uint8Array): Compression | 'xz' | 'bzip2' {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x42 && head[1] === 0x5a && head[2] === 0x68) return 'bzip2';
  if (head[0] === 0xfd && head[1] === 0x37 && head[2] === 0x7a && head[3] === 0x58) return 'xz';
  if (head.byteLength < 4) return 'none';
  const magic = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
  return magic === ZSTD_MAGIC || (magic & 0xffff_fff0) >>> 0 === ZSTD_SKIPPABLE_MAGIC ? 'zstd' : 'none';
}

/**
 * Decompresses a stream, whatever it is compressed with: gzip with any number of members, zstd with any number of frames, or plain. What follows the last gzip
 * member is ignored when it is zeros.
 * @throws OciImageError `COMPRESSION_INVALID`, `COMPRESSION_UNSUPPORTED`, `LAYER_LIMIT`
 */
export async function* decompress(source: AsyncIterable<Uint8Array>, limits: DecompressionLimits = {}): AsyncGenerator<Uint8Array, void, void> {
  const bounds = { ...LIMITS, ...limits };
  let bytesIn = 0;
  let bytesOut = 0;
  const counted = (async function* count(): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of source) {
      bytesIn += chunk.byteLength;
      yield chunk;
    }
  })();
  const { head, rest } = await peek(counted);
  for await (const chunk of decoder(sniffCompression(head), rest)) {
    bytesOut += chunk.byteLength;
    if (bytesOut > bounds.outputBytesMax) throw new OciImageError('LAYER_LIMIT', `compressed data grows to more than ${bounds.outputBytesMax} bytes`);
    if (bytesOut > bounds.ratioFromBytes && bytesOut > bytesIn * bounds.ratioMax) {
      throw new OciImageError('LAYER_LIMIT', `compressed data grows to more than ${bounds.ratioMax} times its size`);
    }
    yield chunk;
  }
}

function decoder(compression: Compression | 'xz' | 'bzip2', source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  switch (compression) {
    case 'none': return source;
    case 'gzip': return gunzip(source);
    case 'zstd': return unzstd(source);
    default: throw new OciImageError('COMPRESSION_UNSUPPORTED', `compression ${compression} is not supported`);
  }
}

async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const transform = createGunzip({ chunkSize: OUTPUT_CHUNK_BYTES });
  const input = Readable.from(source, { objectMode: false, highWaterMark: OUTPUT_CHUNK_BYTES });
  input.on('error', (error) => transform.destroy(error));
  input.pipe(transform);
  try {
    yield* transform as AsyncIterable<Uint8Array>;
    input.unpipe(transform);
    for await (const _trailing of input) { /* a reader that computes a digest must see all of it */ }
  } catch (error) {
    throw zlibError(error);
  } finally {
    input.destroy();
    transform.destroy();
  }
}

/** Node's decompressor stops silently after one frame: each frame gets its own, the bytes it did not take go to the next. */
async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const chunks = source[Symbol.asyncIterator]();
  let pending: Uint8Array = Buffer.alloc(0);
  for (;;) {
    while (pending.byteLength < 4) {
      const next = await chunks.next();
      if (next.done === true) break;
      pending = pending.byteLength === 0 ? next.value : Buffer.concat([pending, next.value]);
    }
    if (pending.byteLength === 0) return;
    if (sniffCompression(pending) !== 'zstd') throw new OciImageError('COMPRESSION_INVALID', 'invalid zstd data: bad magic number');
    pending = yield* unzstdFrame(chunks, pending);
  }
}

/** Decodes one frame. @returns the bytes after it that were read already */
async function* unzstdFrame(chunks: AsyncIterator<Uint8Array>, first: Uint8Array): AsyncGenerator<Uint8Array, Uint8Array, void> {
  const transform: Transform & { readonly bytesWritten: number } = createZstdDecompress({ chunkSize: OUTPUT_CHUNK_BYTES });
  const feeder = feedFrame(transform, chunks, first);
  feeder.catch((error: unknown) => transform.destroy(error instanceof Error ? error : new Error(String(error))));
  try {
    yield* transform as AsyncIterable<Uint8Array>;
    const { given, last } = await feeder;
    const unused = given - transform.bytesWritten;
    return last.subarray(last.byteLength - unused);
  } catch (error) {
    throw zlibError(error);
  } finally {
    transform.destroy();
  }
}

/** Feeds chunks until the frame is over or the input is. */
async function feedFrame(transform: Transform & { readonly bytesWritten: number }, chunks: AsyncIterator<Uint8Array>, first: Uint8Array): Promise<{ given: number; last: Uint8Array }> {
  let given = 0;
  let last = first;
  const ended = finished(transform, { writable: false }).catch(() => undefined);
  for (;;) {
    given += last.byteLength;
    await Promise.race([new Promise<void>((resolve) => transform.write(last, () => { resolve(); })), ended]);
    if (transform.bytesWritten < given || transform.readableEnded || transform.destroyed) return { given, last };
    const next = await chunks.next();
    if (next.done === true) {
      transform.end();
      return { given, last };
    }
    last = next.value;
  }
}

async function peek(source: AsyncIterable<Uint8Array>): Promise<{ readonly head: Uint8Array; readonly rest: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < SNIFF_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    chunks.push(next.value);
    size += next.value.byteLength;
  }
  async function* rest(): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* chunks;
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head: Buffer.concat(chunks), rest: rest() };
}

function zlibError(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!code.startsWith('Z_') && !code.startsWith('ZSTD_')) return error;
  const isTruncated = code === 'Z_BUF_ERROR' || (error instanceof Error && error.message === 'unexpected end of file');
  return new OciImageError('COMPRESSION_INVALID', isTruncated ? 'unexpected EOF' : `invalid compressed data: ${error instanceof Error ? error.message : code}`, { cause: error });
}
