/** The kinds of answer an error can be: containerd's error vocabulary. */
export type ErrorKind =
  | 'unknown' | 'invalid_argument' | 'not_found' | 'already_exists' | 'permission_denied' | 'resource_exhausted'
  | 'failed_precondition' | 'conflict' | 'not_modified' | 'aborted' | 'out_of_range' | 'not_implemented' | 'internal'
  | 'unavailable' | 'data_loss' | 'unauthenticated' | 'canceled' | 'deadline_exceeded';

/** A stable fault code; see the README's table. */
export type OciImageErrorCode =
  | 'INVALID_REFERENCE' | 'INVALID_DIGEST' | 'INVALID_PLATFORM' | 'INVALID_DOCUMENT' | 'INVALID_OPTION' | 'UNSUPPORTED_MEDIA_TYPE'
  | 'DOCUMENT_TOO_LARGE' | 'NO_MATCHING_PLATFORM' | 'CONTENT_NOT_FOUND' | 'CONTENT_EXISTS' | 'INGEST_NOT_FOUND' | 'INGEST_LOCKED' | 'DIGEST_MISMATCH'
  | 'SIZE_MISMATCH' | 'DIFF_ID_MISMATCH' | 'MANIFEST_UNKNOWN' | 'NAME_UNKNOWN' | 'BLOB_UNKNOWN' | 'REGISTRY_UNAUTHORIZED' | 'REGISTRY_DENIED'
  | 'REGISTRY_RATE_LIMITED' | 'REGISTRY_UNAVAILABLE' | 'REGISTRY_UNSUPPORTED' | 'REGISTRY_PROTOCOL' | 'CREDENTIAL_HELPER' | 'TAR_INVALID'
  | 'TAR_TRUNCATED' | 'COMPRESSION_INVALID' | 'COMPRESSION_UNSUPPORTED' | 'LAYER_INVALID' | 'LAYER_UNSAFE' | 'LAYER_LIMIT' | 'LAYER_SYSCALL'
  | 'ARCHIVE_INVALID' | 'ARCHIVE_UNSAFE' | 'USER_NOT_FOUND' | 'USER_INVALID' | 'NO_COMMAND' | 'NATIVE_UNAVAILABLE';

/** The kind each code belongs to. */
const KIND_OF_CODE: Readonly<Record<OciImageErrorCode, ErrorKind>> = {
  INVALID_REFERENCE: 'invalid_argument',
  INVALID_DIGEST: 'invalid_argument',
  INVALID_PLATFORM: 'invalid_argument',
  INVALID_DOCUMENT: 'invalid_argument',
  INVALID_OPTION: 'invalid_argument',
  UNSUPPORTED_MEDIA_TYPE: 'not_implemented',
  DOCUMENT_TOO_LARGE: 'resource_exhausted',
  NO_MATCHING_PLATFORM: 'not_found',
  CONTENT_NOT_FOUND: 'not_found',
  CONTENT_EXISTS: 'already_exists',
  INGEST_NOT_FOUND: 'not_found',
  INGEST_LOCKED: 'unavailable',
  DIGEST_MISMATCH: 'data_loss',
  SIZE_MISMATCH: 'data_loss',
  DIFF_ID_MISMATCH: 'data_loss',
  MANIFEST_UNKNOWN: 'not_found',
  NAME_UNKNOWN: 'not_found',
  BLOB_UNKNOWN: 'not_found',
  REGISTRY_UNAUTHORIZED: 'unauthenticated',
  REGISTRY_DENIED: 'permission_denied',
  REGISTRY_RATE_LIMITED: 'resource_exhausted',
  REGISTRY_UNAVAILABLE: 'unavailable',
  REGISTRY_UNSUPPORTED: 'not_implemented',
  REGISTRY_PROTOCOL: 'unknown',
  CREDENTIAL_HELPER: 'failed_precondition',
  TAR_INVALID: 'invalid_argument',
  TAR_TRUNCATED: 'data_loss',
  COMPRESSION_INVALID: 'data_loss',
  COMPRESSION_UNSUPPORTED: 'not_implemented',
  LAYER_INVALID: 'invalid_argument',
  LAYER_UNSAFE: 'permission_denied',
  LAYER_LIMIT: 'resource_exhausted',
  LAYER_SYSCALL: 'internal',
  ARCHIVE_INVALID: 'invalid_argument',
  ARCHIVE_UNSAFE: 'permission_denied',
  USER_NOT_FOUND: 'invalid_argument',
  USER_INVALID: 'invalid_argument',
  NO_COMMAND: 'invalid_argument',
  NATIVE_UNAVAILABLE: 'failed_precondition',
};

/** What may be known about an error beside its code. */
export interface OciImageErrorDetails {
  readonly cause?: unknown;
  /** The kind, where this fault is of another kind than its code usually is. */
  readonly kind?: ErrorKind;
  /** HTTP status a registry answered with. */
  readonly status?: number;
  /** Error code a registry answered with, such as `DENIED`. */
  readonly registryCode?: string;
  /** Message a registry answered with, without this package's words around it. */
  readonly registryMessage?: string;
  /** The request that a registry refused, as `HEAD https://host/v2/…`, without query. */
  readonly request?: string;
  readonly errno?: number;
  readonly syscall?: string;
  readonly path?: string;
}

/** The one error class of this package. Test `code` or `kind`, or use {@link isOciImageError}; never `instanceof`. */
export class OciImageError extends Error {
  override readonly name = 'OciImageError';
  readonly kind: ErrorKind;
  readonly code: OciImageErrorCode;
  readonly status: number | undefined;
  readonly registryCode: string | undefined;
  readonly registryMessage: string | undefined;
  readonly request: string | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
  readonly path: string | undefined;

  constructor(code: OciImageErrorCode, message: string, details: OciImageErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.kind = details.kind ?? KIND_OF_CODE[code];
    this.status = details.status;
    this.registryCode = details.registryCode;
    this.registryMessage = details.registryMessage;
    this.request = details.request;
    this.errno = details.errno;
    this.syscall = details.syscall;
    this.path = details.path;
  }
}

/**
 * Tells whether `error` is this package's error, optionally with one of `codes`. Looks at fields, so that it also recognises errors of another copy of the
 * package.
 */
export function isOciImageError(error: unknown, ...codes: readonly OciImageErrorCode[]): error is OciImageError {
  if (!(error instanceof Error) || error.name !== 'OciImageError' || !('code' in error)) return false;
  return codes.length === 0 || codes.some((code) => code === error.code);
}

/** Whether `text` is one of this package's codes; used where errors cross a thread. */
export function isOciImageErrorCode(text: string): text is OciImageErrorCode {
  return Object.hasOwn(KIND_OF_CODE, text);
}
