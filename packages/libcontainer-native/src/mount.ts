import { check, native, type NativePath } from './native.ts';

/** MS_* flags of mount(2). */
export const MS = {
  RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, SYNCHRONOUS: 16, REMOUNT: 32, MANDLOCK: 64, DIRSYNC: 128, NOSYMFOLLOW: 256, NOATIME: 1024, NODIRATIME: 2048,
  BIND: 4096, MOVE: 8192, REC: 16384, SILENT: 32768, UNBINDABLE: 0x20000, PRIVATE: 0x40000, SLAVE: 0x80000, SHARED: 0x100000, RELATIME: 0x200000, STRICTATIME: 0x1000000, LAZYTIME: 0x2000000,
} as const;

/** MOUNT_ATTR_* of mount_setattr(2). The atime values are one field: set one of them and clear `ATIME_MASK`. */
export const MOUNT_ATTR = {
  RDONLY: 0x1, NOSUID: 0x2, NODEV: 0x4, NOEXEC: 0x8, RELATIME: 0, NOATIME: 0x10, STRICTATIME: 0x20, ATIME_MASK: 0x70, NODIRATIME: 0x80, IDMAP: 0x100000, NOSYMFOLLOW: 0x200000,
} as const;

/** Flags of umount2(2). */
export const MNT = { FORCE: 1, DETACH: 2, EXPIRE: 4, NOFOLLOW: 8 } as const;

export interface MountRequest {
  readonly source?: string;
  readonly target: NativePath;
  readonly fstype?: string;
  /** MS.* */
  readonly flags?: number;
  /** Options of the file system, at most 4095 bytes. */
  readonly data?: string;
}

/** mount(2) in the calling process's mount namespace. */
export function mount({ source, target, fstype, flags = 0, data }: MountRequest): void {
  check(native().mount(source ?? null, target, fstype ?? null, flags, data ?? null), 'mount', target);
}

/** umount2(2). */
export function unmount(target: NativePath, flags = 0): void {
  check(native().umount2(target, flags), 'umount2', target);
}

export interface MountAttributes {
  /** MOUNT_ATTR.* */
  readonly set?: number;
  readonly clear?: number;
  /** One of MS.SHARED, SLAVE, PRIVATE, UNBINDABLE. */
  readonly propagation?: number;
  /** Of the whole tree. */
  readonly recursive?: boolean;
  /** A user namespace for MOUNT_ATTR.IDMAP. */
  readonly userNamespaceFd?: number;
}

const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;

/** mount_setattr(2) (Linux 5.12) on a path, or on an open mount. */
export function setMountAttributes(subject: NativePath | number, { set = 0, clear = 0, propagation = 0, recursive = false, userNamespaceFd = 0 }: MountAttributes): void {
  const attributes = Buffer.alloc(32);
  [set, clear, propagation, userNamespaceFd].forEach((value, index) => attributes.writeBigUInt64LE(BigInt(value), index * 8));
  const [fd, path, flags] = typeof subject === 'number' ? [subject, '', AT_EMPTY_PATH] : [-100, subject, 0];
  check(native().mountSetattr(fd, path, flags | (recursive ? AT_RECURSIVE : 0), attributes), 'mount_setattr', path);
}

const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOVE_MOUNT_EMPTY_PATHS = 0x4 | 0x40;

/** A detached copy of the mount at a path, as a descriptor that the caller closes; it vanishes then unless it was attached. */
export function cloneMount(path: NativePath, { recursive = false }: { readonly recursive?: boolean } = {}): number {
  return check(native().openTree(-100, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0)), 'open_tree', path);
}

/** Attaches a detached mount onto an open directory or file. */
export function attachMount(mountFd: number, targetFd: number): void {
  check(native().moveMount(mountFd, '', targetFd, '', MOVE_MOUNT_EMPTY_PATHS), 'move_mount');
}
