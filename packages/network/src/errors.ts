/** Which sort of answer a failure is, in containerd's vocabulary. */
export type NetworkErrorKind =
  | 'invalid_argument' | 'not_found' | 'already_exists' | 'permission_denied' | 'resource_exhausted' | 'failed_precondition' | 'conflict' | 'internal' | 'unavailable' | 'not_implemented';

/** Which fault it was; stable, listed in the README. */
export type NetworkErrorCode =
  | 'NETLINK' | 'MALFORMED_MESSAGE' | 'INVALID_ADDRESS' | 'INVALID_NAME' | 'NETWORK_NOT_FOUND' | 'NETWORK_EXISTS' | 'NETWORK_IN_USE' | 'PREDEFINED_NETWORK'
  | 'POOL_OVERLAPS' | 'POOL_EXHAUSTED' | 'ADDRESS_IN_USE' | 'PORT_IN_USE' | 'ENDPOINT_NOT_FOUND' | 'ENDPOINT_EXISTS' | 'UNSUPPORTED' | 'STORE_VERSION';

/** The one error class of this package. Test `kind` or `code`, never the message. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  readonly kind: NetworkErrorKind;
  readonly code: NetworkErrorCode;
  /** The kernel's positive error number, where the kernel answered. */
  readonly errno?: number;

  constructor(kind: NetworkErrorKind, code: NetworkErrorCode, message: string, options: { cause?: unknown; errno?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
    if (options.errno !== undefined) this.errno = options.errno;
  }
}

/** Whether `error` is a {@link NetworkError}, also one of another copy of this package. */
export function isNetworkError(error: unknown): error is NetworkError {
  return error instanceof Error && error.name === 'NetworkError' && 'kind' in error && 'code' in error;
}
