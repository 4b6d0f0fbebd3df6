import { readdirSync, readlinkSync } from 'node:fs';
import { OciImageError } from '../errors.ts';
import { decodeName } from '../tar/index.ts';
import { isWhiteoutDevice, LowerLayers, type LowerNode } from './lower-layers.ts';
import {
  AT, closeFd, fchmodat, fchownat, type FileStat, mkdirat, mknodat, nativeName, O, openat, openFolderInRoot, openRoot, readLinkAt, setXattrAt, statAt, statFd, unlinkat, utimensat, xattrsOfNode,
} from './native-calls.ts';

/** Where deletions of lower layers are written. */
export type LayerForm =
  /** The target holds the lower layers already: what a layer deletes is removed. */
  | 'plain'
  /** The target is one layer for overlayfs: deletions become character devices 0:0 and opaque folders. */
  | 'overlay';

const S_IFCHR = 0o020000;
const LINKS_MAX = 255;
const OPAQUE_VALUE: Uint8Array = Buffer.from('y');

/** Times of a folder that are set once nothing in it changes any more. */
interface FolderTimes {
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
}

/**
 * The folder a layer is unpacked into. Everything in it is reached by directory descriptors that `openat2` resolved inside its root, so no link in the archive
 * leads out. Paths are arrays of names.
 */
export class TargetTree implements Disposable {
  readonly #root: number;
  readonly #rootPath: string;
  readonly #lowers: LowerLayers;
  readonly #hidden = new Set<string>();
  readonly #form: LayerForm;
  readonly #opaqueAttribute: string;
  /** The folder used last: entries come folder by folder. Dropped whenever something is removed, for then the path may lead elsewhere. */
  #cached: { readonly path: string; readonly fd: number; isKept: boolean } | undefined;
  /** By inode, for links may lead to one folder by many paths. */
  readonly #times = new Map<bigint, FolderTimes & { readonly path: string }>();

  constructor(options: { readonly path: string; readonly form: LayerForm; readonly lowers: readonly string[]; readonly opaqueAttribute: string }) {
    this.#form = options.form;
    this.#opaqueAttribute = options.opaqueAttribute;
    this.#lowers = new LowerLayers(options.lowers);
    try {
      this.#root = openRoot(options.path);
      this.#rootPath = decodeName(readlinkSync(`/proc/self/fd/${this.#root}`, { encoding: 'buffer' }));
    } catch (error) {
      this.#lowers[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#dropCached();
    closeFd(this.#root);
    this.#lowers[Symbol.dispose]();
  }

  get root(): number {
    return this.#root;
  }

  get lowers(): LowerLayers {
    return this.#lowers;
  }

  /**
   * The folder that `names` lead to, links followed inside the root. Missing ones are made: as the lower layers have them, else root's with mode 0755. The
   * descriptor is borrowed: it is good until the next call.
   * @throws OciImageError `LAYER_INVALID` when something in the way is no folder
   */
  folder(names: readonly string[]): number {
    if (names.length === 0) return this.#root;
    const path = names.join('/');
    if (this.#cached?.path === path) return this.#cached.fd;
    this.#dropCached();
    const fd = openFolderInRoot(this.#root, path) ?? this.#makeFolder(names);
    this.#cached = { path, fd, isKept: false };
    return fd;
  }

  /** The names by which {@link folder} is reached without any link: what a layer makes and hides is known by these. */
  realNames(names: readonly string[]): readonly string[] {
    if (names.length === 0) return names;
    return this.#pathOf(this.folder(names)).split('/').filter((name) => name !== '');
  }

  /** Path of an open folder in the tree, without links. */
  #pathOf(folder: number): string {
    return decodeName(readlinkSync(`/proc/self/fd/${folder}`, { encoding: 'buffer' })).slice(this.#rootPath.length).replace(/^\//, '');
  }

  /** Keeps the times of an existing folder in which an entry is about to be made: they are not the layer's to change. */
  keepTimes(folder: number): void {
    if (this.#cached?.fd === folder && this.#cached.isKept) return;
    const { inode, atimeNs, mtimeNs } = statFd(folder);
    if (!this.#times.has(inode)) this.#times.set(inode, { path: this.#pathOf(folder), atimeNs, mtimeNs });
    if (this.#cached?.fd === folder) this.#cached.isKept = true;
  }

  /** Sets the times of the folder `name` in `folder` once the layer is done. `names` is its whole path. */
  setTimesLater(folder: number, names: readonly string[], times: FolderTimes): void {
    const stat = names.length === 0 ? statFd(folder) : statAt(folder, names.at(-1) ?? '');
    if (stat !== undefined) this.#times.set(stat.inode, { path: names.join('/'), ...times });
  }

  /** Sets the times of all folders that {@link keepTimes} and {@link setTimesLater} named and that are still there. */
  applyTimes(): void {
    this.#dropCached();
    for (const [inode, times] of this.#times) {
      const fd = openFolderInRoot(this.#root, times.path);
      if (fd === undefined) continue;
      try {
        if (statFd(fd).inode === inode) utimensat(fd, '.', times);
      } finally {
        closeFd(fd);
      }
    }
    this.#times.clear();
  }

  /** Removes a node and everything below it. */
  remove(folder: number, name: string): void {
    const stat = statAt(folder, name);
    if (stat === undefined) return;
    if (stat.type === 'directory') this.#removeBelow(folder, name);
    this.#unlink(folder, name, stat.type === 'directory');
  }

  /** Names in a folder. */
  list(folder: number): string[] {
    return readdirSync(`/proc/self/fd/${folder}`, { encoding: 'buffer' }).map(decodeName);
  }

  /** Remembers that this layer hides a path, and everything below it, of the lower layers; no names mean everything. */
  hide(names: readonly string[]): void {
    this.#hidden.add(names.join('/'));
  }

  /** Whether this layer hides a path of the lower layers, by itself or with a folder above it. */
  isHidden(names: readonly string[]): boolean {
    if (this.#hidden.size === 0) return false;
    return this.#hidden.has('') || names.some((_, index) => this.#hidden.has(names.slice(0, index + 1).join('/')));
  }

  /** A node of the lower layers, unless this layer hides it. The caller closes its descriptor. */
  findLower(names: readonly string[]): LowerNode | undefined {
    return this.#lowers.isEmpty || this.isHidden(names) ? undefined : this.#lowers.find(names);
  }

  /** Hides `name` of the lower layers. Nothing of this layer may be there. */
  makeWhiteout(folder: number, name: string): void {
    mknodat(folder, nativeName(name), S_IFCHR, { major: 0, minor: 0 });
  }

  /** Hides everything that lower layers have in the folder `name`; `.` is the folder itself. */
  makeOpaque(folder: number, name: string): void {
    setXattrAt(folder, name, this.#opaqueAttribute, OPAQUE_VALUE);
  }

  /** Makes a folder that has the attributes of a lower layer's. */
  copyFolderAttributes(source: { readonly fd: number; readonly stat: FileStat }, folder: number, name: string): void {
    const { stat } = source;
    fchownat(folder, nativeName(name), stat.uid, stat.gid);
    for (const [attribute, value] of xattrsOfNode(source.fd)) {
      if (!isOverlayAttribute(attribute)) setXattrAt(folder, name, attribute, value);
    }
    fchmodat(folder, nativeName(name), stat.mode & 0o7777);
    utimensat(folder, nativeName(name), { atimeNs: stat.atimeNs, mtimeNs: stat.mtimeNs });
  }

  /** Gives the root the attributes of the layers below: overlayfs shows the topmost layer's root. */
  inheritRoot(): void {
    const lower = this.#lowers.find([]);
    if (lower === undefined) return;
    try {
      this.copyFolderAttributes(lower, this.#root, '.');
      this.setTimesLater(this.#root, [], lower.stat);
    } finally {
      closeFd(lower.fd);
    }
  }

  /** Walks to a folder name by name and makes what is missing. @returns a descriptor the caller owns */
  #makeFolder(wanted: readonly string[]): number {
    const done: string[] = [];
    const left = [...wanted].reverse();
    let links = 0;
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        done.pop();
        continue;
      }
      const target = this.#enter(done, name);
      if (target === undefined) {
        done.push(name);
        continue;
      }
      links += 1;
      if (links > LINKS_MAX) throw new OciImageError('LAYER_INVALID', `too many levels of symbolic links in ${JSON.stringify(wanted.join('/'))}`);
      if (target.startsWith('/')) done.length = 0;
      left.push(...target.split('/').reverse());
    }
    const fd = openFolderInRoot(this.#root, done.join('/'));
    if (fd === undefined) throw notFolder(wanted);
    return fd;
  }

  /** Makes sure that the folder `name` in `parent` exists. @returns the target when `name` is a link that must be followed instead */
  #enter(parent: readonly string[], name: string): string | undefined {
    const fd = openFolderInRoot(this.#root, parent.join('/'));
    if (fd === undefined) throw notFolder([...parent, name]);
    try {
      const stat = statAt(fd, name);
      if (stat?.type === 'directory') return undefined;
      if (stat?.type === 'symlink') return readLinkAt(fd, name);
      if (stat !== undefined && !(this.#form === 'overlay' && isWhiteoutDevice(stat))) throw notFolder([...parent, name]);
      if (stat === undefined) return this.#makeMissing(fd, parent, name);
      this.#replaceWhiteout(fd, parent, name);
      return undefined;
    } finally {
      closeFd(fd);
    }
  }

  #makeMissing(folder: number, parent: readonly string[], name: string): string | undefined {
    const lower = this.findLower([...parent, name]);
    if (lower === undefined) {
      this.keepTimes(folder);
      this.#makePlainFolder(folder, [...parent, name]);
      return undefined;
    }
    try {
      if (lower.stat.type === 'symlink') return readLinkAt(lower.fd, '');
      if (lower.stat.type !== 'directory') throw notFolder([...parent, name]);
      this.keepTimes(folder);
      mkdirat(folder, nativeName(name), 0o700);
      this.copyFolderAttributes(lower, folder, name);
      this.setTimesLater(folder, [...parent, name], lower.stat);
      return undefined;
    } finally {
      closeFd(lower.fd);
    }
  }

  /** An entry below something the same layer has deleted: a new folder that hides the deleted one. */
  #replaceWhiteout(folder: number, parent: readonly string[], name: string): void {
    this.keepTimes(folder);
    this.#unlink(folder, name, false);
    this.#makePlainFolder(folder, [...parent, name]);
    this.makeOpaque(folder, name);
  }

  /** A folder that no entry describes. */
  #makePlainFolder(folder: number, names: readonly string[]): void {
    const name = nativeName(names.at(-1) ?? '');
    mkdirat(folder, name, 0o755);
    fchmodat(folder, name, 0o755);
    const now = BigInt(Date.now()) * 1_000_000n;
    this.setTimesLater(folder, names, { atimeNs: now, mtimeNs: now });
  }

  /** Empties a folder, depth first, with one descriptor open for each level. */
  #removeBelow(folder: number, name: string): void {
    const stack = [this.#openForRemoval(folder, name)];
    try {
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        const child = top.names.pop();
        if (child !== undefined) {
          if (!this.#removeLeaf(top.fd, child)) stack.push(this.#openForRemoval(top.fd, child));
          continue;
        }
        closeFd(top.fd);
        stack.pop();
        const parent = stack.at(-1);
        if (parent !== undefined) this.#unlink(parent.fd, top.name, true);
      }
    } finally {
      for (const { fd } of stack) closeFd(fd);
    }
  }

  #openForRemoval(folder: number, name: string): { readonly fd: number; readonly name: string; readonly names: string[] } {
    const fd = openat(folder, nativeName(name), O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
    return { fd, name, names: this.list(fd) };
  }

  /** Removes a node unless it is a folder. */
  #removeLeaf(folder: number, name: string): boolean {
    if (statAt(folder, name)?.type === 'directory') return false;
    this.#unlink(folder, name, false);
    return true;
  }

  #unlink(folder: number, name: string, isFolder: boolean): void {
    unlinkat(folder, nativeName(name), isFolder ? AT.REMOVEDIR : 0);
    this.#hasRemoved = true;
  }

  #hasRemoved = false;

  /** Forgets the cached folder if something was removed since: its path may lead elsewhere now. Called between entries, when nobody borrows it. */
  settle(): void {
    if (!this.#hasRemoved) return;
    this.#hasRemoved = false;
    this.#dropCached();
  }

  #dropCached(): void {
    if (this.#cached !== undefined) closeFd(this.#cached.fd);
    this.#cached = undefined;
  }
}

/** Attributes by which overlayfs is steered: an image must not bring any. */
export function isOverlayAttribute(name: string): boolean {
  return name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.');
}

function notFolder(names: readonly string[]): OciImageError {
  return new OciImageError('LAYER_INVALID', `${JSON.stringify(names.join('/'))} is not a directory`);
}
