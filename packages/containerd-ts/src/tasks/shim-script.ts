import { closeSync, openSync, readSync } from 'node:fs';

/** How a shim is run: a file and the words before its own arguments. */
export interface ShimCommand {
  readonly file: string;
  readonly args: readonly string[];
}

/** Bytes of a script's first line that are looked at. */
const FIRST_LINE_BYTES = 64;

const known = new Map<string, ShimCommand>();

/**
 * How to run a shim's binary. A script for Node runs on this daemon's Node: the PATH of a system service seldom has one, or has one that is too old.
 */
export function shimCommand(binary: string): ShimCommand {
  const found = known.get(binary);
  if (found !== undefined) return found;
  const command = isNodeScript(binary) ? { file: process.execPath, args: [binary] } : { file: binary, args: [] };
  known.set(binary, command);
  return command;
}

function isNodeScript(path: string): boolean {
  const fd = openSync(path, 'r');
  try {
    const start = Buffer.alloc(FIRST_LINE_BYTES);
    const size = readSync(fd, start, 0, start.length, 0);
    return /^#!\s*(?:\/\S+\/env(?: -S)? )?(?:\/\S+\/)?node(?:\s|$)/.test(start.toString('latin1', 0, size));
  } finally {
    closeSync(fd);
  }
}
