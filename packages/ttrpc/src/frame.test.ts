import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX, FrameDecoder, encodeFrame, writeFrameHeader, type DecodedFrame } from './frame.ts';

const frame = fc.record({
  streamId: fc.nat({ max: 2 ** 32 - 1 }),
  type: fc.nat({ max: 255 }),
  flags: fc.nat({ max: 255 }),
  payload: fc.uint8Array({ maxLength: 40 }),
});

/** `bytes` cut at the given places. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

function decodeAll(chunks: readonly Uint8Array[]): DecodedFrame[] {
  const decoder = new FrameDecoder();
  return chunks.flatMap((chunk) => decoder.push(chunk));
}

/** The header of a frame whose payload is `payloadBytes` long. */
function header(payloadBytes: number, streamId = 1): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  writeFrameHeader(bytes, { streamId, type: 1, flags: 0 }, payloadBytes);
  return bytes;
}

describe('encodeFrame()', () => {
  it('writes length, stream, type and flags in network order', () => {
    expect([...encodeFrame({ streamId: 0x01020305, type: 3, flags: 5 }, Uint8Array.of(9, 8))]).toEqual([0, 0, 0, 2, 1, 2, 3, 5, 3, 5, 9, 8]);
  });

  it('refuses a payload over 4 MiB', () => {
    expect(() => encodeFrame({ streamId: 1, type: 1, flags: 0 }, new Uint8Array(FRAME_PAYLOAD_BYTES_MAX + 1))).toThrow('want at most 4194304');
  });
});

describe('FrameDecoder', () => {
  it('gives back what was encoded, however the bytes arrive', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 12 }), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(({ payload, ...head }) => encodeFrame(head, payload)));
        const decoded = decodeAll(split(bytes, cuts)).map((one) => (one.oversize ? one : { ...one, payload: Uint8Array.from(one.payload) }));
        expect(decoded).toEqual(frames.map((one) => ({ ...one, oversize: false })));
      }),
    );
  });

  it('takes any bytes, and the same frames out of them however they are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(), { maxLength: 8 }), (bytes, cuts) => {
        const whole = decodeAll([bytes]);
        expect(decodeAll(split(bytes, cuts)).map(describeFrame)).toEqual(whole.map(describeFrame));
      }),
    );
  });

  it('drops a payload over 4 MiB and reports it when it is over', () => {
    const decoder = new FrameDecoder();
    const size = FRAME_PAYLOAD_BYTES_MAX + 3;
    expect(decoder.push(header(size, 7))).toEqual([]);
    expect(decoder.push(new Uint8Array(FRAME_PAYLOAD_BYTES_MAX))).toEqual([]);
    const tail = Buffer.concat([new Uint8Array(3), encodeFrame({ streamId: 9, type: 1, flags: 0 }, Uint8Array.of(1))]);
    expect(decoder.push(tail)).toMatchObject([
      { oversize: true, streamId: 7, payloadBytes: size },
      { oversize: false, streamId: 9 },
    ]);
    expect(decoder.isInsideFrame).toBe(false);
  });

  it('passes a payload of exactly 4 MiB', () => {
    const decoder = new FrameDecoder();
    decoder.push(header(FRAME_PAYLOAD_BYTES_MAX));
    expect(decoder.push(new Uint8Array(FRAME_PAYLOAD_BYTES_MAX - 1))).toEqual([]);
    expect(decoder.isInsideFrame).toBe(true);
    expect(decoder.push(new Uint8Array(1))).toMatchObject([{ oversize: false }]);
  });

  it('gives a view of the chunk, not a copy', () => {
    const chunk = encodeFrame({ streamId: 1, type: 1, flags: 0 }, Uint8Array.of(1, 2, 3));
    const [decoded] = new FrameDecoder().push(chunk);
    expect(decoded?.oversize === false && decoded.payload.buffer).toBe(chunk.buffer);
  });
});

function describeFrame(one: DecodedFrame): unknown {
  return one.oversize ? one : { ...one, payload: Buffer.from(one.payload).toString('hex') };
}
