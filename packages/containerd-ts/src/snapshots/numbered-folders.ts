import { readdirSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoCode } from '../errors.ts';

/** What stands before the number of a folder that is being removed. */
const REMOVED_PREFIX = 'rm-';

/**
 * Removes the folder of a snapshot; one that is gone is no error. The rename happens before this returns, so that the number is free at once and a
 * folder is never half there.
 */
export function removeFolder(folder: string): Promise<void> {
  const doomed = join(dirname(folder), `${REMOVED_PREFIX}${basename(folder)}`);
  try {
    renameSync(folder, doomed);
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
  return rm(doomed, { recursive: true, force: true });
}

/** The numbers of the folders there are, those included whose removal did not end. */
export function listFolders(parent: string): bigint[] {
  return readdirSync(parent)
    .map((name) => name.replace(REMOVED_PREFIX, ''))
    .filter((name) => /^\d+$/.test(name))
    .map(BigInt);
}
