import { OciImageError } from '../errors.ts';
import { closeFd, type FileStat, openNodeBelow, openRoot, readLinkAt, statFd, xattrOfNode } from './native-calls.ts';
import { readdirSync } from 'node:fs';
import { decodeName } from '../tar/index.ts';

/** Symlinks followed in one path. */
const LINKS_MAX = 255;

/** A node found in one of the lower layers. `fd` is an O_PATH descriptor that the finder's caller closes. */
export interface LowerNode {
  readonly fd: number;
  readonly stat: FileStat;
}

/** Whether a node is overlayfs's whiteout: a character device 0:0. */
export function isWhiteoutDevice(stat: FileStat): boolean {
  return stat.type === 'character' && stat.rdev.major === 0 && stat.rdev.minor === 0;
}

/** Whether overlayfs takes a folder as opaque. */
export function isOpaqueFolder(fd: number): boolean {
  const isSet = (name: string): boolean => xattrOfNode(fd, name)?.toString('latin1') === 'y';
  return isSet('trusted.overlay.opaque') || isSet('user.overlay.opaque');
}

/** Folders of overlayfs layers, topmost first, looked at together without mounting them: whiteouts and opaque folders hide what is below. */
export class LowerLayers implements Disposable {
  readonly #roots: number[] = [];

  constructor(paths: readonly string[]) {
    try {
      for (const path of paths) this.#roots.push(openRoot(path));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  get isEmpty(): boolean {
    return this.#roots.length === 0;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#roots.splice(0)) closeFd(fd);
  }

  /** Finds a node by a path that is followed by names only: links in it lead nowhere. */
  find(names: readonly string[]): LowerNode | undefined {
    for (const root of this.#roots) {
      const found = findInLayer(root, names);
      if (typeof found === 'object') return found;
      if (found === 'hidden') return undefined;
    }
    return undefined;
  }

  /**
   * Finds what a path leads to, links followed inside the merged tree, the last one too.
   * @throws OciImageError `LAYER_INVALID` for a loop of links
   */
  resolve(path: string): { readonly names: readonly string[]; readonly node: LowerNode } | undefined {
    const done: string[] = [];
    const left = path.split('/').reverse();
    for (let links = 0; ;) {
      const name = left.pop();
      if (name === undefined) {
        const node = this.find(done);
        return node === undefined ? undefined : { names: done, node };
      }
      if (name === '' || name === '.') continue;
      if (name === '..') {
        done.pop();
        continue;
      }
      const target = this.#linkTarget([...done, name]);
      if (target === undefined) {
        done.push(name);
        continue;
      }
      links += 1;
      if (links > LINKS_MAX) throw new OciImageError('LAYER_INVALID', `too many levels of symbolic links in ${JSON.stringify(path)}`);
      if (target.startsWith('/')) done.length = 0;
      left.push(...target.split('/').reverse());
    }
  }

  /** The names in a folder of the merged tree. */
  list(names: readonly string[]): string[] {
    const seen = new Set<string>();
    const visible: string[] = [];
    for (const root of this.#roots) {
      const found = findInLayer(root, names);
      if (found === 'hidden') break;
      if (found === 'absent') continue;
      try {
        if (found.stat.type !== 'directory') break;
        for (const name of readdirSync(`/proc/self/fd/${found.fd}`, { encoding: 'buffer' }).map(decodeName)) {
          if (seen.has(name)) continue;
          seen.add(name);
          if (!isWhiteoutIn(found.fd, name)) visible.push(name);
        }
        if (isOpaqueFolder(found.fd)) break;
      } finally {
        closeFd(found.fd);
      }
    }
    return visible;
  }

  #linkTarget(names: readonly string[]): string | undefined {
    const node = this.find(names);
    if (node === undefined) return undefined;
    try {
      return node.stat.type === 'symlink' ? readLinkAt(node.fd, '') : undefined;
    } finally {
      closeFd(node.fd);
    }
  }
}

/** `hidden` means that lower layers must not be asked: this one removes or replaces the path or a folder above it. */
function findInLayer(root: number, names: readonly string[]): LowerNode | 'absent' | 'hidden' {
  const fd = openNodeBelow(root, names.join('/'));
  if (fd !== undefined) {
    const stat = statFd(fd);
    if (!isWhiteoutDevice(stat)) return { fd, stat };
    closeFd(fd);
    return 'hidden';
  }
  return isHiddenAbove(root, names) ? 'hidden' : 'absent';
}

/** Whether a folder above a missing path is opaque, removed, or no folder in this layer. */
function isHiddenAbove(root: number, names: readonly string[]): boolean {
  for (let length = 0; length < names.length; length += 1) {
    const fd = openNodeBelow(root, names.slice(0, length).join('/'));
    if (fd === undefined) return false;
    try {
      // The root itself is always merged, whatever it is marked with.
      if (length > 0 && (statFd(fd).type !== 'directory' || isOpaqueFolder(fd))) return true;
    } finally {
      closeFd(fd);
    }
  }
  return false;
}

function isWhiteoutIn(folder: number, name: string): boolean {
  const fd = openNodeBelow(folder, name);
  if (fd === undefined) return false;
  try {
    return isWhiteoutDevice(statFd(fd));
  } finally {
    closeFd(fd);
  }
}
