import { createHash } from 'node:crypto';
import { readdirSync, type Stats } from 'node:fs';
import { join, posix } from 'node:path';
import { matchesPattern } from '../dockerignore.ts';
import { BuilderError } from '../errors.ts';
import type { BuildContext } from './build-context.ts';
import { leavesRoot, scopedPath } from './scoped-path.ts';
import { sumOnDisk } from './tar-sum.ts';

/** A tree that files are copied from. */
export interface SourceTree {
  readonly root: string;
  /** The checksum of a file or folder by itself. */
  sum(path: string, hostPath: string, stat: Stats): Promise<string> | string;
  /** What stands for a link that leads nowhere: its own path, or where it leads. */
  sumOfMissing(path: string, target: string): string;
  /** What is said of a path that is not there. */
  readonly missing: string;
}

/** One file or folder to copy. */
export interface CopySource {
  readonly root: string;
  /** As it was named: its last part names the copy. */
  readonly name: string;
  /** Where it is in the root, links followed; empty is the root itself. */
  readonly path: string;
  readonly hostPath: string;
  readonly stat: Stats;
  /** `file:…` or `dir:…`: what history and cache know it by. */
  readonly sum: string;
  /** Whether `ADD` unpacks it where it is an archive: not so what it downloaded. */
  readonly mayUnpack: boolean;
}

/** A client's context as a source: its checksums are those of the tar. */
export function contextTree(context: BuildContext): SourceTree {
  return { root: context.root, sum: (path) => context.sums.get(path) ?? path, sumOfMissing: (path) => path, missing: 'file not found in build context or excluded by .dockerignore: ' };
}

/** Any folder as a source: the root of an image. */
export function diskTree(root: string): SourceTree {
  return { root, sum: (path, hostPath, stat) => sumOnDisk(hostPath, path, stat), sumOfMissing: (_path, target) => target, missing: '' };
}

/**
 * Finds what a source argument means: one file or folder, or all that fit its wildcards.
 *
 * @throws BuilderError `COPY_FAILED`
 */
export async function findSources(tree: SourceTree, argument: string, options: { mayUnpack: boolean }): Promise<CopySource[]> {
  if (leavesRoot(argument)) throw new BuilderError('COPY_FAILED', `forbidden path outside the build context: ${argument} ()`);
  const path = posix.join('/', argument).replace(/\/$/, '').slice(1);
  if (!/[*?[\\]/.test(path)) return [await describeSource(tree, path, options)];
  const pattern = posix.normalize(path);
  return Promise.all(walk(tree.root, '').filter((candidate) => matchesPattern(pattern, candidate)).map((candidate) => describeSource(tree, candidate, options)));
}

async function describeSource(tree: SourceTree, name: string, { mayUnpack }: { mayUnpack: boolean }): Promise<CopySource> {
  const { path, hostPath, stat } = scopedPath(tree.root, name);
  if (stat === undefined) throw new BuilderError('COPY_FAILED', `${tree.missing}stat ${name}: file does not exist`);
  const sum = stat.isDirectory() ? await sumFolder(tree, { path, hostPath, stat }) : `file:${await tree.sum(path, hostPath, stat)}`;
  return { root: tree.root, name, path, hostPath, stat, sum, mayUnpack };
}

/** A folder is known by itself, unless it is the whole tree, and everything below it, in no order. */
async function sumFolder(tree: SourceTree, { path, hostPath, stat }: { path: string; hostPath: string; stat: Stats }): Promise<string> {
  const sums = path === '' ? [] : [await tree.sum(path, hostPath, stat)];
  for (const below of walk(hostPath, '')) {
    const inner = path === '' ? below : `${path}/${below}`;
    const place = scopedPath(tree.root, inner);
    // A link counts as what it leads to; one that leads nowhere as the path alone.
    sums.push(place.stat === undefined ? tree.sumOfMissing(inner, place.path) : await tree.sum(place.path, place.hostPath, place.stat));
  }
  return hashOf('dir', sums.sort());
}

/** What several sources together are known by. */
export function sumOfAll(sources: readonly CopySource[]): string {
  const [first, ...others] = sources;
  return first === undefined || others.length > 0 ? hashOf('multi', sources.map(({ sum }) => sum)) : first.sum;
}

function hashOf(prefix: string, sums: readonly string[]): string {
  return `${prefix}:${createHash('sha256').update(sums.join(',')).digest('hex')}`;
}

/** Every path below a folder, folders before what is in them, sorted. */
function walk(folder: string, prefix: string): string[] {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).sort((a, b) => a.name < b.name ? -1 : 1).flatMap((entry) => {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    return entry.isDirectory() ? [path, ...walk(folder, path)] : [path];
  });
}
