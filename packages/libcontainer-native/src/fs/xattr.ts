/**
 * Extended attributes. A subject is an open file's descriptor or a path; a path that ends in a symbolic link means the link itself. What only
 * O_PATH can open (a symbolic link, a device) is reached race-free by `descriptorPath(fd)` with `follow`.
 */
import { systemError } from '../errors.ts';
import { check, native, type NativePath } from '../native.ts';

/** The most that the kernel stores in one attribute, or lists of one file. */
const XATTR_BYTES_MAX = 65536;
const ENODATA = 61;
const FIRST_GUESS = 256;
const ERANGE = 34;

export interface XattrOptions {
  /** Follow a symbolic link at the end of the path. Default false. */
  readonly follow?: boolean;
}

/** The path by which the calling process reaches what a descriptor has open, O_PATH descriptors included. */
export function descriptorPath(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** The value of an attribute, or undefined if the file has not got it. */
export function getXattr(subject: number | NativePath, name: NativePath, { follow = false }: XattrOptions = {}): Buffer | undefined {
  const addon = native();
  const read = (buffer: Buffer): number =>
    typeof subject === 'number' ? addon.fgetxattr(subject, name, buffer) : follow ? addon.getxattr(subject, name, buffer) : addon.lgetxattr(subject, name, buffer);
  return readGrowing(read, 'getxattr', subject);
}

/** The names of a file's attributes. */
export function listXattrs(subject: number | NativePath, { follow = false }: XattrOptions = {}): string[] {
  const addon = native();
  const read = (buffer: Buffer): number => (typeof subject === 'number' ? addon.flistxattr(subject, buffer) : follow ? addon.listxattr(subject, buffer) : addon.llistxattr(subject, buffer));
  const list = readGrowing(read, 'listxattr', subject)?.toString('utf8') ?? '';
  return list === '' ? [] : list.slice(0, -1).split('\0');
}

/** Sets an attribute, whether it exists or not. */
export function setXattr(subject: number | NativePath, name: NativePath, value: Uint8Array, { follow = false }: XattrOptions = {}): void {
  const addon = native();
  if (typeof subject === 'number') check(addon.fsetxattr(subject, name, value, 0), 'fsetxattr');
  else check(follow ? addon.setxattr(subject, name, value, 0) : addon.lsetxattr(subject, name, value, 0), 'setxattr', subject);
}

/** Removes an attribute; `not_found` `ENODATA` if there is none. */
export function removeXattr(subject: number | NativePath, name: NativePath, { follow = false }: XattrOptions = {}): void {
  const addon = native();
  if (typeof subject === 'number') check(addon.fremovexattr(subject, name), 'fremovexattr');
  else check(follow ? addon.removexattr(subject, name) : addon.lremovexattr(subject, name), 'removexattr', subject);
}

/** Most values are small: one call, and a second with the largest buffer. */
function readGrowing(read: (buffer: Buffer) => number, syscall: string, subject: number | NativePath): Buffer | undefined {
  let buffer = Buffer.allocUnsafe(FIRST_GUESS);
  let size = read(buffer);
  if (size === -ERANGE) {
    buffer = Buffer.allocUnsafe(XATTR_BYTES_MAX);
    size = read(buffer);
  }
  if (size === -ENODATA) return undefined;
  if (size < 0) throw systemError(-size, syscall, typeof subject === 'number' ? undefined : Buffer.from(subject).toString());
  return Buffer.from(buffer.subarray(0, size));
}
