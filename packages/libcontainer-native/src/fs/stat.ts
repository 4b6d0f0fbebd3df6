import { check, native, type NativePath } from '../native.ts';
import { AT } from './at.ts';

/** What statx(2) says of a file. Times are nanoseconds since the epoch. */
export interface FileStat {
  /** Type and permission bits. */
  readonly mode: number;
  readonly type: FileType;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly inode: bigint;
  /** Of the file system that holds the file. */
  readonly dev: Device;
  /** Of a device file. */
  readonly rdev: Device;
  readonly linkCount: number;
  /** In units of 512 bytes. */
  readonly blockCount: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Id of the mount that holds the file, as in /proc/self/mountinfo (Linux 5.8). */
  readonly mountId: bigint;
  readonly isMountRoot: boolean;
}

export interface Device {
  readonly major: number;
  readonly minor: number;
}

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character' | 'block' | 'unknown';

const TYPES: Readonly<Record<number, FileType>> = {
  0o100000: 'file', 0o040000: 'directory', 0o120000: 'symlink', 0o010000: 'fifo', 0o140000: 'socket', 0o020000: 'character', 0o060000: 'block',
};
const STATX_BASIC_AND_MOUNT_ID = 0x7ff | 0x1000;
const STATX_ATTR_MOUNT_ROOT = 0x2000n;
const STATX_BYTES = 256;

/**
 * State of a file, of a symbolic link itself by default. With an empty path and `AT.EMPTY_PATH` in `flags`: of what `dirfd` has open.
 *
 * @throws LibcontainerError with the errno name as `code`
 */
export function fstatat(dirfd: number, path: NativePath, flags: number = AT.SYMLINK_NOFOLLOW): FileStat {
  const buffer = Buffer.allocUnsafe(STATX_BYTES);
  check(native().statx(dirfd, path, flags, STATX_BASIC_AND_MOUNT_ID, buffer), 'statx', path);
  return decodeStatx(buffer);
}

function decodeStatx(buffer: Buffer): FileStat {
  const mode = buffer.readUInt16LE(28);
  return {
    mode,
    type: TYPES[mode & 0o170000] ?? 'unknown',
    linkCount: buffer.readUInt32LE(16),
    uid: buffer.readUInt32LE(20),
    gid: buffer.readUInt32LE(24),
    inode: buffer.readBigUInt64LE(32),
    size: Number(buffer.readBigUInt64LE(40)),
    blockCount: Number(buffer.readBigUInt64LE(48)),
    atimeNs: timestamp(buffer, 64),
    ctimeNs: timestamp(buffer, 96),
    mtimeNs: timestamp(buffer, 112),
    rdev: { major: buffer.readUInt32LE(128), minor: buffer.readUInt32LE(132) },
    dev: { major: buffer.readUInt32LE(136), minor: buffer.readUInt32LE(140) },
    mountId: buffer.readBigUInt64LE(144),
    isMountRoot: (buffer.readBigUInt64LE(8) & STATX_ATTR_MOUNT_ROOT) !== 0n,
  };
}

function timestamp(buffer: Buffer, offset: number): bigint {
  return buffer.readBigInt64LE(offset) * 1_000_000_000n + BigInt(buffer.readUInt32LE(offset + 8));
}

/** Numbers by which statfs(2) names file systems. */
export const FS_MAGIC = { PROC: 0x9fa0, SYSFS: 0x62656572, TMPFS: 0x01021994, CGROUP: 0x27e0eb, CGROUP2: 0x63677270, OVERLAY: 0x794c7630, NSFS: 0x6e736673, BPF: 0xcafe4a11 } as const;

export interface FileSystemStat {
  /** See FS_MAGIC. */
  readonly type: number;
  readonly blockSize: number;
  readonly blockCount: bigint;
  readonly availableBlockCount: bigint;
  readonly inodeCount: bigint;
  readonly freeInodeCount: bigint;
  /** ST_* flags of the mount: 1 read-only, 2 nosuid, 4 nodev, 8 noexec. */
  readonly flags: number;
}

/** The file system at a path, or that holds an open file. */
export function statFileSystem(subject: NativePath | number): FileSystemStat {
  const buffer = Buffer.alloc(120);
  if (typeof subject === 'number') check(native().fstatfs(subject, buffer), 'fstatfs');
  else check(native().statfs(subject, buffer), 'statfs', subject);
  return {
    type: Number(buffer.readBigUInt64LE(0) & 0xffffffffn),
    blockSize: Number(buffer.readBigUInt64LE(8)),
    blockCount: buffer.readBigUInt64LE(16),
    availableBlockCount: buffer.readBigUInt64LE(32),
    inodeCount: buffer.readBigUInt64LE(40),
    freeInodeCount: buffer.readBigUInt64LE(48),
    flags: Number(buffer.readBigUInt64LE(80)),
  };
}
