import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isNetworkError } from '../errors.ts';
import { bytes, decodeAttributes, decodeMessages, decodeText, encodeMessage, listAttributes, nested, text, u32 } from './message.ts';

const request = (attributes: Parameters<typeof encodeMessage>[0]['attributes']): Parameters<typeof encodeMessage>[0] => ({ type: 16, flags: 1, header: Buffer.alloc(16), attributes });

describe('netlink messages', () => {
  it('carry attributes there and back', () => {
    const [message] = decodeMessages(encodeMessage(request([text(3, 'eth0'), u32(4, 1500), nested(18, [text(1, 'veth')])]), 7));
    expect(message).toMatchObject({ type: 16, flags: 1, sequence: 7 });
    const attributes = decodeAttributes(message?.payload.subarray(16) ?? Buffer.alloc(0));
    expect(decodeText(attributes.get(3) ?? Buffer.alloc(0))).toBe('eth0');
    expect(attributes.get(4)?.readUInt32LE()).toBe(1500);
    expect(decodeText(decodeAttributes(attributes.get(18) ?? Buffer.alloc(0)).get(1) ?? Buffer.alloc(0))).toBe('veth');
  });

  it('carry any bytes of any length', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 300 })), { maxLength: 20 }), (values) => {
      const [message] = decodeMessages(encodeMessage(request(values.map(([type, value]) => bytes(type, value))), 1));
      expect(listAttributes(message?.payload.subarray(16) ?? Buffer.alloc(0)).map(([type, value]) => [type, [...value]])).toEqual(values.map(([type, value]) => [type, [...value]]));
    }));
  });

  it('that are malformed are refused, and nothing else happens', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
      try {
        for (const message of decodeMessages(Buffer.from(data))) listAttributes(message.payload);
      } catch (error) {
        expect(isNetworkError(error)).toBe(true);
      }
    }));
  });
});
