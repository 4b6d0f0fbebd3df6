import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isRuncError } from '../errors.ts';
import { defaultSpec } from './default-spec.ts';
import { decodeResources, decodeSpec, parseJson } from './load.ts';

describe('decodeSpec()', () => {
  it('takes null as absent, fills in what Go leaves at zero, and drops unknown fields', () => {
    expect(decodeSpec({ ociVersion: '1.0.2', hostname: null, process: { cwd: '/', args: ['a', null], extra: 1 }, vendor: {}, linux: null })).toEqual({
      ociVersion: '1.0.2',
      process: { user: { uid: 0, gid: 0 }, cwd: '/', args: ['a', ''] },
    });
  });

  it.each([
    [{ process: { args: 'x' } }, 'json: cannot unmarshal string into Go struct field Process.process.args of type []string'],
    [{ process: { args: [1] } }, 'json: cannot unmarshal number into Go struct field Process.process.args of type string'],
    [{ process: { user: { uid: -1 } } }, 'json: cannot unmarshal number -1 into Go struct field User.process.user.uid of type uint32'],
    [{ ociVersion: 1 }, 'json: cannot unmarshal number into Go struct field Spec.ociVersion of type string'],
    [{ linux: 'x' }, 'json: cannot unmarshal string into Go struct field Spec.linux of type specs.Linux'],
    [{ linux: { resources: { memory: { limit: 1.5 } } } }, 'json: cannot unmarshal number 1.5 into Go struct field LinuxMemory.linux.resources.memory.limit of type int64'],
    [{ process: { noNewPrivileges: 'x' } }, 'json: cannot unmarshal string into Go struct field Process.process.noNewPrivileges of type bool'],
    [{ annotations: { a: 1 } }, 'json: cannot unmarshal number into Go struct field Spec.annotations of type string'],
    [[], 'json: cannot unmarshal array into Go value of type specs.Spec'],
  ])('refuses %j in the words of the original', (value, message) => {
    expect(() => decodeSpec(value)).toThrow(expect.objectContaining({ kind: 'invalid_argument', code: 'INVALID_SPEC', message }));
  });

  it('keeps limits that do not fit into a double', () => {
    const spec = decodeSpec(parseJson('{"process":{"cwd":"/","rlimits":[{"type":"RLIMIT_CORE","hard":18446744073709551615,"soft":18446744073709551614}]}}'));
    expect(spec.process?.rlimits).toEqual([{ type: 'RLIMIT_CORE', hard: 18446744073709551615n, soft: 18446744073709551614n }]);
  });

  it('takes a rounded largest number from callers that parsed without big integers', () => {
    const spec = decodeSpec(JSON.parse('{"process":{"cwd":"/","rlimits":[{"type":"RLIMIT_CORE","hard":18446744073709551615,"soft":0}]}}'));
    expect(spec.process?.rlimits?.[0]?.hard).toBe(18446744073709551615n);
  });

  it('does not let a name such as __proto__ change an object', () => {
    const spec = decodeSpec(JSON.parse('{"annotations":{"__proto__":"x"},"__proto__":{"hostname":"evil"}}'));
    expect(Object.keys(spec.annotations ?? {})).toEqual(['__proto__']);
    expect(spec.hostname).toBeUndefined();
  });

  it('accepts or refuses every mutation of a configuration with its own error', () => {
    const paths = pathsOf(defaultSpec());
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...paths), fc.jsonValue()), { minLength: 1, maxLength: 4 }), (changes) => {
        const spec = structuredClone(defaultSpec()) as Record<string, unknown>;
        for (const [path, value] of changes) setAt(spec, path, value);
        try {
          decodeSpec(spec);
        } catch (error) {
          if (!isRuncError(error)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('is its own inverse: what was decoded decodes to the same', () => {
    const once = decodeSpec(defaultSpec());
    expect(decodeSpec(once)).toEqual(once);
  });
});

describe('parseJson()', () => {
  it.each([['', 'EOF'], ['  \n', 'EOF'], ['{', 'unexpected EOF'], ['{"a":', 'unexpected EOF'], ['{"a":"b', 'unexpected EOF'], ['[1,', 'unexpected EOF']])('reports %j as %s', (text, message) => {
    expect(() => parseJson(text)).toThrow(message);
  });

  it('ignores what follows the first value', () => {
    expect(parseJson('{"a":1}x')).toEqual({ a: 1 });
  });

  it('names the character that it did not expect', () => {
    expect(() => parseJson('nope')).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
  });

  it('answers a value or its own error for any text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json().map((text) => text.slice(0, -1)), fc.json()), (text) => {
      try {
        parseJson(text);
      } catch (error) {
        if (!isRuncError(error)) throw error;
      }
    }));
  });
});

describe('decodeResources()', () => {
  it('reads what update is given', () => {
    expect(decodeResources({ memory: { limit: 100, swap: null }, cpu: { cpus: '0' } })).toEqual({ memory: { limit: 100 }, cpu: { cpus: '0' } });
  });
});

type Path = readonly (string | number)[];

function pathsOf(value: unknown, prefix: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [prefix];
  const below = Object.entries(value).flatMap(([key, each]) => pathsOf(each, [...prefix, Array.isArray(value) ? Number(key) : key]));
  return prefix.length === 0 ? below : [prefix, ...below];
}

function setAt(target: unknown, [key, ...rest]: Path, value: unknown): void {
  if (typeof target !== 'object' || target === null || key === undefined) return;
  const record = target as Record<string | number, unknown>;
  if (rest.length === 0) record[key] = value;
  else setAt(record[key], rest, value);
}
