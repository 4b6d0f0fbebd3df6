import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { AT_FDCWD, fstatat, getXattr, listXattrs } from '@dray/libcontainer';

/** Everything that can be observed of a tree, one line for each node, sorted. */
export function describeTree(root: string, options: { readonly withXattrs?: boolean } = {}): string[] {
  const inodes = new Map<bigint, string>();
  const lines: string[] = [];
  const visit = (path: string): void => {
    const full = join(root, path);
    const stat = fstatat(AT_FDCWD, full);
    const first = stat.linkCount > 1 && stat.type !== 'directory' ? inodes.get(stat.inode) : undefined;
    if (first === undefined) inodes.set(stat.inode, path);
    const content = stat.type === 'file' ? createHash('sha256').update(readFileSync(full)).digest('hex').slice(0, 12) : stat.type === 'symlink' ? readlinkSync(full) : '';
    const xattrs = options.withXattrs === false ? '' : listXattrs(full).sort().map((name) => `${name}=${getXattr(full, name)?.toString('hex') ?? ''}`).join(',');
    lines.push([
      path, stat.type, (stat.mode & 0o7777).toString(8), `${stat.uid}:${stat.gid}`, stat.type === 'directory' ? '' : stat.size, stat.mtimeNs,
      stat.type === 'character' || stat.type === 'block' ? `${stat.rdev.major}:${stat.rdev.minor}` : '', first === undefined ? '' : `=${first}`, content, xattrs,
    ].join(' '));
    if (stat.type === 'directory') for (const name of readdirSync(full).sort()) visit(join(path, name));
  };
  visit('.');
  return lines;
}
