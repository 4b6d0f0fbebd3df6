import { readdirSync, readSync } from 'node:fs';
import { OciImageError } from '../errors.ts';
import { decodeName, encodeName, encodeTarEnd, encodeTarHeader, type TarEntryOptions, type TarEntryType, tarPadding } from '../tar/index.ts';
import { OPAQUE_MARKER, WHITEOUT_PREFIX } from './entry-path.ts';
import { isOpaqueFolder, isWhiteoutDevice } from './lower-layers.ts';
import { closeFd, type FileStat, nativeName, O, openat, openFolderInRoot, openRoot, readLinkAt, statAt, statFd, systemCallError, xattrOfNode, xattrsOfNode } from './native-calls.ts';
import { isOverlayAttribute, type LayerForm } from './target-tree.ts';

/** Options of reading a tree as a tar. */
export interface PackTreeOptions {
  /** The tree's root. Links are resolved inside it. */
  readonly root: string;
  /** The part wanted, as a path in the tree. Default: all of it. Its last name is not followed when it is a link. */
  readonly path?: string;
  /** The name under which the part stands in the archive; its children are below it. Default: the path's last name, or nothing for the whole tree. */
  readonly name?: string;
  /** In `overlay` form whiteout devices and opaque folders become whiteout entries. Default `plain`. */
  readonly form?: LayerForm;
  /** Which extended attributes are written: docker writes `security.capability` alone. */
  readonly xattrs?: 'capability' | 'all';
  /** No time later than this is written (SOURCE_DATE_EPOCH), nanoseconds. */
  readonly timeMaxNs?: bigint;
  /** Whether the whole tree's root gets an entry of its own, `./`. Default false. */
  readonly includeRoot?: boolean;
  readonly signal?: AbortSignal;
}

const READ_BYTES = 256 * 1024;
const CAPABILITY = 'security.capability';
const TYPE_OF_STAT: Readonly<Record<string, TarEntryType>> = { file: 'file', directory: 'directory', symlink: 'symlink', character: 'character', block: 'block', fifo: 'fifo' };

/** A folder being walked. */
interface Frame {
  readonly fd: number;
  readonly path: string;
  readonly names: string[];
}

/**
 * Reads a tree as a tar: sorted by name, hard links kept, sockets left out, no user and group names; the same tree gives the same bytes. Works with synchronous
 * calls between chunks.
 * @throws OciImageError `LAYER_SYSCALL`, `LAYER_INVALID`, `NATIVE_UNAVAILABLE`
 */
export function* readTreeAsTar(options: PackTreeOptions): Generator<Uint8Array, void, void> {
  const reader = new TreeReader(options);
  try {
    yield* reader.read();
  } catch (error) {
    throw systemCallError(error, 'cannot pack', options.path ?? options.root);
  } finally {
    reader[Symbol.dispose]();
  }
}

class TreeReader implements Disposable {
  readonly #options: PackTreeOptions;
  readonly #links = new Map<string, string>();
  readonly #frames: Frame[] = [];
  readonly #descriptors = new Set<number>();

  constructor(options: PackTreeOptions) {
    this.#options = options;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#descriptors) closeFd(fd);
    this.#descriptors.clear();
  }

  *read(): Generator<Uint8Array, void, void> {
    yield* this.#start();
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      this.#options.signal?.throwIfAborted();
      const name = frame.names.pop();
      if (name === undefined) {
        this.#frames.pop();
        this.#close(frame.fd);
      } else {
        yield* this.#node(frame.fd, name, frame.path === '' ? name : `${frame.path}/${name}`);
      }
    }
    yield encodeTarEnd();
  }

  *#start(): Generator<Uint8Array, void, void> {
    const root = this.#own(openRoot(this.#options.root));
    const names = (this.#options.path ?? '').split('/').filter((name) => name !== '' && name !== '.');
    const last = names.at(-1);
    if (last === undefined || last === '..') {
      const folder = last === undefined ? root : this.#own(found(openFolderInRoot(root, names.join('/')), names));
      yield* this.#whole(folder);
      return;
    }
    const parent = this.#own(found(openFolderInRoot(root, names.slice(0, -1).join('/')), names));
    yield* this.#node(parent, last, this.#options.name ?? last);
  }

  *#whole(root: number): Generator<Uint8Array, void, void> {
    const name = this.#options.name ?? '';
    const fd = this.#own(openat(root, '.', O.RDONLY | O.DIRECTORY));
    if (name !== '' || this.#options.includeRoot === true) {
      yield encodeTarHeader({ ...this.#entry(statFd(fd), fd), type: 'directory', path: name === '' ? './' : `${name}/` });
    }
    this.#frames.push({ fd, path: name, names: sortedNames(fd) });
  }

  *#node(folder: number, name: string, path: string): Generator<Uint8Array, void, void> {
    const stat = statAt(folder, name);
    if (stat === undefined && this.#frames.length === 0) throw new OciImageError('LAYER_INVALID', `${JSON.stringify(path)} does not exist`, { kind: 'not_found' });
    const type = stat === undefined ? undefined : TYPE_OF_STAT[stat.type];
    if (stat === undefined || type === undefined) return; // Gone meanwhile, or a socket.
    if (this.#options.form === 'overlay' && isWhiteoutDevice(stat)) {
      yield this.#whiteout(path, stat);
      return;
    }
    const first = this.#linked(stat, path);
    if (first !== undefined) {
      yield encodeTarHeader({ ...this.#plainEntry(stat), type: 'hardlink', path, linkPath: first });
      return;
    }
    switch (type) {
      case 'directory': yield* this.#folder(folder, name, path); break;
      case 'file': yield* this.#file(folder, name, path); break;
      default: yield this.#special(folder, name, path, stat, type);
    }
  }

  *#folder(parent: number, name: string, path: string): Generator<Uint8Array, void, void> {
    const fd = this.#own(openat(parent, nativeName(name), O.RDONLY | O.DIRECTORY | O.NOFOLLOW));
    const stat = statFd(fd);
    yield encodeTarHeader({ ...this.#entry(stat, fd), type: 'directory', path: `${path}/` });
    if (this.#options.form === 'overlay' && isOpaqueFolder(fd)) yield encodeTarHeader({ type: 'file', path: `${path}/${OPAQUE_MARKER}`, mode: 0, mtimeNs: this.#time(stat.mtimeNs) });
    this.#frames.push({ fd, path, names: sortedNames(fd) });
  }

  *#file(folder: number, name: string, path: string): Generator<Uint8Array, void, void> {
    const fd = this.#own(openat(folder, nativeName(name), O.RDONLY | O.NOFOLLOW | O.NONBLOCK));
    try {
      const stat = statFd(fd);
      if (stat.type !== 'file') throw new OciImageError('LAYER_INVALID', `${JSON.stringify(path)} changed while it was read`, { kind: 'aborted' });
      yield encodeTarHeader({ ...this.#entry(stat, fd), type: 'file', path, size: stat.size });
      yield* readExactly(fd, stat.size);
      if (stat.size % 512 !== 0) yield tarPadding(stat.size);
    } finally {
      this.#close(fd);
    }
  }

  #special(folder: number, name: string, path: string, stat: FileStat, type: TarEntryType): Uint8Array {
    const entry: TarEntryOptions = { ...this.#plainEntry(stat), type, path };
    if (type === 'symlink') return encodeTarHeader({ ...entry, linkPath: readLinkAt(folder, name) });
    if (type === 'fifo') return encodeTarHeader(entry);
    return encodeTarHeader({ ...entry, deviceMajor: stat.rdev.major, deviceMinor: stat.rdev.minor });
  }

  #whiteout(path: string, stat: FileStat): Uint8Array {
    const slash = path.lastIndexOf('/') + 1;
    return encodeTarHeader({ type: 'file', path: `${path.slice(0, slash)}${WHITEOUT_PREFIX}${path.slice(slash)}`, mode: 0, mtimeNs: this.#time(stat.mtimeNs) });
  }

  /** The first path of a file with several links. */
  #linked(stat: FileStat, path: string): string | undefined {
    if (stat.type === 'directory' || stat.linkCount < 2) return undefined;
    const key = `${stat.dev.major}:${stat.dev.minor}:${stat.inode}`;
    const first = this.#links.get(key);
    if (first === undefined) this.#links.set(key, path);
    return first;
  }

  #plainEntry(stat: FileStat): Omit<TarEntryOptions, 'type' | 'path'> {
    return { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtimeNs: this.#time(stat.mtimeNs) };
  }

  #entry(stat: FileStat, fd: number): Omit<TarEntryOptions, 'type' | 'path'> {
    return { ...this.#plainEntry(stat), xattrs: this.#xattrs(fd) };
  }

  #xattrs(fd: number): ReadonlyMap<string, Uint8Array> {
    if (this.#options.xattrs !== 'all') {
      const capability = xattrOfNode(fd, CAPABILITY);
      return capability === undefined ? new Map() : new Map([[CAPABILITY, capability]]);
    }
    const all = xattrsOfNode(fd);
    for (const name of all.keys()) if (isOverlayAttribute(name) || name.startsWith('system.') || name === 'security.selinux') all.delete(name);
    return all;
  }

  #time(mtimeNs: bigint): bigint {
    const max = this.#options.timeMaxNs;
    return max !== undefined && mtimeNs > max ? max : mtimeNs;
  }

  #own(fd: number): number {
    this.#descriptors.add(fd);
    return fd;
  }

  #close(fd: number): void {
    this.#descriptors.delete(fd);
    closeFd(fd);
  }
}

/** Names in reverse order, so that the next one can be popped. */
function sortedNames(fd: number): string[] {
  const names = readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).map(decodeName);
  return names.map((name) => ({ name, bytes: encodeName(name) })).sort((a, b) => Buffer.compare(b.bytes, a.bytes)).map(({ name }) => name);
}

/** A file that shrinks while it is read is filled up with zeros, one that grows is cut: the header has told the size already. */
function* readExactly(fd: number, size: number): Generator<Uint8Array, void, void> {
  for (let offset = 0; offset < size;) {
    const buffer = Buffer.allocUnsafeSlow(Math.min(READ_BYTES, size - offset));
    const count = readSync(fd, buffer, 0, buffer.byteLength, offset);
    offset += count === 0 ? buffer.byteLength : count;
    yield count === 0 ? buffer.fill(0) : buffer.subarray(0, count);
  }
}

function found(fd: number | undefined, names: readonly string[]): number {
  if (fd === undefined) throw new OciImageError('LAYER_INVALID', `${JSON.stringify(names.join('/'))} does not exist`, { kind: 'not_found' });
  return fd;
}
