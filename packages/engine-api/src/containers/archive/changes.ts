/** What a container changed in its root file system. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layers } from './archive-root.ts';

/** One change: 0 modified, 1 added, 2 deleted. */
export interface Change {
  Path: string;
  Kind: 0 | 1 | 2;
}

const MODIFIED = 0;
const ADDED = 1;
const DELETED = 2;

/** The changes a writable overlay layer holds, sorted by path. A whiteout is a character device 0:0. */
export async function listChanges(layers: Layers): Promise<Change[]> {
  const changes: Change[] = [];
  await walk(layers, '', changes);
  return changes.sort((a, b) => (a.Path < b.Path ? -1 : 1));
}

async function walk(layers: Layers, folder: string, changes: Change[]): Promise<void> {
  for (const entry of await readdir(join(layers.upper, folder), { withFileTypes: true })) {
    const path = join('/', folder, entry.name);
    if (entry.isCharacterDevice() && (await lstat(join(layers.upper, path))).rdev === 0) {
      changes.push({ Path: path, Kind: DELETED });
      continue;
    }
    const isOld = await existsBelow(layers.lowers, path);
    const children: Change[] = [];
    if (entry.isDirectory()) await walk(layers, path, children);
    changes.push({ Path: path, Kind: isOld ? MODIFIED : ADDED }, ...children);
  }
}

/** Whether a path is in the merged lower layers: the topmost layer that knows a component decides. */
async function existsBelow(lowers: readonly string[], path: string): Promise<boolean> {
  for (const lower of lowers) {
    const found = await lookUp(lower, path);
    if (found !== undefined) return found;
  }
  return false;
}

/** True: there; false: deleted here; undefined: this layer does not say. */
async function lookUp(lower: string, path: string): Promise<boolean | undefined> {
  let place = lower;
  const names = path.split('/').filter((name) => name !== '');
  for (const [index, name] of names.entries()) {
    place = join(place, name);
    const info = await lstat(place).catch(() => undefined); // absent in this layer
    if (!info) return undefined;
    if (info.isCharacterDevice() && info.rdev === 0) return false;
    if (index < names.length - 1 && !info.isDirectory()) return false;
  }
  return true;
}
