import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FlagDefinition, parseDuration, parseFlags, UsageError } from './flags.ts';
import { formatEntry } from './log.ts';
import { table } from './table.ts';

const FLAGS: readonly FlagDefinition[] = [
  { names: ['bundle', 'b'], kind: 'text', usage: '' },
  { names: ['detach', 'd'], kind: 'boolean', usage: '' },
  { names: ['env', 'e'], kind: 'texts', usage: '' },
  { names: ['preserve-fds'], kind: 'integer', usage: '' },
];

describe('parseFlags()', () => {
  it('takes one dash or two, a value attached or behind, and short names', () => {
    const { values, lists, rest } = parseFlags(FLAGS, ['-bundle=/x', '--d', '-e', 'A=1', '--env=B=2', '--preserve-fds', '3', 'id', '--detach=false']);
    expect([values.get('bundle'), values.get('detach'), values.get('preserve-fds'), lists.get('env'), rest]).toEqual(['/x', 'true', '3', ['A=1', 'B=2'], ['id', '--detach=false']]);
  });

  it('takes the next word for a value even if it looks like a flag', () => {
    expect(parseFlags(FLAGS, ['-b', '-1']).values.get('bundle')).toBe('-1');
  });

  it('ends at "--" and at "-"', () => {
    expect(parseFlags(FLAGS, ['-d', '--', '-x']).rest).toEqual(['-x']);
    expect(parseFlags(FLAGS, ['-', '-x']).rest).toEqual(['-', '-x']);
  });

  it.each([
    [['--nosuch'], 'flag provided but not defined: -nosuch'],
    [['-b'], 'flag needs an argument: -b'],
    [['--detach=x'], 'invalid boolean value "x" for -detach: parse error'],
    [['--preserve-fds', 'x'], 'invalid value "x" for flag -preserve-fds: parse error'],
    [['---x'], 'bad flag syntax: ---x'],
    [['--=x'], 'bad flag syntax: --=x'],
    [['--__proto__'], 'flag provided but not defined: -__proto__'],
  ])('refuses %j in the words of Go', (args, message) => {
    expect(() => parseFlags(FLAGS, args)).toThrow(new UsageError(message));
  });

  it('answers or refuses any command line', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom('-b', '--detach', '--', '-e', '--env=')), { maxLength: 8 }), (args) => {
      try {
        const { rest } = parseFlags(FLAGS, args);
        expect(args.slice(args.length - rest.length)).toEqual(rest);
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
      }
    }));
  });
});

describe('parseDuration()', () => {
  it('reads Go durations', () => {
    expect(['5s', '1m30s', '500ms', '1.5h', '0', '5', 's', '-1s'].map(parseDuration)).toEqual([5000, 90_000, 500, 5_400_000, 0, undefined, undefined, undefined]);
  });
});

describe('formatEntry()', () => {
  it('writes a line of JSON with exactly the keys that callers read', () => {
    expect(formatEntry('json', 'error', 'a "b"\n', '2026-01-02T03:04:05Z')).toBe('{"level":"error","msg":"a \\"b\\"\\n","time":"2026-01-02T03:04:05Z"}\n');
  });

  it('writes text as logrus does', () => {
    expect(formatEntry('text', 'warning', 'two words', '2026-01-02T03:04:05Z')).toBe('time="2026-01-02T03:04:05Z" level=warning msg="two words"\n');
    expect(formatEntry('text', 'error', 'EOF', '2026-01-02T03:04:05Z')).toBe('time="2026-01-02T03:04:05Z" level=error msg=EOF\n');
  });
});

describe('table()', () => {
  it('makes columns twelve wide at least, three apart', () => {
    expect(table([['ID', 'PID', 'OWNER'], ['a-long-container-name', '1', 'root']])).toBe('ID                      PID         OWNER\na-long-container-name   1           root\n');
  });
});
