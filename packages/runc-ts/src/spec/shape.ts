import { invalidSpec } from '../errors.ts';

/** How a JSON value must look, told as the Go types that the originals decode into, so that refusals can be worded alike. */
export type Shape =
  | { readonly kind: 'text'; readonly go: string }
  | { readonly kind: 'boolean' }
  /** A whole number between bounds. `wide` ones come out as bigint. */
  | { readonly kind: 'integer'; readonly go: string; readonly min: bigint; readonly max: bigint; readonly wide: boolean }
  | { readonly kind: 'list'; readonly of: Shape }
  | { readonly kind: 'map'; readonly of: Shape }
  | { readonly kind: 'any' }
  | StructShape;

/** An object. Fields in `defaults` are filled in when they are absent, as Go's zero values are. */
export interface StructShape {
  readonly kind: 'struct';
  readonly go: string;
  readonly fields: Readonly<Record<string, Shape>>;
  readonly defaults: Readonly<Record<string, unknown>>;
}

/** Nesting deeper than any configuration's. */
const DEPTH_MAX = 64;

/**
 * Checks a parsed JSON value and copies what the shape knows of it. Null is as if absent, unknown fields are dropped.
 * @throws RuncError `invalid_argument` (`INVALID_SPEC`) in the words of Go's JSON decoder.
 */
export function decodeShape(shape: StructShape, value: unknown): Record<string, unknown> {
  if (!isObject(value)) throw invalidSpec(`json: cannot unmarshal ${describe(value)} into Go value of type specs.${shape.go}`);
  return decodeStruct(shape, value, '');
}

function decodeStruct(shape: StructShape, value: Record<string, unknown>, path: string): Record<string, unknown> {
  const result: Record<string, unknown> = { ...shape.defaults };
  for (const [name, field] of Object.entries(shape.fields)) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined;
    if (given === undefined || given === null) continue;
    result[name] = decode(field, given, { struct: shape.go, path: path === '' ? name : `${path}.${name}`, depth: 0 });
  }
  return result;
}

interface Place {
  readonly struct: string;
  readonly path: string;
  readonly depth: number;
}

function decode(shape: Shape, value: unknown, place: Place): unknown {
  switch (shape.kind) {
    case 'any':
      return value;
    case 'text':
      return typeof value === 'string' ? value : refuse(shape, value, place);
    case 'boolean':
      return typeof value === 'boolean' ? value : refuse(shape, value, place);
    case 'integer':
      return decodeInteger(shape, value, place);
    case 'list':
      return Array.isArray(value) ? decodeList(shape.of, value, place) : refuse(shape, value, place);
    case 'map':
      return isObject(value) ? decodeMap(shape.of, value, place) : refuse(shape, value, place);
    case 'struct':
      return isObject(value) ? decodeStruct(shape, value, place.path) : refuse(shape, value, place);
  }
}

function decodeList(of: Shape, values: readonly unknown[], place: Place): unknown[] {
  return values.map((value) => (value === null ? zero(of) : decode(of, value, deeper(place))));
}

function decodeMap(of: Shape, value: Record<string, unknown>, place: Place): Record<string, unknown> {
  const result: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, each] of Object.entries(value)) result[key] = each === null ? zero(of) : decode(of, each, deeper(place));
  return result;
}

function decodeInteger(shape: Shape & { kind: 'integer' }, value: unknown, place: Place): number | bigint {
  if (typeof value !== 'number' && typeof value !== 'bigint') return refuse(shape, value, place);
  if (typeof value === 'number' && !Number.isInteger(value)) return refuse(shape, value, place);
  // A parser without big integers rounds the largest ones up by a little.
  const exact = typeof value === 'number' && value === Number(shape.max) ? shape.max : BigInt(value);
  if (exact < shape.min || exact > shape.max) return refuse(shape, value, place);
  return shape.wide ? exact : Number(exact);
}

/** What Go leaves in place of a null element. */
function zero(shape: Shape): unknown {
  switch (shape.kind) {
    case 'text':
      return '';
    case 'boolean':
      return false;
    case 'integer':
      return shape.wide ? 0n : 0;
    case 'list':
      return [];
    case 'map':
      return {};
    case 'any':
      return null;
    case 'struct':
      return { ...shape.defaults };
  }
}

function deeper(place: Place): Place {
  if (place.depth >= DEPTH_MAX) throw invalidSpec('json: exceeded max depth');
  return { ...place, depth: place.depth + 1 };
}

function refuse(shape: Shape, value: unknown, { struct, path }: Place): never {
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  const got = isNumber && shape.kind === 'integer' ? `number ${value}` : describe(value);
  throw invalidSpec(`json: cannot unmarshal ${got} into Go struct field ${struct}.${path} of type ${goType(shape)}`);
}

function goType(shape: Shape): string {
  switch (shape.kind) {
    case 'text':
    case 'integer':
      return shape.go;
    case 'boolean':
      return 'bool';
    case 'list':
      return `[]${goType(shape.of)}`;
    case 'map':
      return `map[string]${goType(shape.of)}`;
    case 'any':
      return 'interface {}';
    case 'struct':
      return `specs.${shape.go}`;
  }
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'number';
  return typeof value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
