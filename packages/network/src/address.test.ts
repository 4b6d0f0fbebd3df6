import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressBytes, addressToBigInt, bigIntToAddress, contains, formatAddress, networkOf, overlaps, parseCidr } from './address.ts';
import { isNetworkError } from './errors.ts';

describe('parseCidr()', () => {
  it('reads both families and writes the canonical text', () => {
    expect(parseCidr('172.17.0.1/16')).toEqual({ address: '172.17.0.1', prefixLength: 16 });
    expect(parseCidr('FD00:0:0:0:0:0:0:1/64')).toEqual({ address: 'fd00::1', prefixLength: 64 });
  });

  it.each(['', '10.0.0.0', '10.0.0/8', '10.0.0.0/33', '::/129', '10.0.0.256/8', 'x/1', '10.0.0.0/-1', '10.0.0.0/8/8'])('refuses %j', (value) => {
    expect(() => parseCidr(value)).toThrow(`invalid CIDR address: ${value}`);
  });

  it('never fails but with its own error', () => {
    fc.assert(fc.property(fc.string(), (value) => {
      try {
        parseCidr(value);
      } catch (error) {
        expect(isNetworkError(error)).toBe(true);
      }
    }));
  });
});

describe('addresses', () => {
  it('survive the way to bytes and back', () => {
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })), (value) => {
      const address = formatAddress(value);
      expect([...addressBytes(address)]).toEqual([...value]);
      expect(bigIntToAddress(addressToBigInt(address), address)).toBe(address);
    }));
  });

  it('with an IPv4 tail are read', () => {
    expect(formatAddress(addressBytes('::ffff:1.2.3.4'))).toBe('::ffff:102:304');
  });

  it('lie in their own network', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 32 }), (value, prefixLength) => {
      const address = formatAddress(value);
      const network = networkOf({ address, prefixLength });
      expect(contains(network, address)).toBe(true);
      expect(overlaps(network, { address, prefixLength })).toBe(true);
    }));
  });

  it('of different networks do not overlap', () => {
    expect(overlaps(parseCidr('10.0.0.0/24'), parseCidr('10.0.1.0/24'))).toBe(false);
    expect(overlaps(parseCidr('10.0.0.0/24'), parseCidr('fd00::/8'))).toBe(false);
  });
});
