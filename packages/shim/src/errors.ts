/** The sorts of answer, in containerd's vocabulary; the ttrpc server sends the matching status. */
export type ShimErrorKind =
  | 'unknown' | 'invalid_argument' | 'not_found' | 'already_exists' | 'permission_denied' | 'failed_precondition' | 'not_implemented' | 'internal' | 'unavailable' | 'deadline_exceeded';

/** What went wrong, stable across releases (README). */
export type ShimErrorCode =
  | 'USAGE' | 'NO_CONTAINER' | 'NO_PROCESS' | 'PROCESS_EXISTS' | 'CONTAINER_EXISTS' | 'PROCESS_FINISHED' | 'ILLEGAL_STATE' | 'RUNTIME' | 'MOUNT' | 'MONITOR' | 'STATE_FILE' | 'BAD_REQUEST'
  | 'NOT_IMPLEMENTED' | 'TIMEOUT';

/** The endings by which Go clients tell the class of an error; they cut them off again. */
const endings: Readonly<Partial<Record<ShimErrorKind, string>>> = {
  not_found: 'not found', already_exists: 'already exists', failed_precondition: 'failed precondition', invalid_argument: 'invalid argument', not_implemented: 'not implemented',
};

/** What this package throws. Test `kind` or `code`, or use {@link isShimError}; never the message. */
export class ShimError extends Error {
  override readonly name = 'ShimError';
  readonly kind: ShimErrorKind;
  readonly code: ShimErrorCode;

  /** The message gets its class's ending, as containerd writes it. */
  constructor(kind: ShimErrorKind, code: ShimErrorCode, message: string, cause?: unknown) {
    const ending = endings[kind];
    super(ending === undefined ? message : `${message}: ${ending}`, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.code = code;
  }
}

/** Tells a ShimError by its fields, so that it also knows one of another copy of this package. */
export function isShimError(error: unknown): error is ShimError {
  return error instanceof Error && error.name === 'ShimError' && 'kind' in error && 'code' in error;
}

/** The message of whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
