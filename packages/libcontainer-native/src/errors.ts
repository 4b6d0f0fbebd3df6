import { constants } from 'node:os';

/** The sorts of answer, in containerd's vocabulary. */
export type LibcontainerErrorKind =
  | 'unknown' | 'invalid_argument' | 'not_found' | 'already_exists' | 'permission_denied' | 'resource_exhausted' | 'failed_precondition'
  | 'not_implemented' | 'internal' | 'unavailable' | 'aborted' | 'canceled';

export interface LibcontainerErrorOptions {
  readonly kind: LibcontainerErrorKind;
  readonly code: string;
  readonly message: string;
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
  readonly path?: string | undefined;
  readonly step?: string | undefined;
  readonly cause?: unknown;
}

/**
 * What this package throws. `code` is the errno name ("ENOENT") for a failed system call, else one of the package's own codes (README).
 * `errno` is positive, `syscall`, `path` and, for a failed container init, `step` say where.
 */
export class LibcontainerError extends Error {
  override readonly name = 'LibcontainerError';
  readonly kind: LibcontainerErrorKind;
  readonly code: string;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
  readonly path: string | undefined;
  readonly step: string | undefined;

  constructor(options: LibcontainerErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = options.kind;
    this.code = options.code;
    this.errno = options.errno;
    this.syscall = options.syscall;
    this.path = options.path;
    this.step = options.step;
  }
}

/** Whether a value is a LibcontainerError, of this copy of the package or another. */
export function isLibcontainerError(value: unknown): value is LibcontainerError {
  return value instanceof Error && value.name === 'LibcontainerError' && 'kind' in value && 'code' in value;
}

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, number]) => [number, name]));
// Numbers that Node's table has not, and the usual name of those that have two.
for (const [number, name] of [[11, 'EAGAIN'], [95, 'EOPNOTSUPP'], [40, 'ELOOP'], [126, 'ENOKEY'], [117, 'EUCLEAN'], [61, 'ENODATA']] as const) names.set(number, name);

const kinds: Readonly<Record<string, LibcontainerErrorKind>> = {
  ENOENT: 'not_found', ESRCH: 'not_found', ENODEV: 'not_found', ENODATA: 'not_found', EEXIST: 'already_exists', EPERM: 'permission_denied', EACCES: 'permission_denied',
  EROFS: 'failed_precondition', EBUSY: 'failed_precondition', ENOTDIR: 'failed_precondition', EISDIR: 'failed_precondition', ENOTEMPTY: 'failed_precondition',
  EINVAL: 'invalid_argument', ENAMETOOLONG: 'invalid_argument', ELOOP: 'invalid_argument', EXDEV: 'invalid_argument', EBADF: 'invalid_argument', ERANGE: 'invalid_argument',
  ENOMEM: 'resource_exhausted', ENOSPC: 'resource_exhausted', EDQUOT: 'resource_exhausted', EMFILE: 'resource_exhausted', ENFILE: 'resource_exhausted', EAGAIN: 'resource_exhausted',
  ENOSYS: 'not_implemented', EOPNOTSUPP: 'not_implemented', ENOTSUP: 'not_implemented',
};

/** The name of an errno, "E<number>" for one that has none here. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** The kind that an errno stands for. */
export function errnoKind(errno: number): LibcontainerErrorKind {
  return kinds[errnoName(errno)] ?? 'unknown';
}

/** strerror(3) of glibc, as the original's messages have it (lower case, as Go words it). */
export function errnoText(errno: number): string {
  return texts[errnoName(errno)] ?? `errno ${errno}`;
}

/** A failed system call as an error: `openat2 "/x": no such file or directory`. */
export function systemError(errno: number, syscall: string, path?: string): LibcontainerError {
  const subject = path === undefined ? '' : ` ${JSON.stringify(path)}`;
  return new LibcontainerError({ kind: errnoKind(errno), code: errnoName(errno), message: `${syscall}${subject}: ${errnoText(errno)}`, errno, syscall, path });
}

const texts: Readonly<Record<string, string>> = {
  EPERM: 'operation not permitted', ENOENT: 'no such file or directory', ESRCH: 'no such process', EINTR: 'interrupted system call', EIO: 'input/output error',
  ENXIO: 'no such device or address', E2BIG: 'argument list too long', ENOEXEC: 'exec format error', EBADF: 'bad file descriptor', ECHILD: 'no child processes',
  EAGAIN: 'resource temporarily unavailable', ENOMEM: 'cannot allocate memory', EACCES: 'permission denied', EFAULT: 'bad address', ENOTBLK: 'block device required',
  EBUSY: 'device or resource busy', EEXIST: 'file exists', EXDEV: 'invalid cross-device link', ENODEV: 'no such device', ENOTDIR: 'not a directory',
  EISDIR: 'is a directory', EINVAL: 'invalid argument', ENFILE: 'too many open files in system', EMFILE: 'too many open files', ENOTTY: 'inappropriate ioctl for device',
  ETXTBSY: 'text file busy', EFBIG: 'file too large', ENOSPC: 'no space left on device', ESPIPE: 'illegal seek', EROFS: 'read-only file system', EMLINK: 'too many links',
  EPIPE: 'broken pipe', EDOM: 'numerical argument out of domain', ERANGE: 'numerical result out of range', EDEADLK: 'resource deadlock avoided', ENAMETOOLONG: 'file name too long',
  ENOSYS: 'function not implemented', ENOTEMPTY: 'directory not empty', ELOOP: 'too many levels of symbolic links', ENODATA: 'no data available', EPROTO: 'protocol error',
  EOVERFLOW: 'value too large for defined data type', EUCLEAN: 'structure needs cleaning', ENOTSOCK: 'socket operation on non-socket', EDESTADDRREQ: 'destination address required',
  EMSGSIZE: 'message too long', EPROTONOSUPPORT: 'protocol not supported', EOPNOTSUPP: 'operation not supported', ENOTSUP: 'operation not supported',
  EAFNOSUPPORT: 'address family not supported by protocol', EADDRINUSE: 'address already in use', EADDRNOTAVAIL: 'cannot assign requested address', ENETDOWN: 'network is down',
  ENETUNREACH: 'network is unreachable', ECONNABORTED: 'software caused connection abort', ECONNRESET: 'connection reset by peer', ENOBUFS: 'no buffer space available',
  EISCONN: 'transport endpoint is already connected', ENOTCONN: 'transport endpoint is not connected', ETIMEDOUT: 'connection timed out', ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'no route to host', EALREADY: 'operation already in progress', EINPROGRESS: 'operation now in progress', ESTALE: 'stale file handle', EDQUOT: 'disk quota exceeded',
  ECANCELED: 'operation canceled', ENOKEY: 'required key not available',
};
