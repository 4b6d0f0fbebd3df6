import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupResources } from '@dray/libcontainer';
import { invalidSpec, RuncError } from '../errors.ts';
import { PROCESS_SHAPE, RESOURCES_SHAPE, SPEC_SHAPE } from './schema.ts';
import { decodeShape } from './shape.ts';
import type { ProcessSpec, Spec } from './types.ts';

/** Larger than any real configuration; a limit so that a wrong file does not fill memory. */
const SPEC_BYTES_MAX = 64 << 20;

/**
 * Reads and decodes `<bundle>/config.json`.
 * @throws RuncError `not_found` (`NO_SPEC`), `invalid_argument` (`INVALID_SPEC`), in runc's words.
 */
export function loadSpec(bundle: string): Spec {
  return decodeSpec(parseJson(readSpecFile(bundle)));
}

/** Decodes a configuration that is parsed already. */
export function decodeSpec(value: unknown): Spec {
  // The shape is the type: schema.ts and types.ts describe the same fields.
  return decodeShape(SPEC_SHAPE, value) as unknown as Spec;
}

/** Decodes the process of `exec --process`. */
export function decodeProcess(value: unknown): ProcessSpec {
  return decodeShape(PROCESS_SHAPE, value) as unknown as ProcessSpec;
}

/** Decodes the resources of `update`. */
export function decodeResources(value: unknown): CgroupResources {
  return decodeShape(RESOURCES_SHAPE, value);
}

/** Parses the first JSON value of a text as Go's decoder does: what follows it is ignored. Integers beyond 2^53 become bigint. */
export function parseJson(text: string): unknown {
  try {
    return /\d{16}/.test(text) ? JSON.parse(text, keepBigIntegers) : JSON.parse(text);
  } catch (error) {
    return parseFirstValue(text, error);
  }
}

function readSpecFile(bundle: string): string {
  try {
    const text = readFileSync(join(bundle, 'config.json'), 'utf8');
    if (text.length > SPEC_BYTES_MAX) throw invalidSpec('JSON specification file config.json is too large');
    return text;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new RuncError({ kind: 'not_found', code: 'NO_SPEC', message: 'JSON specification file config.json not found', cause: error });
    }
    throw error;
  }
}

function keepBigIntegers(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  return typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}

function parseFirstValue(text: string, error: unknown): unknown {
  if (text.trim() === '') throw invalidSpec('EOF', error);
  const message = error instanceof Error ? error.message : '';
  const trailing = /^Unexpected non-whitespace character after JSON at position (\d+)/.exec(message);
  if (trailing?.[1] !== undefined) return parseJson(text.slice(0, Number(trailing[1])));
  if (/^(Unexpected end|Unterminated|Expected .* at position)/.test(message) && isAtEnd(text, message)) throw invalidSpec('unexpected EOF', error);
  const position = Number(/at position (\d+)/.exec(message)?.[1] ?? NaN);
  const character = Number.isNaN(position) ? undefined : text[position];
  throw invalidSpec(character === undefined ? 'unexpected EOF' : `invalid character '${character}' looking for beginning of value`, error);
}

function isAtEnd(text: string, message: string): boolean {
  const position = /at position (\d+)/.exec(message)?.[1];
  return position === undefined || Number(position) >= text.trimEnd().length;
}
