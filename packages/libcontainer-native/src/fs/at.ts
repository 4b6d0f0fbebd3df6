/**
 * Directory-relative file system calls: a directory is a descriptor and a name is resolved from it, so that nothing which somebody does to
 * the path above can lead elsewhere. All are synchronous and thin; use them in a worker thread where many are made. Every function throws
 * LibcontainerError with the errno name as `code` and the system call's name as `syscall`.
 */
import { check, native, type NativePath } from '../native.ts';

export type { NativePath } from '../native.ts';

/** The calling process's working directory as `dirfd`. */
export const AT_FDCWD = -100;

/** Flags of the *at calls. */
export const AT = { SYMLINK_NOFOLLOW: 0x100, REMOVEDIR: 0x200, SYMLINK_FOLLOW: 0x400, NO_AUTOMOUNT: 0x800, EMPTY_PATH: 0x1000, RECURSIVE: 0x8000 } as const;

/** Flags of open, with the values of this processor. O_CLOEXEC is always added. */
export const O: Readonly<Record<'RDONLY' | 'WRONLY' | 'RDWR' | 'CREAT' | 'EXCL' | 'NOCTTY' | 'TRUNC' | 'APPEND' | 'NONBLOCK' | 'PATH' | 'CLOEXEC' | 'DIRECTORY' | 'NOFOLLOW', number>> = {
  RDONLY: 0, WRONLY: 1, RDWR: 2, CREAT: 0o100, EXCL: 0o200, NOCTTY: 0o400, TRUNC: 0o1000, APPEND: 0o2000, NONBLOCK: 0o4000, PATH: 0o10000000, CLOEXEC: 0o2000000,
  DIRECTORY: process.arch === 'arm64' ? 0o40000 : 0o200000, NOFOLLOW: process.arch === 'arm64' ? 0o100000 : 0o400000,
};

/** How openat2 may resolve a path. */
export const RESOLVE = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 16 } as const;

/** Flags of renameat2. */
export const RENAME = { NOREPLACE: 1, EXCHANGE: 2, WHITEOUT: 4 } as const;

/** Opens a path from a directory. Returns a descriptor that the caller closes with `closeFd`. */
export function openat(dirfd: number, path: NativePath, flags: number, mode = 0): number {
  return check(native().openat(dirfd, path, flags | O.CLOEXEC, mode), 'openat', path);
}

export interface Openat2Options {
  readonly flags: number;
  readonly mode?: number;
  /** RESOLVE.* */
  readonly resolve: number;
}

/**
 * Opens a path under restrictions: with `RESOLVE.IN_ROOT` the directory is the root of everything (absolute links and ".." included), so no
 * symbolic link leads out of it, however it is exchanged meanwhile. The kernel answers EAGAIN when a rename elsewhere made that impossible
 * to say; this tries again a bounded number of times.
 *
 * @returns a descriptor that the caller closes with `closeFd`
 */
export function openat2(dirfd: number, path: NativePath, { flags, mode = 0, resolve }: Openat2Options): number {
  const how = Buffer.alloc(24);
  how.writeUInt32LE(flags | O.CLOEXEC, 0);
  how.writeUInt32LE(mode, 8);
  how.writeUInt32LE(resolve, 16);
  let result = -1;
  for (let attempt = 0; attempt < OPENAT2_ATTEMPTS; attempt++) {
    result = native().openat2(dirfd, path, how);
    if (result !== -EAGAIN) break;
  }
  return check(result, 'openat2', path);
}

const OPENAT2_ATTEMPTS = 128;
const EAGAIN = 11;

export function closeFd(fd: number): void {
  check(native().close(fd), 'close');
}

/** @param mode is subject to the process's umask */
export function mkdirat(dirfd: number, path: NativePath, mode: number): void {
  check(native().mkdirat(dirfd, path, mode), 'mkdirat', path);
}

/** Makes a device, FIFO, socket or file: the type is in `mode` (S_IFCHR 0o020000, S_IFBLK 0o060000, S_IFIFO 0o010000). */
export function mknodat(dirfd: number, path: NativePath, mode: number, device: { readonly major: number; readonly minor: number } = { major: 0, minor: 0 }): void {
  check(native().mknodat(dirfd, path, mode, encodeDevice(device)), 'mknodat', path);
}

/** The kernel's 32-bit form of a device number. */
function encodeDevice({ major, minor }: { readonly major: number; readonly minor: number }): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** Makes a FIFO in the file system, at an ordinary path. */
export function mkfifo(path: string, mode: number): void {
  mknodat(AT_FDCWD, path, S_IFIFO | mode);
}

const S_IFIFO = 0o010000;

export function symlinkat(target: NativePath, dirfd: number, path: NativePath): void {
  check(native().symlinkat(target, dirfd, path), 'symlinkat', path);
}

/** Makes a hard link; a symbolic link at `from` is linked itself, not what it points to, unless `flags` has AT.SYMLINK_FOLLOW. */
export function linkat(fromFd: number, from: NativePath, toFd: number, to: NativePath, flags = 0): void {
  check(native().linkat(fromFd, from, toFd, to, flags), 'linkat', to);
}

/** @param flags RENAME.* */
export function renameat2(fromFd: number, from: NativePath, toFd: number, to: NativePath, flags = 0): void {
  check(native().renameat2(fromFd, from, toFd, to, flags), 'renameat2', to);
}

/** @param flags AT.REMOVEDIR removes an empty directory */
export function unlinkat(dirfd: number, path: NativePath, flags = 0): void {
  check(native().unlinkat(dirfd, path, flags), 'unlinkat', path);
}

/** Changes the owner, of a symbolic link itself by default. Clears the set-id bits and file capabilities, as the kernel does. */
export function fchownat(dirfd: number, path: NativePath, uid: number, gid: number, flags: number = AT.SYMLINK_NOFOLLOW): void {
  check(native().fchownat(dirfd, path, uid, gid, flags), 'fchownat', path);
}

/** Changes the mode; follows a symbolic link, so make sure that there is none, or use `fchmod` on a descriptor. */
export function fchmodat(dirfd: number, path: NativePath, mode: number): void {
  check(native().fchmodat(dirfd, path, mode), 'fchmodat', path);
}

export function fchmod(fd: number, mode: number): void {
  check(native().fchmod(fd, mode), 'fchmod');
}

/** Nanoseconds since the epoch; may be negative. */
export interface FileTimes {
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
}

/** Sets access and modification time, of a symbolic link itself by default. */
export function utimensat(dirfd: number, path: NativePath, { atimeNs, mtimeNs }: FileTimes, flags: number = AT.SYMLINK_NOFOLLOW): void {
  const times = Buffer.alloc(32);
  writeTimespec(times, 0, atimeNs);
  writeTimespec(times, 16, mtimeNs);
  check(native().utimensat(dirfd, path, times, flags), 'utimensat', path);
}

const NANOSECONDS = 1_000_000_000n;

function writeTimespec(buffer: Buffer, offset: number, ns: bigint): void {
  const remainder = ((ns % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
  buffer.writeBigInt64LE((ns - remainder) / NANOSECONDS, offset);
  buffer.writeBigInt64LE(remainder, offset + 8);
}

const READLINK_BYTES_MAX = 4096;

/** What a symbolic link says, as bytes: it need not be UTF-8. With an empty path: the link that an O_PATH descriptor has opened. */
export function readlinkat(dirfd: number, path: NativePath): Buffer {
  const buffer = Buffer.allocUnsafe(READLINK_BYTES_MAX);
  return Buffer.from(buffer.subarray(0, check(native().readlinkat(dirfd, path, buffer), 'readlinkat', path)));
}

/**
 * Copies up to `size` bytes between two files inside the kernel, from and to their current positions.
 *
 * @returns how many were copied; 0 at the end of the source
 */
export function copyFileRange(fromFd: number, toFd: number, size: number): number {
  return check(native().copyFileRange(fromFd, null, toFd, null, size), 'copy_file_range');
}

/** flock(2): 1 shared, 2 exclusive, 8 unlock, each with 4 for "do not wait" (EAGAIN). */
export function flock(fd: number, operation: number): void {
  check(native().flock(fd, operation), 'flock');
}

/** Writes everything of the file system that holds `fd` to disk. */
export function syncfs(fd: number): void {
  check(native().syncfs(fd), 'syncfs');
}
