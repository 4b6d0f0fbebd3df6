import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDockerignore } from './dockerignore.ts';

describe('parseDockerignore()', () => {
  it.each([
    ['*.log', 'a.log', true], ['*.log', 'sub/a.log', false], ['**/*.log', 'sub/deep/a.log', true], ['node_modules', 'node_modules/x/y', true], ['/dist/', 'dist/file', true],
    ['*\n!keep', 'keep', false], ['*\n!keep', 'other', true], ['a?c', 'abc', true], ['a?c', 'a/c', false], ['[ab].txt', 'b.txt', true], ['# no\n\n', 'x', false], ['docs/**', 'docs/a/b', true],
  ])('with %j says of %j: %s', (source, path, wanted) => {
    expect(parseDockerignore(source).ignores(path)).toBe(wanted);
  });

  it('reads any text', () => {
    fc.assert(fc.property(fc.string(), fc.string(), (source, path) => {
      expect(typeof parseDockerignore(source).ignores(path)).toBe('boolean');
    }));
  });
});
