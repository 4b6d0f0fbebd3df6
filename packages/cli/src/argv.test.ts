import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitAtFirstPositional } from './argv.ts';

const flags = { rm: { type: 'boolean' }, interactive: { type: 'boolean', char: 'i' }, tty: { type: 'boolean', char: 't' }, workdir: { type: 'option', char: 'w' }, name: { type: 'option' } } as const;

describe('splitAtFirstPositional()', () => {
  it.each([
    ['--name ctr1 -it alpine sh -c x', ['--name', 'ctr1', '-it'], ['alpine', 'sh', '-c', 'x']],
    ['--name=ctr1 --rm busybox ls -l', ['--name=ctr1', '--rm'], ['busybox', 'ls', '-l']],
    ['-itw /dir busybox', ['-itw', '/dir'], ['busybox']],
    ['-w/dir busybox', ['-w/dir'], ['busybox']],
    ['--rm -- -image', ['--rm'], ['-image']],
    ['--rm', ['--rm'], []],
  ])('splits %j', (line, options, positionals) => {
    expect(splitAtFirstPositional(line.split(' '), flags)).toEqual({ options, positionals });
  });

  it('loses no argument', () => {
    fc.assert(fc.property(fc.array(fc.string().filter((word) => word !== '--')), (argv) => {
      const { options, positionals } = splitAtFirstPositional(argv, flags);
      expect([...options, ...positionals]).toEqual(argv);
    }));
  });
});
