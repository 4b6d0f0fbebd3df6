/** A runtime's JSON log: the last error in it is what went wrong. */
import { readFileSync } from 'node:fs';

/** A log is read up to here; a runtime that fails writes one line. */
const LOG_BYTES_MAX = 64 * 1024;

/** The last message of level error; empty when there is none. Lines that are no JSON are passed over. */
export function lastRuntimeError(log: string): string {
  let message = '';
  for (const line of log.split('\n')) {
    const entry = parseLine(line);
    if (entry.level === 'error' && typeof entry.msg === 'string') message = entry.msg.trim();
  }
  return message;
}

function parseLine(line: string): { readonly level?: unknown; readonly msg?: unknown } {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Reads the log's end; a file that is not there says nothing. */
export function readRuntimeError(file: string): string {
  try {
    return lastRuntimeError(readFileSync(file, 'utf8').slice(-LOG_BYTES_MAX));
  } catch {
    return '';
  }
}
