import { OciImageError } from './errors.ts';

/** A JSON object whose fields are not yet known. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Parses UTF-8 JSON text of at most `bytesMax` bytes.
 * @throws OciImageError `DOCUMENT_TOO_LARGE`, `INVALID_DOCUMENT`
 */
export function parseJson(bytes: Uint8Array, options: { readonly what: string; readonly bytesMax: number }): unknown {
  if (bytes.byteLength > options.bytesMax) {
    throw new OciImageError('DOCUMENT_TOO_LARGE', `${options.what} is ${bytes.byteLength} bytes, at most ${options.bytesMax} are read`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw new OciImageError('INVALID_DOCUMENT', `${options.what} is not valid JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** Fails with `INVALID_DOCUMENT`: `path` names the place in the document. */
export function invalidDocument(path: string, reason: string): never {
  throw new OciImageError('INVALID_DOCUMENT', `${path} ${reason}`);
}

/** `value` as an object. */
export function asObject(value: unknown, path: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return invalidDocument(path, 'must be an object');
  return value as JsonObject;
}

/** `value` as a string without NUL. */
export function asString(value: unknown, path: string): string {
  if (typeof value !== 'string') return invalidDocument(path, 'must be a string');
  if (value.includes('\0')) return invalidDocument(path, 'must not contain NUL');
  return value;
}

/** `value` as an integer that a JavaScript number holds exactly, zero or more. */
export function asSize(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) return invalidDocument(path, 'must be a non-negative integer');
  return value;
}

/** `value` as an integer that a JavaScript number holds exactly. */
export function asInteger(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) return invalidDocument(path, 'must be an integer');
  return value;
}

/** `value` as a boolean. */
export function asBoolean(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') return invalidDocument(path, 'must be a boolean');
  return value;
}

/** `value` as an array, each element read by `read`. */
export function asArray<T>(value: unknown, path: string, read: (element: unknown, path: string) => T): T[] {
  if (!Array.isArray(value)) return invalidDocument(path, 'must be an array');
  return value.map((element: unknown, index) => read(element, `${path}[${index}]`));
}

/** `value` as an object whose values are all read by `read`. Keys such as `__proto__` stay plain keys. */
export function asRecord<T>(value: unknown, path: string, read: (element: unknown, path: string) => T): Readonly<Record<string, T>> {
  const entries = Object.entries(asObject(value, path)).map(([key, element]): [string, T] => [key, read(element, `${path}[${JSON.stringify(key)}]`)]);
  return Object.fromEntries(entries);
}

/** `value` as an array of strings. */
export function asStrings(value: unknown, path: string): string[] {
  return asArray(value, path, asString);
}

/** `value` as a map from string to string. */
export function asStringMap(value: unknown, path: string): Readonly<Record<string, string>> {
  return asRecord(value, path, asString);
}

/** `value` as a set: Go's `map[string]struct{}`, an object with empty objects as values. */
export function asSet(value: unknown, path: string): Readonly<Record<string, Record<string, never>>> {
  return asRecord(value, path, () => ({}));
}

/**
 * Reads the optional field `name` of `object`: `{ [name]: value }`, or nothing when it is absent or null, so that the result can be spread.
 */
export function optional<K extends string, T>(
  object: JsonObject, path: string, name: K, read: (value: unknown, path: string) => T,
): Readonly<Partial<Record<K, T>>> {
  const value = object[name];
  const field: Partial<Record<K, T>> = {};
  if (value === undefined || value === null || !Object.hasOwn(object, name)) return field;
  field[name] = read(value, `${path}.${name}`);
  return field;
}
