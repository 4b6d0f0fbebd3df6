/**
 * A small decoder kit for JSON request bodies: each decoder turns an `unknown` into a precise type or throws with the words a Go server uses, because
 * clients show and match them. As in Go, `null` and an absent member both mean the zero value, unknown members are ignored and member names match without
 * regard to case.
 */
import { invalid, type EngineApiError } from '../../errors.ts';

/** Turns a JSON value found at `path` (such as `HostConfig.Memory`) into a `T`. */
export type Decoder<T> = (value: unknown, path: string) => T;

/** The decoders of every member of `T`. */
export type Fields<T> = { readonly [K in keyof T]-?: Decoder<T[K]> };

const ROOT = 'CreateRequest';

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

function mismatch(value: unknown, path: string, goType: string): EngineApiError {
  const shown = typeof value === 'number' && !goType.startsWith('[]') && goType !== 'string' && goType !== 'bool' ? `number ${value}` : kindOf(value);
  return invalid(`invalid JSON: json: cannot unmarshal ${shown} into Go struct field ${ROOT}.${path} of type ${goType}`);
}

/** A string; absent is `''`. */
export const text: Decoder<string> = (value, path) => {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw mismatch(value, path, 'string');
  return value;
};

/** A boolean; absent is `false`. */
export const flag: Decoder<boolean> = (value, path) => {
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw mismatch(value, path, 'bool');
  return value;
};

/** A whole number inside [min, max]; absent is 0. Values above 2^53 are refused, no field needs them. */
export function integer(goType = 'int64', min: number = Number.MIN_SAFE_INTEGER, max: number = Number.MAX_SAFE_INTEGER): Decoder<number> {
  return (value, path) => {
    if (value === undefined || value === null) return 0;
    if (typeof value !== 'number') throw mismatch(value, path, goType);
    if (!Number.isSafeInteger(value) || value < min || value > max) throw mismatch(value, path, goType);
    return value;
  };
}

/** `inner`, or `null` where the member is absent or null. */
export function nullable<T>(inner: Decoder<T>): Decoder<T | null> {
  return (value, path) => (value === undefined || value === null ? null : inner(value, path));
}

/** A list; absent is `null`, which Docker's own answers keep apart from `[]`. */
export function list<T>(inner: Decoder<T>, goType = '[]string'): Decoder<T[] | null> {
  return (value, path) => {
    if (value === undefined || value === null) return null;
    if (!Array.isArray(value)) throw mismatch(value, path, goType);
    return value.map((item: unknown) => inner(item, path));
  };
}

/** An object with free member names; absent is `null`. */
export function dictionary<T>(inner: Decoder<T>, goType = 'map[string]string'): Decoder<Record<string, T> | null> {
  return (value, path) => {
    if (value === undefined || value === null) return null;
    if (!isObject(value)) throw mismatch(value, path, goType);
    const result: Record<string, T> = Object.create(null) as Record<string, T>;
    for (const [key, item] of Object.entries(value)) result[key] = inner(item, path);
    return result;
  };
}

/** A present-but-empty marker, as the values of `ExposedPorts` and `Volumes` are. */
export const marker: Decoder<Record<string, never>> = (value, path) => {
  if (value !== undefined && value !== null && !isObject(value)) throw mismatch(value, path, 'struct {}');
  return {};
};

/** One string or a list of them: `Cmd` and `Entrypoint`. */
export const textOrList: Decoder<string[] | null> = (value, path) => {
  if (typeof value === 'string') return [value];
  return list(text, 'strslice.StrSlice')(value, path);
};

/** An object with known members. Absent gives an object of zero values. */
export function object<T extends object>(fields: Fields<T>, goType: string): Decoder<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  const byLowerCase = new Map(names.map((name) => [name.toLowerCase(), name]));
  return (value, path) => {
    if (value !== undefined && value !== null && !isObject(value)) throw mismatch(value, path, goType);
    const given = new Map<string, unknown>();
    for (const [key, item] of Object.entries(value ?? {})) {
      const name = byLowerCase.get(key.toLowerCase());
      if (name !== undefined) given.set(name, item);
    }
    const result: Partial<T> = {};
    for (const name of names) result[name] = fields[name](given.get(name), path === '' ? name : `${path}.${name}`);
    return result as T;
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
