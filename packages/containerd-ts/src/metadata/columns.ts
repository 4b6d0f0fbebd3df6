import { failedPrecondition } from '../errors.ts';
import type { Labels } from '../labels.ts';
import type { Row } from './database.ts';

/** Reads a TEXT column. */
export function textOf(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw damaged(column);
  return value;
}

/** Reads an INTEGER column. */
export function integerOf(row: Row, column: string): bigint {
  const value = row[column];
  if (typeof value !== 'bigint') throw damaged(column);
  return value;
}

/** Reads an INTEGER column that may be NULL. */
export function optionalIntegerOf(row: Row, column: string): bigint | undefined {
  return row[column] === null ? undefined : integerOf(row, column);
}

/** Reads a TEXT column that may be NULL. */
export function optionalTextOf(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : textOf(row, column);
}

/** Reads a BLOB column; NULL gives no bytes. */
export function bytesOf(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (value === null) return new Uint8Array();
  if (!(value instanceof Uint8Array)) throw damaged(column);
  return value;
}

/** Reads a column that holds a JSON object of strings. */
export function labelsOf(row: Row, column = 'labels'): Labels {
  const text = textOf(row, column);
  if (text === '{}') return {};
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null) throw damaged(column);
  return parsed as Labels;
}

function damaged(column: string): Error {
  return failedPrecondition('STORE_UNREADABLE', `metadata store is damaged in column "${column}"`);
}
