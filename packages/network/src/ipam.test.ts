import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, parseCidr } from './address.ts';
import { AddressPool, choosePool, gatewayOf } from './ipam.ts';

describe('AddressPool', () => {
  it('gives each address once, and never the network or broadcast address', () => {
    const pool = new AddressPool({ subnet: parseCidr('10.9.8.0/29') });
    expect(Array.from({ length: 6 }, () => pool.takeNext())).toEqual(['10.9.8.1', '10.9.8.2', '10.9.8.3', '10.9.8.4', '10.9.8.5', '10.9.8.6']);
    expect(() => pool.takeNext()).toThrow('no available IPv4 addresses');
    pool.release('10.9.8.3');
    expect(pool.takeNext()).toBe('10.9.8.3');
  });

  it('lets an address rest that was just released', () => {
    const pool = new AddressPool({ subnet: parseCidr('10.9.8.0/24') });
    const first = pool.takeNext();
    pool.release(first);
    expect(pool.takeNext()).not.toBe(first);
  });

  it('refuses an address that is taken or outside', () => {
    const pool = new AddressPool({ subnet: parseCidr('10.9.8.0/24') });
    pool.take('10.9.8.7');
    expect(() => pool.take('10.9.8.7')).toThrow('Address already in use');
    expect(() => pool.take('10.9.9.1')).toThrow('no configured subnet contains IP address 10.9.9.1');
  });

  it('keeps to the range asked for', () => {
    const pool = new AddressPool({ subnet: parseCidr('10.9.0.0/16'), ipRange: parseCidr('10.9.5.0/24') });
    expect(pool.takeNext()).toBe('10.9.5.0');
  });

  it('never gives the same address twice, whatever is released in between', () => {
    fc.assert(fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 200 }), (steps) => {
      const pool = new AddressPool({ subnet: parseCidr('10.1.2.0/27') });
      const held: string[] = [];
      for (const step of steps) {
        const released = held[step];
        if (released !== undefined) {
          held.splice(step, 1);
          pool.release(released);
        } else if (held.length < 30) {
          const address = pool.takeNext();
          expect(held).not.toContain(address);
          expect(contains(pool.subnet, address)).toBe(true);
          held.push(address);
        }
      }
    }));
  });
});

describe('choosePool()', () => {
  it('skips what is taken', () => {
    expect(choosePool([parseCidr('172.17.0.0/16'), parseCidr('172.18.5.0/24')])).toEqual(parseCidr('172.19.0.0/16'));
  });

  it('says so when everything is taken', () => {
    expect(() => choosePool([parseCidr('0.0.0.0/0')])).toThrow('could not find an available, non-overlapping IPv4 address pool');
  });
});

describe('gatewayOf()', () => {
  it('is the first host address unless asked otherwise', () => {
    expect(gatewayOf(parseCidr('10.4.0.0/16'))).toBe('10.4.0.1');
    expect(gatewayOf(parseCidr('10.4.0.0/16'), '10.4.9.9')).toBe('10.4.9.9');
    expect(() => gatewayOf(parseCidr('10.4.0.0/16'), '10.5.0.1')).toThrow('no matching subnet');
  });
});
