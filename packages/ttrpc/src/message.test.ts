import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTtrpcError } from './errors.ts';
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX, FrameDecoder } from './frame.ts';
import { decodeRequest, decodeResponse, encodeRequestFrame, encodeResponseFrame } from './message.ts';

const metadata = fc.uniqueArray(fc.tuple(fc.string({ maxLength: 8 }).map((key) => key.toLowerCase()), fc.array(fc.string(), { minLength: 1, maxLength: 3 })), {
  selector: ([key]) => key,
  maxLength: 4,
});
const request = fc.record({
  service: fc.string(),
  method: fc.string(),
  payload: fc.uint8Array({ maxLength: 50 }),
  timeoutNanos: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  metadata: metadata.map((entries) => new Map(entries)),
});
const response = fc.record({
  status: fc.option(
    fc.record({
      code: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      message: fc.string(),
      details: fc.array(fc.record({ typeUrl: fc.string(), value: fc.uint8Array({ maxLength: 9 }) }), { maxLength: 2 }),
    }),
    { nil: undefined },
  ),
  payload: fc.uint8Array({ maxLength: 50 }),
});

function payloadOf(frame: Uint8Array): Uint8Array {
  const [decoded] = new FrameDecoder().push(frame);
  if (decoded?.oversize !== false) throw new Error('not one whole frame');
  return decoded.payload;
}

describe('ttrpc messages', () => {
  it('come back as they were encoded', () => {
    fc.assert(
      fc.property(request, response, (call, answer) => {
        expect(decodeRequest(payloadOf(encodeRequestFrame(1, 0, call)))).toEqual(call);
        expect(decodeResponse(payloadOf(encodeResponseFrame(1, answer)))).toEqual(answer);
      }),
    );
  });

  it('have the bytes of the original', () => {
    const frame = encodeRequestFrame(3, 0, {
      service: 's',
      method: 'm',
      payload: Uint8Array.of(7),
      timeoutNanos: 5n,
      metadata: new Map([['k', ['v', 'w']]]),
    });
    expect(Buffer.from(frame.subarray(FRAME_HEADER_BYTES)).toString('hex')).toBe('0a01731201' + '6d1a0107' + '2005' + '2a060a016b120176' + '2a060a016b120177');
  });

  it('are decoded from any bytes or refused as malformed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        for (const decode of [decodeRequest, decodeResponse]) {
          try {
            expect(decode(bytes)).toHaveProperty('payload');
          } catch (error) {
            expect(isTtrpcError(error) && [error.kind, error.code]).toEqual(['invalid_argument', 'MALFORMED']);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('survive a flipped bit or are refused as malformed', () => {
    fc.assert(
      fc.property(request, fc.nat(), fc.nat({ max: 7 }), (call, place, bit) => {
        const bytes = Uint8Array.from(payloadOf(encodeRequestFrame(1, 0, call)));
        if (bytes.length === 0) return;
        const index = place % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
        try {
          decodeRequest(bytes);
        } catch (error) {
          expect(isTtrpcError(error) && error.code).toBe('MALFORMED');
        }
      }),
    );
  });

  it('skip fields they do not know', () => {
    expect(decodeResponse(Uint8Array.of(0x12, 1, 9, 0x98, 0x01, 5, 0x3a, 2, 1, 1))).toEqual({ status: undefined, payload: Uint8Array.of(9) });
  });

  it('are refused when no frame can hold them', () => {
    const payload = new Uint8Array(FRAME_PAYLOAD_BYTES_MAX);
    expect(() => encodeResponseFrame(1, { status: undefined, payload })).toThrow('exceed maximum message size of 4194304');
  });
});
