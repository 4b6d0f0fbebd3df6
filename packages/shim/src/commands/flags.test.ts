import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseShimFlags } from './flags.ts';

describe('parseShimFlags()', () => {
  test('reads what containerd passes', () => {
    expect(parseShimFlags(['-namespace', 'moby', '-address', '/run/c.sock', '-publish-binary', '/usr/bin/containerd', '-id', 'abc', '-debug', 'start'])).toEqual({
      action: 'start', namespace: 'moby', address: '/run/c.sock', publishBinary: '/usr/bin/containerd', id: 'abc', bundle: '', socket: '', isDebug: true, wantsVersion: false, wantsInfo: false,
    });
  });

  test('takes Go\'s other spellings for the same', () => {
    const plain = parseShimFlags(['-namespace', 'n', '-id', 'x', '-bundle', '/b', 'delete']);
    expect(parseShimFlags(['--namespace=n', '-id=x', '--bundle', '/b', '-debug=false', 'delete'])).toEqual(plain);
    expect(parseShimFlags(['-namespace=n', '-id', 'x', '-bundle=/b', '--', 'delete'])).toEqual(plain);
    expect(parseShimFlags(['-namespace', '-odd', '-id=a=b']).namespace).toBe('-odd');
    expect(parseShimFlags(['-id=a=b']).id).toBe('a=b');
  });

  test('stops at the first word that is no flag', () => {
    expect(parseShimFlags(['start', '-id', 'x'])).toMatchObject({ action: 'start', id: '' });
  });

  test('refuses the rest in Go\'s words', () => {
    expect(() => parseShimFlags(['-nope'])).toThrow('flag provided but not defined: -nope');
    expect(() => parseShimFlags(['-id'])).toThrow('flag needs an argument: -id');
    expect(() => parseShimFlags(['-debug=maybe'])).toThrow('invalid boolean value "maybe" for -debug: parse error');
    expect(() => parseShimFlags(['---id'])).toThrow('bad flag syntax: ---id');
    expect(() => parseShimFlags(['-=x'])).toThrow('bad flag syntax: -=x');
  });

  test('gives flags or a USAGE error for any words', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('-id', '-debug', '--', '-', '-namespace=', 'start'))), (words) => {
      try {
        expect(typeof parseShimFlags(words).action).toBe('string');
      } catch (error) {
        expect(error).toMatchObject({ name: 'ShimError', code: 'USAGE' });
      }
    }));
  });
});
