import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import { type Digest, Digester } from '../digest.ts';
import type { Compression } from '../media-types.ts';
import { type PackTreeOptions, readTreeAsTar } from './tree-reader.ts';

/** Options of packing a layer. */
export interface PackLayerOptions extends PackTreeOptions {
  /** Default gzip. */
  readonly compression?: Compression;
}

/** A packed layer's identity. */
export interface PackedLayer {
  /** Digest of the archive before compression. */
  readonly diffId: Digest;
  /** Size of the archive before compression. */
  readonly uncompressedSize: number;
  /** Digest of what was written. */
  readonly digest: Digest;
  readonly size: number;
}

/** Small tar pieces are joined to chunks of about this size. */
const BATCH_BYTES = 256 * 1024;

/** Packs a tree as a layer; the generator's return value tells its digests. */
export async function* packLayer(options: PackLayerOptions): AsyncGenerator<Uint8Array, PackedLayer, void> {
  const plain = new Digester();
  const packed = new Digester();
  for await (const chunk of compress(countInto(plain, batches(readTreeAsTar(options))), options.compression ?? 'gzip')) {
    packed.update(chunk);
    yield chunk;
  }
  return { diffId: plain.digest(), uncompressedSize: plain.size, digest: packed.digest(), size: packed.size };
}

/** Packs a tree as a layer into a new file. On failure the file is left to the caller. */
export async function packLayerHere(options: PackLayerOptions & { readonly output: string }): Promise<PackedLayer> {
  await using file = await open(options.output, 'wx', 0o600);
  const chunks = packLayer(options);
  for (let next = await chunks.next(); ; next = await chunks.next()) {
    if (next.done === true) return next.value;
    await file.writeFile(next.value);
  }
}

function* batches(chunks: Iterable<Uint8Array>): Generator<Uint8Array, void, void> {
  let batch: Uint8Array[] = [];
  let size = 0;
  for (const chunk of chunks) {
    batch.push(chunk);
    size += chunk.byteLength;
    if (size < BATCH_BYTES) continue;
    yield batch.length === 1 ? chunk : Buffer.concat(batch, size);
    batch = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(batch, size);
}

function* countInto(digester: Digester, chunks: Iterable<Uint8Array>): Generator<Uint8Array, void, void> {
  for (const chunk of chunks) {
    digester.update(chunk);
    yield chunk;
  }
}

async function* compress(chunks: Iterable<Uint8Array>, compression: Compression): AsyncGenerator<Uint8Array, void, void> {
  if (compression === 'none') {
    yield* chunks;
    return;
  }
  const transform = compression === 'gzip' ? createGzip({ chunkSize: BATCH_BYTES }) : createZstdCompress({ chunkSize: BATCH_BYTES, params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  const input = Readable.from(chunks, { objectMode: false, highWaterMark: BATCH_BYTES });
  input.on('error', (error) => transform.destroy(error));
  input.pipe(transform);
  try {
    yield* transform as AsyncIterable<Uint8Array>;
  } finally {
    input.destroy();
    transform.destroy();
  }
}
