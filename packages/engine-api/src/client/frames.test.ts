import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDrayClientError } from './errors.ts';
import { FrameDecoder } from './frames.ts';

function frame(stream: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

describe('FrameDecoder', () => {
  it('gives back what was framed, however the bytes are cut', () => {
    const frames = fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ minLength: 1, maxLength: 50 })), { maxLength: 10 });
    fc.assert(fc.property(frames, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (parts, cuts) => {
      const whole = Buffer.concat(parts.map(([stream, payload]) => frame(stream, payload)));
      const decoder = new FrameDecoder();
      const received = { stdout: [] as number[], stderr: [] as number[] };
      for (let offset = 0, turn = 0; offset < whole.length; turn++) {
        const length = cuts[turn % cuts.length] ?? 1;
        for (const { stream, data } of decoder.decode(whole.subarray(offset, offset + length))) received[stream].push(...data);
        offset += length;
      }
      expect(received.stdout).toEqual(parts.filter(([stream]) => stream === 1).flatMap(([, payload]) => [...payload]));
      expect(received.stderr).toEqual(parts.filter(([stream]) => stream === 2).flatMap(([, payload]) => [...payload]));
      expect(decoder.isAtBoundary).toBe(true);
    }));
  });

  it('passes empty frames over', () => {
    expect(new FrameDecoder().decode(Buffer.concat([frame(1, Buffer.alloc(0)), frame(2, Buffer.from('x'))]))).toEqual([{ stream: 'stderr', data: Buffer.from('x') }]);
  });

  it('fails only with its own error on any bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (data) => {
      try {
        new FrameDecoder().decode(Buffer.from(data));
      } catch (error) {
        expect(isDrayClientError(error)).toBe(true);
      }
    }));
  });
});
