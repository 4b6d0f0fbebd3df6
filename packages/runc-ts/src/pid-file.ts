import { renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Writes a pid without a newline, so that a reader sees all of it or no file. */
export function writePidFile(path: string, pid: number): void {
  const temporary = join(dirname(path), `.${basename(path)}`);
  writeFileSync(temporary, String(pid), { mode: 0o666, flag: 'w' });
  renameSync(temporary, path);
}
