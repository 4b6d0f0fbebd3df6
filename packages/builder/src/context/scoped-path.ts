import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { join, posix } from 'node:path';

const LINK_COUNT_MAX = 255;

/** Where a path leads inside a root. */
export interface ScopedPath {
  /** On this machine. */
  readonly hostPath: string;
  /** Inside the root, without links, without slashes at its ends; empty is the root itself. */
  readonly path: string;
  /** What is there, or undefined where nothing is. */
  readonly stat: Stats | undefined;
}

/** Resolves a path below `root`: links are followed inside the root, `..` stops at it. For trees that nobody changes meanwhile. */
export function scopedPath(root: string, path: string): ScopedPath {
  let pending = parts(path);
  const done: string[] = [];
  let stat = statOf(root);
  for (let links = 0; pending.length > 0;) {
    const [part = '', ...rest] = pending;
    pending = rest;
    if (part === '..') {
      done.pop();
      stat = statOf(join(root, ...done));
      continue;
    }
    const next = stat === undefined ? undefined : statOf(join(root, ...done, part));
    if (next?.isSymbolicLink() === true) {
      if (++links > LINK_COUNT_MAX) throw Object.assign(new Error(`too many levels of symbolic links: ${path}`), { code: 'ELOOP' });
      const target = readlinkSync(join(root, ...done, part));
      if (target.startsWith('/')) done.length = 0;
      stat = statOf(join(root, ...done));
      pending = [...parts(target), ...rest];
      continue;
    }
    done.push(part);
    stat = next;
  }
  return { hostPath: join(root, ...done), path: done.join('/'), stat };
}

/** Whether a path, taken literally, leaves the folder it is relative to. */
export function leavesRoot(path: string): boolean {
  const clean = posix.normalize(`./${path}`);
  return clean === '..' || clean.startsWith('../');
}

const parts = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
}
