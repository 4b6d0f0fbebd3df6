import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseChallenges } from './challenge.ts';

describe('parseChallenges()', () => {
  test('reads a bearer challenge with commas inside quotes', () => {
    expect(parseChallenges('Bearer realm="https://auth/token",service="registry",scope="repository:a/b:pull,push"')).toEqual([
      { scheme: 'bearer', parameters: { realm: 'https://auth/token', service: 'registry', scope: 'repository:a/b:pull,push' } },
    ]);
  });

  test('reads several challenges in one header and several headers', () => {
    const [a, b] = ['Basic realm="x", Bearer realm="y" , error="insufficient_scope"', 'Negotiate'];
    expect(parseChallenges([a ?? '', b ?? '']).map(({ scheme }) => scheme)).toEqual(['basic', 'bearer', 'negotiate']);
    expect(parseChallenges(a)[1]?.parameters).toEqual({ realm: 'y', error: 'insufficient_scope' });
  });

  test('undoes backslashes, keeps the first of equal names and makes no prototype', () => {
    expect(parseChallenges('Bearer realm="a\\"b", REALM="c", __proto__="x"')[0]?.parameters['realm']).toBe('a"b');
    expect(Object.getPrototypeOf(parseChallenges('Bearer __proto__="x"')[0]?.parameters)).toBe(Object.prototype);
  });

  test('reads any header without failing, and quoted values back exactly', () => {
    fc.assert(fc.property(fc.string(), (text) => {
      parseChallenges(text);
    }));
    fc.assert(fc.property(fc.string({ unit: 'grapheme-ascii' }), (value) => {
      const quoted = value.replaceAll(/["\\]/g, (character) => `\\${character}`);
      expect(parseChallenges(`Bearer realm="${quoted}"`)[0]?.parameters['realm']).toBe(value);
    }));
  });
});
