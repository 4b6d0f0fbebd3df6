import {
  AT, closeFd, fchmodat, fchownat, type FileStat, fstatat, getXattr, isLibcontainerError, linkat, listXattrs, mkdirat, mknodat, O, openat, openat2, readlinkat, removeXattr, RESOLVE, setXattr, symlinkat,
  syncfs, unlinkat, utimensat,
} from '@dray/libcontainer';
import { OciImageError } from '../errors.ts';
import { decodeName, encodeName } from '../tar/index.ts';

export { AT, closeFd, fchmodat, fchownat, type FileStat, linkat, listXattrs, mkdirat, mknodat, O, openat, removeXattr, symlinkat, syncfs, unlinkat, utimensat };

/** What the native calls take as a name: bytes when the name is not UTF-8. */
export function nativeName(name: string): string | Buffer {
  return name.isWellFormed() ? name : encodeName(name);
}

/** The path of `name` in the folder that `dirfd` has open, for calls that take no descriptor. */
export function pathAt(dirfd: number, name: string): string | Buffer {
  const folder = `/proc/self/fd/${dirfd}/`;
  return name.isWellFormed() ? folder + name : Buffer.concat([Buffer.from(folder), encodeName(name)]);
}

/** State of `name`, not following a link; nothing when it does not exist. */
export function statAt(dirfd: number, name: string): FileStat | undefined {
  return ifExists(() => fstatat(dirfd, nativeName(name)));
}

/** State of what a descriptor has open. */
export function statFd(fd: number): FileStat {
  return fstatat(fd, '', AT.EMPTY_PATH);
}

/** Target of a symlink. */
export function readLinkAt(dirfd: number, name: string): string {
  return decodeName(readlinkat(dirfd, nativeName(name)));
}

/** Opens an existing folder below `root` with links resolved inside it; nothing when it does not exist or is none. */
export function openFolderInRoot(root: number, path: string): number | undefined {
  return ifExists(() => openat2(root, nativeName(path === '' ? '.' : path), { flags: O.PATH | O.DIRECTORY, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS }));
}

/** Opens a path below `root` without following any link; a link at its end is opened itself. */
export function openNodeBelow(root: number, path: string): number | undefined {
  return ifExists(() => openat2(root, nativeName(path === '' ? '.' : path), { flags: O.PATH | O.NOFOLLOW, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_SYMLINKS }));
}

/** Opens a folder by a plain path: the root of a tree. */
export function openRoot(path: string): number {
  return openat(AT_CWD, path, O.PATH | O.DIRECTORY);
}

/** The value of an attribute of the node that an O_PATH descriptor has open. */
export function xattrOfNode(fd: number, name: string): Buffer | undefined {
  return tolerant(() => getXattr(`/proc/self/fd/${fd}`, name, { follow: true }));
}

/** The attributes of a node that an O_PATH descriptor has open. */
export function xattrsOfNode(fd: number): Map<string, Uint8Array> {
  const path = `/proc/self/fd/${fd}`;
  const values = new Map<string, Uint8Array>();
  for (const name of tolerant(() => listXattrs(path, { follow: true })) ?? []) {
    const value = getXattr(path, name, { follow: true });
    if (value !== undefined) values.set(name, value);
  }
  return values;
}

/** Sets an attribute of an existing node in a folder, of a link itself. */
export function setXattrAt(dirfd: number, name: string, attribute: string, value: Uint8Array): void {
  setXattr(pathAt(dirfd, name), nativeName(attribute), value);
}

/** Sets an attribute of an open file. */
export function setXattrFd(fd: number, attribute: string, value: Uint8Array): void {
  setXattr(fd, nativeName(attribute), value);
}

/** The errno name of a failed native or Node call, such as `EEXIST`. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A failed system call as this package's error; other errors as they are. `path` is the archive's or image's, not the host's. */
export function systemCallError(error: unknown, what: string, path: string): unknown {
  if (!(error instanceof Error) || error.name === 'OciImageError' || !('syscall' in error)) return error;
  const details: Error & { readonly errno?: unknown; readonly syscall?: unknown } = error;
  if (isLibcontainerError(error) && error.code === 'NATIVE_UNAVAILABLE') return new OciImageError('NATIVE_UNAVAILABLE', error.message, { cause: error });
  const code = errnoOf(error) ?? 'errno';
  return new OciImageError('LAYER_SYSCALL', `${what} ${JSON.stringify(path.slice(0, MESSAGE_PATH_LENGTH_MAX))}: ${isLibcontainerError(error) ? error.message.replace(/^(\w+) ".*?": /, '$1: ') : code}`, {
    cause: error, path: path.slice(0, MESSAGE_PATH_LENGTH_MAX),
    kind: KIND_OF_ERRNO[code] ?? 'internal',
    ...(typeof details.errno === 'number' ? { errno: Math.abs(details.errno) } : {}),
    ...(typeof details.syscall === 'string' ? { syscall: details.syscall } : {}),
  });
}

const AT_CWD = -100;
/** Longest part of a hostile path that goes into an error. */
const MESSAGE_PATH_LENGTH_MAX = 256;
const KIND_OF_ERRNO: Readonly<Record<string, 'resource_exhausted' | 'permission_denied' | 'invalid_argument' | 'failed_precondition'>> = {
  ENOSPC: 'resource_exhausted', EDQUOT: 'resource_exhausted', EMFILE: 'resource_exhausted', ENFILE: 'resource_exhausted', ENOMEM: 'resource_exhausted', EFBIG: 'resource_exhausted',
  EPERM: 'permission_denied', EACCES: 'permission_denied', EROFS: 'failed_precondition',
  ENAMETOOLONG: 'invalid_argument', ELOOP: 'invalid_argument', EINVAL: 'invalid_argument', ENOTDIR: 'invalid_argument',
};

function ifExists<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ELOOP') return undefined;
    throw error;
  }
}

function tolerant<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (errnoOf(error) === 'ENOTSUP' || errnoOf(error) === 'EOPNOTSUPP') return undefined;
    throw error;
  }
}
