/** Descriptors that Node has no calls for. All are close-on-exec and the caller's to close with `closeFd`. */
import { LibcontainerError, systemError } from '../errors.ts';
import { check, native } from '../native.ts';
import { closeFd } from '../fs/at.ts';
import { WATCH, whenReady } from './watch.ts';

export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, SEQPACKET: 5, NONBLOCK: 0o4000, CLOEXEC: 0o2000000 } as const;
const AF_UNIX = 1;
const O_CLOEXEC = 0o2000000;
const PAIR_BYTES = 8;

/** Reads and throws away nothing: two descriptors that a call has stored. */
function readPair(buffer: Buffer): [number, number] {
  return [buffer.readInt32LE(0), buffer.readInt32LE(4)];
}

/** A pair of connected unix sockets. @param type SOCK.STREAM, DGRAM or SEQPACKET, with SOCK.NONBLOCK for both ends */
export function socketpair(type: number): [number, number] {
  const fds = Buffer.alloc(PAIR_BYTES);
  check(native().socketpair(AF_UNIX, type | SOCK.CLOEXEC, 0, fds), 'socketpair');
  return readPair(fds);
}

/** A pipe: [read end, write end]. @param flags O_NONBLOCK, O_DIRECT */
export function pipe(flags = 0): [number, number] {
  const fds = Buffer.alloc(PAIR_BYTES);
  check(native().pipe2(fds, flags | O_CLOEXEC), 'pipe2');
  return readPair(fds);
}

/** F_SETPIPE_SZ. @returns the size that the kernel has chosen, in bytes */
export function setPipeSize(fd: number, sizeBytes: number): number {
  return check(native().setPipeSize(fd, sizeBytes), 'fcntl');
}

/** A duplicate, the lowest free number from `fdMin` on. */
export function duplicateFd(fd: number, fdMin = 3): number {
  return check(native().dupCloexec(fd, fdMin), 'fcntl');
}

/** Makes a descriptor (its open file description, which others may share) non-blocking or blocking. */
export function setNonBlocking(fd: number, isNonBlocking: boolean): void {
  const flags = check(native().getStatusFlags(fd), 'fcntl');
  check(native().setStatusFlags(fd, isNonBlocking ? flags | SOCK.NONBLOCK : flags & ~SOCK.NONBLOCK), 'fcntl');
}

/** Whether a descriptor is kept across exec. */
export function setCloseOnExec(fd: number, isCloseOnExec: boolean): void {
  check(native().setDescriptorFlags(fd, isCloseOnExec ? 1 : 0), 'fcntl');
}

const MFD = { CLOEXEC: 1, ALLOW_SEALING: 2, EXEC: 0x10 } as const;
const SEAL_ALL = 0x1 | 0x2 | 0x4 | 0x8;
const EINVAL = 22;

export interface MemfdOptions {
  /** May be executed; an older kernel (before 6.3) lets every memfd. Default false. */
  readonly executable?: boolean;
}

/** An empty anonymous file that can be sealed. */
export function memfdCreate(name: string, { executable = false }: MemfdOptions = {}): number {
  const flags = MFD.CLOEXEC | MFD.ALLOW_SEALING;
  const fd = native().memfdCreate(name, executable ? flags | MFD.EXEC : flags);
  return check(fd === -EINVAL && executable ? native().memfdCreate(name, flags) : fd, 'memfd_create');
}

/** Makes a memfd unchangeable for ever: no write, growth, shrinking or further seal. Fails with EBUSY while it is mapped writable. */
export function sealMemfd(fd: number): void {
  check(native().addSeals(fd, SEAL_ALL), 'fcntl');
}

/** Sends bytes and descriptors over a unix socket; at least one byte. @returns the number of bytes sent */
export function sendFds(fd: number, bytes: Uint8Array, fds: readonly number[]): number {
  return check(native().sendFds(fd, bytes, fds), 'sendmsg');
}

/** Receives at most `sizeMax` bytes and the descriptors that come with them, without waiting beyond what the socket's mode says. */
export function recvFds(fd: number, sizeMax = 4096): { readonly bytes: Buffer; readonly fds: number[] } {
  const buffer = Buffer.allocUnsafe(sizeMax);
  const fds: number[] = [];
  const size = check(native().recvFds(fd, buffer, fds, 0), 'recvmsg');
  return { bytes: Buffer.from(buffer.subarray(0, size)), fds };
}

const UNIX_PATH_BYTES_MAX = 107;

function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length > UNIX_PATH_BYTES_MAX) throw systemError(36, 'bind', path);
  const address = Buffer.alloc(2 + bytes.length + 1);
  address.writeUInt16LE(AF_UNIX, 0);
  bytes.copy(address, 2);
  return address;
}

/** A non-blocking listening unix stream socket at a path that must not exist: for receiving descriptors, which Node's net drops. */
export function unixListen(path: string, { backlog = 16 }: { readonly backlog?: number } = {}): number {
  const fd = check(native().socket(AF_UNIX, SOCK.STREAM | SOCK.NONBLOCK | SOCK.CLOEXEC, 0), 'socket');
  try {
    check(native().bind(fd, unixAddress(path)), 'bind', path);
    check(native().listen(fd, backlog), 'listen', path);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** A blocking unix stream socket connected to a path. */
export function unixConnect(path: string): number {
  const fd = check(native().socket(AF_UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0), 'socket');
  try {
    check(native().connect(fd, unixAddress(path)), 'connect', path);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Waits for a connection on a listening socket. @returns a non-blocking socket */
export async function acceptConnection(listenFd: number, options: { readonly signal?: AbortSignal } = {}): Promise<number> {
  const EAGAIN = -11;
  for (;;) {
    const fd = native().accept4(listenFd, SOCK.NONBLOCK | SOCK.CLOEXEC);
    if (fd !== EAGAIN) return check(fd, 'accept4');
    await whenReady(listenFd, WATCH.READABLE, options);
  }
}

/**
 * Receives the master of a pty as an OCI runtime sends it to a console socket: accepts one connection, takes one descriptor, closes the rest.
 *
 * @throws LibcontainerError `failed_precondition` `NO_CONSOLE` when the connection ends without exactly one descriptor
 */
export async function receiveConsole(listenFd: number, options: { readonly signal?: AbortSignal } = {}): Promise<{ readonly masterFd: number; readonly name: string }> {
  const fd = await acceptConnection(listenFd, options);
  try {
    await whenReady(fd, WATCH.READABLE, options);
    const { bytes, fds } = recvFds(fd);
    const [masterFd, ...others] = fds;
    if (masterFd === undefined || others.length > 0) {
      fds.forEach(closeFd);
      throw new LibcontainerError({ kind: 'failed_precondition', code: 'NO_CONSOLE', message: `console socket got ${fds.length} descriptors, want 1` });
    }
    return { masterFd, name: bytes.toString() };
  } finally {
    closeFd(fd);
  }
}

export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

/** Sets the size of a terminal, by its master or its slave. */
export function setWindowSize(fd: number, { columns, rows }: WindowSize): void {
  const size = Buffer.alloc(8);
  size.writeUInt16LE(rows, 0);
  size.writeUInt16LE(columns, 2);
  check(native().setWindowSize(fd, size), 'ioctl');
}

export function getWindowSize(fd: number): WindowSize {
  const size = Buffer.alloc(8);
  check(native().getWindowSize(fd, size), 'ioctl');
  return { rows: size.readUInt16LE(0), columns: size.readUInt16LE(2) };
}
