import type { Stats } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { KernelPort } from '../kernel-port.ts';

/**
 * Copies what is inside `source` into the existing folder `target`, with owners, modes, times, extended attributes, links, hard links, FIFOs and devices as they
 * are; then gives `target` itself the attributes of `source`. Symbolic links are copied, never followed. Sockets are left out.
 */
export async function copyTree(source: string, target: string, kernel: KernelPort): Promise<void> {
  const hardLinks = new Map<string, string>();
  await copyChildren(source, target, hardLinks, kernel);
  await copyAttributes(source, target, await fs.lstat(source), kernel);
}

async function copyChildren(source: string, target: string, hardLinks: Map<string, string>, kernel: KernelPort): Promise<void> {
  for (const name of await fs.readdir(source)) await copyEntry(path.join(source, name), path.join(target, name), hardLinks, kernel);
}

async function copyEntry(source: string, target: string, hardLinks: Map<string, string>, kernel: KernelPort): Promise<void> {
  const stats = await fs.lstat(source);
  if (stats.isSocket()) return;
  if (!stats.isDirectory() && stats.nlink > 1) {
    const inode = `${stats.dev}:${stats.ino}`;
    const first = hardLinks.get(inode);
    if (first !== undefined) {
      await fs.link(first, target);
      return;
    }
    hardLinks.set(inode, target);
  }
  await makeEntry(source, target, stats, hardLinks, kernel);
  await copyAttributes(source, target, stats, kernel);
}

async function makeEntry(source: string, target: string, stats: Stats, hardLinks: Map<string, string>, kernel: KernelPort): Promise<void> {
  if (stats.isDirectory()) {
    await fs.mkdir(target, { mode: 0o700 });
    await copyChildren(source, target, hardLinks, kernel);
  } else if (stats.isSymbolicLink()) await fs.symlink(await fs.readlink(source), target);
  else if (stats.isFIFO()) await kernel.makeFifo(target, 0o600);
  else if (stats.isFile()) await fs.copyFile(source, target, fs.constants.COPYFILE_FICLONE | fs.constants.COPYFILE_EXCL);
  else await kernel.makeNode(target, stats.mode, stats.rdev);
}

/** Owner first: changing it clears set-id bits. Times last. */
async function copyAttributes(source: string, target: string, stats: Stats, kernel: KernelPort): Promise<void> {
  await fs.lchown(target, stats.uid, stats.gid);
  await kernel.copyExtendedAttributes(source, target);
  if (!stats.isSymbolicLink()) await fs.chmod(target, stats.mode & 0o7777);
  await fs.lutimes(target, stats.atimeMs / 1000, stats.mtimeMs / 1000);
}
