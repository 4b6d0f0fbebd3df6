import { fchownSync, fchmodSync, ftruncateSync, writeSync } from 'node:fs';
import { OciImageError } from '../errors.ts';
import type { TarEvent, TarHeader } from '../tar/index.ts';
import { cleanEntryPath, type EntryMeaning, entryMeaning } from './entry-path.ts';
import { LAYER_LIMITS, type LayerLimits } from './limits.ts';
import { copyUp } from './copy-up.ts';
import {
  closeFd, errnoOf, fchmodat, fchownat, linkat, listXattrs, mkdirat, mknodat, nativeName, O, openat, pathAt, removeXattr, setXattrAt, setXattrFd, statAt, symlinkat, systemCallError, utimensat,
} from './native-calls.ts';
import { isOverlayAttribute, type LayerForm, type TargetTree } from './target-tree.ts';
import { isWhiteoutDevice } from './lower-layers.ts';

const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;

/** Writes the entries of one layer into a {@link TargetTree}. Feed it with a decoder's events, then call `finish`. */
export class LayerApplier implements Disposable {
  readonly #tree: TargetTree;
  readonly #form: LayerForm;
  readonly #hasLowers: boolean;
  readonly #keepsWhiteouts: boolean;
  readonly #limits: Required<Pick<LayerLimits, 'entriesMax' | 'xattrBytesMax'>>;
  /** Paths this layer has made, and the folders above them: whiteouts of the same layer spare them. */
  readonly #made = new Set<string>();
  #hidesRoot = false;
  #file: { readonly fd: number; readonly header: TarHeader; readonly folder: number; readonly name: string } | undefined;
  #entryCount = 0;
  #bytes = 0;

  constructor(tree: TargetTree, options: { readonly form: LayerForm; readonly hasLowers: boolean; readonly keepsWhiteouts: boolean; readonly limits: LayerLimits }) {
    this.#tree = tree;
    this.#form = options.form;
    this.#hasLowers = options.hasLowers;
    this.#keepsWhiteouts = options.keepsWhiteouts;
    this.#limits = { ...LAYER_LIMITS, ...options.limits };
  }

  /** Entries so far. */
  get entryCount(): number {
    return this.#entryCount;
  }

  /** Bytes of file content written so far. */
  get contentBytes(): number {
    return this.#bytes;
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeFd(this.#file.fd);
    this.#file = undefined;
  }

  /** @throws OciImageError `LAYER_INVALID`, `LAYER_UNSAFE`, `LAYER_LIMIT`, `LAYER_SYSCALL` */
  handle(event: TarEvent): void {
    switch (event.kind) {
      case 'entry':
        this.#tree.settle();
        this.#guarded(event.header.path, () => {
          this.#onEntry(event.header);
        });
        break;
      case 'data':
        if (this.#file !== undefined) this.#write(this.#file.fd, event.offset, event.bytes);
        break;
      case 'end':
        this.#guarded(this.#file?.header.path ?? '', () => {
          this.#endFile();
        });
    }
  }

  /** Completes the layer: root's deletions and the folders' times. */
  finish(): void {
    this.#guarded('/', () => {
      if (this.#hidesRoot) this.#hideRoot();
      this.#tree.settle();
      this.#tree.applyTimes();
    });
  }

  #onEntry(header: TarHeader): void {
    this.#entryCount += 1;
    if (this.#entryCount > this.#limits.entriesMax) throw new OciImageError('LAYER_LIMIT', `layer has more than ${this.#limits.entriesMax} entries`);
    const names = cleanEntryPath(header.path);
    const name = names.at(-1);
    if (name === undefined) {
      this.#applyRoot(header);
      return;
    }
    const parent = names.slice(0, -1);
    const meaning: EntryMeaning = this.#keepsWhiteouts ? { kind: 'node' } : entryMeaning(name);
    switch (meaning.kind) {
      case 'ignored': return;
      case 'opaque': this.#hideContent(parent); return;
      case 'whiteout': this.#hide(parent, meaning.name); return;
      default: this.#makeNode(header, parent, name);
    }
  }

  #applyRoot(header: TarHeader): void {
    if (header.type !== 'directory') throw new OciImageError('LAYER_UNSAFE', `the root of a layer must be a directory, not a ${header.type}`);
    setFolderAttributes(this.#tree.root, '.', header, this.#limits.xattrBytesMax, false);
    this.#tree.setTimesLater(this.#tree.root, [], timesOf(header));
  }

  #makeNode(header: TarHeader, parent: readonly string[], name: string): void {
    const folder = this.#tree.folder(parent);
    this.#tree.keepTimes(folder);
    const path = [...(this.#hasLowers ? this.#tree.realNames(parent) : parent), name];
    switch (header.type) {
      case 'directory': this.#makeFolder(header, folder, path); break;
      case 'file': this.#openFile(header, folder, name); break;
      case 'hardlink': this.#makeHardLink(header, parent, name); break;
      case 'symlink':
        if (header.linkPath === '') throw new OciImageError('LAYER_INVALID', `symlink ${JSON.stringify(header.path)} has no target`);
        this.#create(folder, name, () => {
          symlinkat(nativeName(header.linkPath), folder, nativeName(name));
        });
        setNodeAttributes(folder, name, header, this.#limits.xattrBytesMax);
        break;
      default: this.#makeDevice(header, folder, name);
    }
    if (this.#hasLowers) this.#remember(path.join('/'));
  }

  #makeFolder(header: TarHeader, folder: number, path: readonly string[]): void {
    const name = path.at(-1) ?? '';
    const origin = this.#createFolder(folder, name);
    setFolderAttributes(folder, name, header, this.#limits.xattrBytesMax, origin !== 'old');
    if (origin === 'replaced') this.#tree.hide(path);
    const mustHide = origin === 'replaced' || (origin === 'new' && this.#tree.isHidden(path));
    if (mustHide && this.#form === 'overlay' && this.#hasLowers) this.#tree.makeOpaque(folder, name);
    this.#tree.setTimesLater(folder, path, timesOf(header));
  }

  /** An old folder is only given new attributes; anything else that is there is replaced. */
  #createFolder(folder: number, name: string): 'new' | 'old' | 'replaced' {
    try {
      mkdirat(folder, nativeName(name), 0o700);
      return 'new';
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    if (statAt(folder, name)?.type === 'directory') return 'old';
    this.#tree.remove(folder, name);
    mkdirat(folder, nativeName(name), 0o700);
    return 'replaced';
  }

  #openFile(header: TarHeader, folder: number, name: string): void {
    let fd = -1;
    this.#create(folder, name, () => {
      fd = openat(folder, nativeName(name), O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o600);
    });
    this.#file = { fd, header, folder, name };
  }

  #write(fd: number, offset: number, bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.byteLength;) done += writeSync(fd, bytes, done, bytes.byteLength - done, offset + done);
    } catch (error) {
      throw systemCallError(error, 'cannot write', this.#file?.header.path ?? '');
    }
    this.#bytes += bytes.byteLength;
  }

  #endFile(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const { fd, header, folder, name } = file;
    try {
      if (header.isSparse) ftruncateSync(fd, header.size);
      fchownSync(fd, header.uid, header.gid);
      setXattrs(header, this.#limits.xattrBytesMax, (attribute, value) => {
        setXattrFd(fd, attribute, value);
      });
      fchmodSync(fd, header.mode);
    } finally {
      closeFd(fd);
    }
    utimensat(folder, nativeName(name), timesOf(header));
  }

  #makeDevice(header: TarHeader, folder: number, name: string): void {
    const device = { major: header.deviceMajor, minor: header.deviceMinor };
    if (header.type === 'character' && device.major === 0 && device.minor === 0) {
      throw new OciImageError('LAYER_UNSAFE', `device ${JSON.stringify(header.path)} is 0:0, which stands for a whiteout`);
    }
    const type = header.type === 'character' ? S_IFCHR : header.type === 'block' ? S_IFBLK : S_IFIFO;
    this.#create(folder, name, () => {
      mknodat(folder, nativeName(name), type | 0o600, header.type === 'fifo' ? { major: 0, minor: 0 } : device);
    });
    setNodeAttributes(folder, name, header, this.#limits.xattrBytesMax);
    fchmodat(folder, nativeName(name), header.mode);
    utimensat(folder, nativeName(name), timesOf(header));
  }

  /** Owner, mode, attributes and times are the linked file's. */
  #makeHardLink(header: TarHeader, parent: readonly string[], name: string): void {
    const targetNames = cleanEntryPath(header.linkPath);
    const targetName = targetNames.at(-1);
    if (targetName === undefined) throw new OciImageError('LAYER_INVALID', `invalid hardlink ${JSON.stringify(header.path)} -> ${JSON.stringify(header.linkPath)}`);
    const targetParent = targetNames.slice(0, -1);
    // The target's folder first: asking for the entry's own folder may close it.
    const target = openat(this.#tree.folder(targetParent), '.', O.PATH | O.DIRECTORY);
    try {
      const stat = statAt(target, targetName) ?? this.#copyUp(targetParent, target, targetName);
      const isUsable = stat !== undefined && stat.type !== 'directory' && !(this.#form === 'overlay' && isWhiteoutDevice(stat));
      if (!isUsable) throw new OciImageError('LAYER_INVALID', `invalid hardlink ${JSON.stringify(header.path)} -> ${JSON.stringify(header.linkPath)}: target is ${stat === undefined ? 'missing' : `a ${stat.type}`}`);
      const folder = this.#tree.folder(parent);
      const existing = statAt(folder, name);
      if (existing?.inode === stat.inode) return;
      this.#create(folder, name, () => {
        linkat(target, nativeName(targetName), folder, nativeName(name));
      });
    } finally {
      closeFd(target);
    }
  }

  /** A hard link to a file of a lower layer: the file comes up first. */
  #copyUp(parent: readonly string[], folder: number, name: string): ReturnType<typeof statAt> {
    if (!this.#hasLowers) return undefined;
    const lower = this.#tree.findLower([...this.#tree.realNames(parent), name]);
    if (lower === undefined) return undefined;
    try {
      if (lower.stat.type === 'directory') return lower.stat;
      this.#tree.keepTimes(folder);
      copyUp(lower, folder, name);
    } finally {
      closeFd(lower.fd);
    }
    return statAt(folder, name);
  }

  /** Makes a node where there may be an old one: that goes first. */
  #create(folder: number, name: string, make: () => void): void {
    try {
      make();
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      this.#tree.remove(folder, name);
      make();
    }
  }

  /** Hides one name of the lower layers; what this layer itself has made there stays. */
  #hide(named: readonly string[], name: string): void {
    if (!this.#hasLowers) return;
    const parent = this.#tree.realNames(named);
    const isBelow = this.#isBelow([...parent, name]);
    this.#tree.hide([...parent, name]);
    this.#remember(parent.join('/'));
    if (this.#form === 'plain') {
      this.#removeLower(parent, name);
      return;
    }
    const folder = this.#tree.folder(parent);
    const stat = statAt(folder, name);
    if (stat !== undefined && isWhiteoutDevice(stat)) return;
    this.#tree.keepTimes(folder);
    if (!this.#made.has([...parent, name].join('/'))) {
      this.#tree.remove(folder, name); // What came up from below for another entry's sake.
      if (isBelow) this.#tree.makeWhiteout(folder, name);
    } else if (stat?.type === 'directory') {
      this.#tree.makeOpaque(folder, name);
      this.#removeCopies([...parent, name], folder, name);
    }
  }

  /** Whether lower layers show a path: overlayfs lists a whiteout that hides nothing. */
  #isBelow(path: readonly string[]): boolean {
    const lower = this.#tree.findLower(path);
    if (lower !== undefined) closeFd(lower.fd);
    return lower !== undefined;
  }

  /** Overlay form: removes what came up from lower layers into a folder that is opaque now. */
  #removeCopies(path: readonly string[], folder: number, name: string): void {
    const fd = openat(folder, nativeName(name), O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
    try {
      for (const child of this.#tree.list(fd)) {
        const childPath = [...path, child];
        if (!this.#made.has(childPath.join('/'))) this.#tree.remove(fd, child);
        else if (statAt(fd, child)?.type === 'directory') this.#removeCopies(childPath, fd, child);
      }
    } finally {
      closeFd(fd);
    }
  }

  /** Hides everything lower layers have in a folder. */
  #hideContent(named: readonly string[]): void {
    if (!this.#hasLowers) return;
    const names = this.#tree.realNames(named);
    this.#remember(names.join('/')); // A marker in a folder says that the folder is there.
    const name = names.at(-1);
    if (this.#form === 'overlay') {
      if (name === undefined) {
        this.#hidesRoot = true;
        this.#tree.hide([]);
        this.#removeCopies([], this.#tree.root, '.');
      } else {
        this.#hideFolder(names, name);
      }
      return;
    }
    const folder = openFolderCopy(this.#tree.folder(names));
    try {
      for (const child of this.#tree.list(folder)) this.#removeLower(names, child);
    } finally {
      closeFd(folder);
    }
  }

  #hideFolder(names: readonly string[], name: string): void {
    this.#tree.folder(names);
    const parent = this.#tree.folder(names.slice(0, -1));
    this.#tree.makeOpaque(parent, name);
    this.#removeCopies(names, parent, name);
    this.#tree.hide(names);
  }

  /** overlayfs always merges the roots of layers: what the root's opaque marker hides is hidden name by name. */
  #hideRoot(): void {
    for (const name of this.#tree.lowers.list([])) {
      if (!this.#made.has(name)) this.#tree.makeWhiteout(this.#tree.root, name);
      else if (statAt(this.#tree.root, name)?.type === 'directory') this.#tree.makeOpaque(this.#tree.root, name);
    }
  }

  /** Plain form: removes what lower layers left, and spares what this layer has made. */
  #removeLower(parent: readonly string[], name: string): void {
    const path = [...parent, name];
    const folder = this.#tree.folder(parent);
    const stat = statAt(folder, name);
    if (stat === undefined) return;
    this.#tree.keepTimes(folder);
    if (!this.#made.has(path.join('/'))) {
      this.#tree.remove(folder, name);
      return;
    }
    if (stat.type !== 'directory') return;
    const children = openat(folder, nativeName(name), O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
    try {
      for (const child of this.#tree.list(children)) this.#removeLower(path, child);
    } finally {
      closeFd(children);
    }
  }

  /** Remembers a path and the folders above it as this layer's. */
  #remember(key: string): void {
    for (let path = key; path !== '' && !this.#made.has(path); path = path.slice(0, Math.max(path.lastIndexOf('/'), 0))) this.#made.add(path);
  }

  #guarded(path: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      throw systemCallError(error, 'cannot unpack', path);
    }
  }
}

/** Attributes of a folder, new or old. Those that an old one had and the entry has not are removed. */
function setFolderAttributes(folder: number, name: string, header: TarHeader, xattrBytesMax: number, isNew: boolean): void {
  const native = nativeName(name);
  fchownat(folder, native, header.uid, header.gid);
  const path = pathAt(folder, name);
  for (const attribute of isNew ? [] : existingAttributes(path)) {
    const isOurs = isOverlayAttribute(attribute) || attribute.startsWith('security.selinux') || attribute.startsWith('system.');
    if (!isOurs && !header.xattrs.has(attribute)) removeXattr(path, attribute);
  }
  setXattrs(header, xattrBytesMax, (attribute, value) => {
    setXattrAt(folder, name, attribute, value);
  });
  fchmodat(folder, native, header.mode);
}

function existingAttributes(path: string | Buffer): string[] {
  try {
    return listXattrs(path);
  } catch (error) {
    if (errnoOf(error) === 'EOPNOTSUPP' || errnoOf(error) === 'ENOTSUP') return [];
    throw error;
  }
}

/** Owner, attributes and times of a node that is no file and no folder; a link itself is meant. */
function setNodeAttributes(folder: number, name: string, header: TarHeader, xattrBytesMax: number): void {
  fchownat(folder, nativeName(name), header.uid, header.gid);
  setXattrs(header, xattrBytesMax, (attribute, value) => {
    setXattrAt(folder, name, attribute, value);
  });
  utimensat(folder, nativeName(name), timesOf(header));
}

/** Overlayfs's own attributes are refused, labels are the host's affair, and what the file system cannot hold is left out, but never a capability. */
function setXattrs(header: TarHeader, bytesMax: number, set: (attribute: string, value: Uint8Array) => void): void {
  let bytes = 0;
  for (const [attribute, value] of header.xattrs) {
    bytes += attribute.length + value.byteLength;
    if (bytes > bytesMax) throw new OciImageError('LAYER_LIMIT', `${JSON.stringify(header.path)} has more than ${bytesMax} bytes of extended attributes`);
    if (isOverlayAttribute(attribute)) throw new OciImageError('LAYER_UNSAFE', `${JSON.stringify(header.path)} has the attribute ${attribute}, which steers overlayfs`);
    if (attribute === 'security.selinux') continue;
    try {
      set(attribute, value);
    } catch (error) {
      const errno = errnoOf(error);
      const isUnsupported = errno === 'EOPNOTSUPP' || errno === 'ENOTSUP' || errno === 'EPERM';
      if (!isUnsupported || attribute === 'security.capability') throw error;
    }
  }
}

function timesOf(header: TarHeader): { readonly atimeNs: bigint; readonly mtimeNs: bigint } {
  return { atimeNs: header.atimeNs ?? header.mtimeNs, mtimeNs: header.mtimeNs };
}

function openFolderCopy(folder: number): number {
  return openat(folder, '.', O.RDONLY | O.DIRECTORY);
}
