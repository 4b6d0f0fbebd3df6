import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isEngineApiError } from '../errors.ts';
import { Filters, parseFilters } from './filters.ts';
import { Query } from './query.ts';

describe('parseFilters()', () => {
  it('reads both encodings alike', () => {
    for (const text of ['{"label":["a","b=c"],"dangling":["true"]}', '{"label":{"a":true,"b=c":true,"d":false},"dangling":{"true":true}}']) {
      const filters = parseFilters(text);
      expect(filters.get('label')).toEqual(['a', 'b=c']);
      expect(filters.bool('dangling', false)).toBe(true);
    }
    expect(parseFilters('').keys()).toEqual([]);
    expect(parseFilters('null').keys()).toEqual([]);
  });

  it('either parses any text or refuses it with a 400', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        expect(parseFilters(text)).toBeInstanceOf(Filters);
      } catch (error) {
        expect(isEngineApiError(error) && error.kind).toBe('invalid_argument');
      }
    }));
  });
});

describe('Filters', () => {
  const filters = parseFilters('{"name":["web","^db-\\\\d$"],"label":["env=prod","tier"],"id":["ab"]}');

  it('takes values of one key as alternatives, and labels all together', () => {
    expect([filters.match('name', 'web'), filters.match('name', 'db-1'), filters.match('name', 'db-x')]).toEqual([true, true, false]);
    expect([filters.matchLabels('label', { env: 'prod', tier: 'x' }), filters.matchLabels('label', { env: 'prod' }), filters.matchLabels('label', { env: 'test', tier: '' })]).toEqual([true, false, false]);
    expect([filters.prefix('id', 'abc'), filters.prefix('id', 'cab'), filters.exact('absent', 'anything')]).toEqual([true, false, true]);
  });

  it('takes no label from the prototype of objects', () => {
    expect(parseFilters('{"label":["constructor"]}').matchLabels('label', {})).toBe(false);
  });

  it('refuses keys that are not accepted, and booleans that are none', () => {
    expect(() => filters.validate(['name', 'label'])).toThrow("invalid filter 'id'");
    expect(() => parseFilters('{"dangling":["perhaps"]}').bool('dangling', false)).toThrow("invalid filter 'dangling=[perhaps]'");
  });
});

describe('Query', () => {
  it('reads booleans by Docker\'s rule', () => {
    const query = new Query('a=1&b=0&c=no&d=false&e=none&f=&g=yes&h=True');
    expect(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'absent'].map((name) => query.bool(name))).toEqual([true, false, false, false, false, false, true, true, false]);
  });
});
