/** Network namespaces without a process: they are kept alive by a bind mount. */
import { systemError } from './errors.ts';
import { check, native } from './native.ts';

/**
 * Makes a network namespace and binds it to `path`, which must not exist (its directory must). It lives until `removeNetns`. Only `lo` is in
 * it, down. Takes some milliseconds, off the event loop; on failure nothing is left.
 *
 * @throws LibcontainerError `EPERM` without CAP_SYS_ADMIN, `EEXIST` when the path is taken
 */
export async function createNetns(path: string): Promise<void> {
  const { result, step } = await native().createNetns(path);
  if (result < 0) throw systemError(-result, step, path);
}

const MNT_DETACH = 2;

/** Unbinds a namespace and removes its file; it ends when nobody uses it any more. Does nothing when the path does not exist. */
export function removeNetns(path: string): void {
  const EINVAL = -22;
  const ENOENT = -2;
  const result = native().umount2(path, MNT_DETACH);
  if (result !== EINVAL && result !== ENOENT) check(result, 'umount2', path);
  const AT_FDCWD = -100;
  const unlinked = native().unlinkat(AT_FDCWD, path, 0);
  if (unlinked !== ENOENT) check(unlinked, 'unlink', path);
}

export interface SocketInNetnsOptions {
  /** A namespace file: of `createNetns`, or /proc/PID/ns/net. */
  readonly netnsPath: string;
  /** AF_*: 16 netlink, 2 IPv4, 10 IPv6, 17 packet. */
  readonly family: number;
  /** SOCK_*: 1 stream, 2 datagram, 3 raw, with 0o4000 for non-blocking. Close-on-exec is added. */
  readonly type: number;
  readonly protocol: number;
}

/** Makes a socket inside a network namespace; a socket belongs to the namespace it was made in for ever. The caller closes the descriptor. */
export function socketInNetns({ netnsPath, family, type, protocol }: SocketInNetnsOptions): number {
  return check(native().socketInNetns(netnsPath, family, type, protocol), 'socket', netnsPath);
}
