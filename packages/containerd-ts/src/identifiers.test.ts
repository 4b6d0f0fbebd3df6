import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isContainerdError } from './errors.ts';
import { IDENTIFIER_LENGTH_MAX, isIdentifier, validateIdentifier } from './identifiers.ts';

describe('validateIdentifier()', () => {
  it.each(['a', 'moby', 'plugins.moby', 'k8s.io', 'a-b_c.d', 'A1', 'x'.repeat(IDENTIFIER_LENGTH_MAX)])('takes %j', (text) => {
    expect(() => {
      validateIdentifier(text);
    }).not.toThrow();
  });

  it.each(['', '.', '-a', 'a-', 'a--b', 'a/b', '..', 'a b', 'ü', 'a\n', 'x'.repeat(IDENTIFIER_LENGTH_MAX + 1)])('refuses %j', (text) => {
    expect(() => {
      validateIdentifier(text);
    }).toThrow('invalid argument');
  });

  it('takes nothing that could leave a folder', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z./_-]{0,80}$/)), (text) => {
        try {
          validateIdentifier(text);
          expect(isIdentifier(text)).toBe(true);
          expect(text).not.toMatch(/\/|\.\.|\0|^\./);
        } catch (error) {
          if (!isContainerdError(error)) throw error;
          expect(isIdentifier(text)).toBe(false);
        }
      }),
    );
  });
});
