import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeChunked } from './upgrade-body.ts';

function encode(chunks: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...chunks.filter((chunk) => chunk.length > 0).flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')]), Buffer.from('0\r\n\r\n')]);
}

describe('decodeChunked()', () => {
  it('gives back what was encoded and leaves what follows, and nothing before all is there', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }), fc.uint8Array({ maxLength: 10 }), (chunks, rest) => {
      const encoded = encode(chunks);
      expect(decodeChunked(Buffer.concat([encoded, rest]), 1000)).toEqual({ body: Buffer.concat(chunks), rest: Buffer.from(rest) });
      expect(decodeChunked(encoded.subarray(0, -1), 1000)).toBeUndefined();
    }));
  });

  it('refuses nonsense and more than it may read', () => {
    expect(() => decodeChunked(Buffer.from('zz\r\n'), 10)).toThrow('malformed chunked encoding');
    expect(() => decodeChunked(Buffer.from('ff\r\n'), 10)).toThrow('larger than 10 bytes');
    expect(() => decodeChunked(Buffer.from('1\r\nabc\r\n'), 10)).toThrow('malformed chunked encoding');
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeChunked(Buffer.from(bytes), 100);
      } catch (error) {
        expect((error as Error).name).toBe('EngineApiError');
      }
    }));
  });
});
