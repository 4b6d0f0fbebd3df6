import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoCode } from '../errors.ts';
import type { SnapshotUsage } from './snapshot.ts';

/** Bytes of one block in `st_blocks`. */
const BLOCK_BYTES = 512n;
/** Folders read at the same time. */
const CONCURRENCY = 8;

/** Measures a tree: blocks taken and inodes, each inode once however many links it has. What vanishes meanwhile counts for nothing. */
export async function diskUsage(root: string): Promise<SnapshotUsage> {
  const seen = new Set<bigint>();
  let size = 0n;
  let folders = [root];
  await count(root);
  while (folders.length > 0) {
    const batch = folders.splice(0, CONCURRENCY);
    const found = await Promise.all(batch.map(measureFolder));
    folders = folders.concat(...found);
  }
  return { size, inodes: BigInt(seen.size) };

  async function measureFolder(folder: string): Promise<string[]> {
    const entries = await readdir(folder, { withFileTypes: true }).catch(ignoreVanished);
    if (entries === undefined) return [];
    for (const entry of entries) await count(join(folder, entry.name));
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
  }

  async function count(path: string): Promise<void> {
    const stat = await lstat(path, { bigint: true }).catch(ignoreVanished);
    if (stat === undefined || seen.has(stat.ino)) return;
    seen.add(stat.ino);
    size += stat.blocks * BLOCK_BYTES;
  }
}

function ignoreVanished(error: unknown): undefined {
  if (errnoCode(error) !== 'ENOENT') throw error;
}
