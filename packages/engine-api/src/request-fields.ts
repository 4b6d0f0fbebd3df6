import { invalid } from './errors.ts';

/** A JSON object of a request, its fields yet unchecked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A body that must be a JSON object. @throws EngineApiError invalid_argument */
export function asBodyObject(body: unknown): JsonObject {
  if (body === undefined) throw invalid('invalid JSON: got EOF while reading request body', 'INVALID_JSON');
  if (typeof body !== 'object' || Array.isArray(body)) throw invalid(`invalid JSON: json: cannot unmarshal ${kindOf(body)} into Go value of type object`, 'INVALID_JSON');
  return (body ?? {}) as JsonObject;
}

/** The value of a field; names match without regard to case, as Go's decoder reads them. */
export function field(object: JsonObject, name: string): unknown {
  if (Object.hasOwn(object, name)) return object[name] ?? undefined;
  const wanted = name.toLowerCase();
  const key = Object.keys(object).find((candidate) => candidate.toLowerCase() === wanted);
  return key === undefined ? undefined : object[key] ?? undefined;
}

/** A string, empty where the field is absent or null. @throws EngineApiError invalid_argument */
export function stringField(object: JsonObject, name: string): string {
  const value = field(object, name);
  if (value === undefined) return '';
  return typeof value === 'string' ? value : wrongType(name, value, 'string');
}

/** A boolean, `fallback` where the field is absent or null. @throws EngineApiError invalid_argument */
export function booleanField(object: JsonObject, name: string, fallback = false): boolean {
  const value = field(object, name);
  if (value === undefined) return fallback;
  return typeof value === 'boolean' ? value : wrongType(name, value, 'bool');
}

/** A whole number, undefined where the field is absent or null. @throws EngineApiError invalid_argument */
export function integerField(object: JsonObject, name: string): number | undefined {
  const value = field(object, name);
  if (value === undefined) return undefined;
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : wrongType(name, value, 'int64');
}

/** A list of strings, undefined where the field is absent or null. @throws EngineApiError invalid_argument */
export function stringsField(object: JsonObject, name: string): string[] | undefined {
  const value = field(object, name);
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) return wrongType(name, value, '[]string');
  return value.map((item: unknown) => typeof item === 'string' ? item : wrongType(name, item, 'string'));
}

/** A map of strings, undefined where the field is absent or null. @throws EngineApiError invalid_argument */
export function stringMapField(object: JsonObject, name: string): Record<string, string> | undefined {
  const value = field(object, name);
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || Array.isArray(value) || value === null) return wrongType(name, value, 'map[string]string');
  return Object.fromEntries(Object.entries(value).map(([key, item]: [string, unknown]) => [key, item === null ? '' : typeof item === 'string' ? item : wrongType(name, item, 'string')]));
}

/** A nested object, undefined where the field is absent or null. @throws EngineApiError invalid_argument */
export function objectField(object: JsonObject, name: string): JsonObject | undefined {
  const value = field(object, name);
  if (value === undefined) return undefined;
  return typeof value === 'object' && !Array.isArray(value) ? value as JsonObject : wrongType(name, value, 'object');
}

function wrongType(name: string, value: unknown, wanted: string): never {
  throw invalid(`invalid JSON: json: cannot unmarshal ${kindOf(value)} into Go struct field ${name} of type ${wanted}`, 'INVALID_JSON');
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}
