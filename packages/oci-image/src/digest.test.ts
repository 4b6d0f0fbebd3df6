import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chainIds, Digester, digestOf, isDigest, parseDigest } from './digest.ts';

describe('parseDigest()', () => {
  test.each([
    '', 'sha256', 'sha256:', `sha256:${'a'.repeat(63)}`, `sha256:${'a'.repeat(65)}`, `sha256:${'A'.repeat(64)}`, `sha256:${'g'.repeat(64)}`, `md5:${'a'.repeat(32)}`,
    'sha256:../../../etc/passwd', `sha256:${'a'.repeat(64)}\n`, ` sha256:${'a'.repeat(64)}`, `__proto__:${'a'.repeat(64)}`, `constructor:${'a'.repeat(64)}`,
  ])('refuses %j', (text) => {
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'INVALID_DIGEST' }));
  });

  test('takes what digestOf() makes, with every algorithm', () => {
    for (const algorithm of ['sha256', 'sha384', 'sha512'] as const) expect(parseDigest(digestOf('x', algorithm))).toBe(digestOf('x', algorithm));
  });

  test('never lets a path through', () => {
    fc.assert(fc.property(fc.string(), (text) => {
      if (isDigest(`sha256:${text}`)) expect(text).toMatch(/^[a-f0-9]{64}$/);
    }));
  });
});

describe('Digester', () => {
  test('has the digest of the whole, however it is cut', () => {
    fc.assert(fc.property(fc.array(fc.uint8Array()), (chunks) => {
      const digester = new Digester();
      for (const chunk of chunks) digester.update(chunk);
      expect(digester.digest()).toBe(digestOf(Buffer.concat(chunks)));
      expect(digester.size).toBe(Buffer.concat(chunks).length);
    }));
  });
});

describe('chainIds()', () => {
  test('follows the specification', () => {
    const [a, b] = [digestOf('a'), digestOf('b')];
    expect(chainIds([a, b])).toEqual([a, digestOf(`${a} ${b}`)]);
    expect(chainIds([])).toEqual([]);
  });
});
