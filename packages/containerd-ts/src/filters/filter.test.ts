import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isContainerdError } from '../errors.ts';
import { matchesAny, parseFilters, readMap } from './filter.ts';

interface Thing {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
}

function read(thing: Thing, path: readonly string[]): string | undefined {
  if (path[0] === 'labels') return readMap(thing.labels, path.slice(1));
  return path.length === 1 && path[0] === 'id' ? thing.id : undefined;
}

const thing: Thing = { id: 'overlayfs', labels: { 'a.b/c': 'x y', plain: '1' } };

describe('parseFilters()', () => {
  it.each([
    'id==overlayfs',
    'id == overlayfs',
    ' id==overlayfs',
    '"id"==overlayfs',
    'id=="over\\u006cayfs"',
    'id~=^overl',
    'id~=/^overl/',
    'id~=|^overl|',
    'id~="^overl"',
    'nope!=x,id==overlayfs',
    'labels."a.b/c"=="x y"',
    'labels.plain',
    'labels.plain==1,id!=native',
    '',
  ])('matches with %j as containerd does', (expression) => {
    expect(matchesAny(parseFilters([expression]), thing, read)).toBe(true);
  });

  it.each(["id=='overlayfs'", 'id==`overlayfs`', 'id==over"layfs', 'labels.absent', 'id~=(', 'id==native', 'nope==overlayfs'])(
    'does not match with %j, as containerd does not',
    (expression) => {
      expect(matchesAny(parseFilters([expression]), thing, read)).toBe(false);
    },
  );

  it.each([
    ['id=="x', 'filters: parse error: [id== >|"|< x]: quoted literal not terminated: invalid argument'],
    ['id=', 'filters: parse error: [id >|=|< ]: unsupported operator "=": invalid argument'],
    ['==x', 'filters: parse error: [ >|=|< =x]: expected field or quoted: invalid argument'],
    ['id==x,', 'filters: parse error: [id==x,]: expected field or quoted: invalid argument'],
    ['id==/x/', 'filters: parse error: [id== >|/|< x/]: invalid quote encountered: invalid argument'],
    ['id==x y', 'filters: parse error: [id==x >| |< y]: unexpected input:  : invalid argument'],
    ['i==', 'filters: parse error: [i==]: expected value or quoted: invalid argument'],
    ['id=="a\\xzz"', 'filters: parse error: [id== >|"|< a\\xzz"]: illegal numeric escape sequence: invalid argument'],
    ['id!=~x', 'filters: parse error: [id >|!|< =~x]: unsupported operator "!=~": invalid argument'],
  ])('refuses %j with the words of containerd', (expression, message) => {
    expect(() => parseFilters([expression])).toThrow(message);
  });

  it('joins several expressions by or', () => {
    expect(matchesAny(parseFilters(['id==a', 'id==overlayfs']), thing, read)).toBe(true);
    expect(matchesAny(parseFilters(['id==a', 'id==b']), thing, read)).toBe(false);
  });

  it('finds any value again that was quoted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (key, value) => {
        const escape = (text: string): string => text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n');
        const filters = parseFilters([`labels."${escape(key)}"=="${escape(value)}"`]);
        expect(matchesAny(filters, { id: 'x', labels: { [key]: value } }, read)).toBe(true);
      }),
    );
  });

  it('answers any text with a filter or with an invalid argument, never with another fault', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('a', '.', '=', '!', '~', '"', '/', '|', '\\', ',', ' ') })), (text) => {
        try {
          matchesAny(parseFilters([text]), thing, read);
        } catch (error) {
          expect(isContainerdError(error) && error.kind === 'invalid_argument').toBe(true);
        }
      }),
    );
  });
});
