/** Paths inside a root file system whose links may point anywhere: resolved as the container would see them. */
import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';

const LINK_COUNT_MAX = 255;

/** Where a path leads. */
export interface ResolvedPath {
  /** On the host. */
  readonly hostPath: string;
  /** Inside the root, absolute, without links. */
  readonly innerPath: string;
  /** Whether every component is there. */
  readonly exists: boolean;
}

/**
 * Resolves `path` below `root`: links are followed inside the root, `..` stops at it. Components that do not exist are kept as they are. Nothing may change the
 * tree meanwhile, so this is for roots that no container runs in.
 */
export async function resolveInRoot(root: string, path: string, options: { followLast: boolean } = { followLast: true }): Promise<ResolvedPath> {
  let pending = path.split('/').filter((part) => part !== '' && part !== '.');
  const done: string[] = [];
  let exists = true;
  let links = 0;
  while (pending.length > 0) {
    const [part = '', ...rest] = pending;
    pending = rest;
    if (part === '..') {
      done.pop();
      continue;
    }
    const target: string | null | undefined = exists && (rest.length > 0 || options.followLast) ? await linkTarget(join(root, ...done, part)) : undefined;
    if (typeof target === 'string') {
      if (++links > LINK_COUNT_MAX) throw Object.assign(new Error(`too many levels of symbolic links: ${path}`), { code: 'ELOOP' });
      if (target.startsWith('/')) done.length = 0;
      pending = [...target.split('/').filter((piece) => piece !== '' && piece !== '.'), ...rest];
      continue;
    }
    done.push(part);
    if (exists) exists = target === undefined && rest.length === 0 && !options.followLast ? await isThere(join(root, ...done)) : target !== null;
  }
  return { hostPath: join(root, ...done), innerPath: `/${done.join('/')}`, exists };
}

/** A link's target, `undefined` for anything else that is there, `null` for nothing. */
async function linkTarget(path: string): Promise<string | undefined | null> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  } catch (err) {
    if (err instanceof Error && 'code' in err && (err.code === 'ENOENT' || err.code === 'ENOTDIR')) return null;
    throw err;
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await linkTarget(path)) !== null;
}
