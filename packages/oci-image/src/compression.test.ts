import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decompress } from './compression.ts';

async function* slices(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, void> {
  for (let position = 0; position < bytes.byteLength; position += size) yield await Promise.resolve(bytes.subarray(position, position + size));
}

async function read(bytes: Uint8Array, size = 65_536, limits = {}): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(decompress(slices(bytes, size), limits)));
}

const skippable = Buffer.from([0x5f, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]);

describe('decompress()', () => {
  test('joins all gzip members, zstd frames and skippable frames, however the input is cut', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 400 }), { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 200 }), async (parts, size) => {
      const whole = Buffer.concat(parts);
      expect((await read(Buffer.concat(parts.map((part) => gzipSync(part))), size)).equals(whole)).toBe(true);
      expect((await read(Buffer.concat(parts.flatMap((part) => [skippable, zstdCompressSync(part), skippable])), size)).equals(whole)).toBe(true);
    }), { numRuns: 30 });
  });

  test('passes plain bytes on, also those that only look like the beginning of a magic number', async () => {
    for (const text of ['', 'a', 'plain text', '\x1f']) expect((await read(Buffer.from(text, 'latin1'), 1)).toString('latin1')).toBe(text);
  });

  test('ignores zeros after gzip and refuses anything else there', async () => {
    expect((await read(Buffer.concat([gzipSync('a'), Buffer.alloc(1000)]))).toString()).toBe('a');
    await expect(read(Buffer.concat([gzipSync('a'), Buffer.from('junk')]))).rejects.toMatchObject({ code: 'COMPRESSION_INVALID' });
    await expect(read(Buffer.concat([zstdCompressSync('a'), Buffer.from('junk')]))).rejects.toMatchObject({ code: 'COMPRESSION_INVALID' });
  });

  test('notices where a stream was cut', async () => {
    const content = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251));
    for (const packed of [gzipSync(content), zstdCompressSync(content)]) {
      for (const length of [8, packed.length >> 1, packed.length - 1]) await expect(read(packed.subarray(0, length), 7)).rejects.toMatchObject({ code: 'COMPRESSION_INVALID' });
    }
  });

  test('names what it does not support', async () => {
    await expect(read(Buffer.from('fd377a585a0000', 'hex'))).rejects.toMatchObject({ code: 'COMPRESSION_UNSUPPORTED', message: 'compression xz is not supported' });
    await expect(read(Buffer.from('BZh91AY&SY'))).rejects.toMatchObject({ code: 'COMPRESSION_UNSUPPORTED' });
  });

  test('stops at its bounds', async () => {
    const bomb = gzipSync(Buffer.alloc(4 * 1024 * 1024));
    await expect(read(bomb, 65_536, { outputBytesMax: 1024 * 1024 })).rejects.toMatchObject({ code: 'LAYER_LIMIT' });
    await expect(read(bomb, 65_536, { ratioMax: 100, ratioFromBytes: 1024 * 1024 })).rejects.toMatchObject({ code: 'LAYER_LIMIT' });
  });

  test('hands on the error of its source', async () => {
    const broken = async function* (): AsyncGenerator<Uint8Array, void, void> {
      yield await Promise.resolve(gzipSync(Buffer.alloc(100_000)).subarray(0, 50));
      throw new Error('source broke');
    };
    await expect(Array.fromAsync(decompress(broken()))).rejects.toThrow('source broke');
  });
});
