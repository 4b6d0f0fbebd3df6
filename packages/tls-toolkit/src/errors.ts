/** Which fault it was; stable, listed in the README. */
export type TlsErrorCode = 'BAD_PASSPHRASE' | 'UNREADABLE_KEY' | 'UNREADABLE_CERTIFICATE' | 'KEY_MISMATCH' | 'FILE_EXISTS' | 'FILE_MISSING' | 'INVALID_OPTION' | 'NOT_TRUSTED' | 'EXPIRED' | 'NOT_YET_VALID' | 'WRONG_PURPOSE' | 'WRONG_NAME' | 'WEAK_KEY';

/** Which sort of answer a fault is, in containerd's vocabulary. */
export type TlsErrorKind = 'invalid_argument' | 'already_exists' | 'not_found' | 'unauthenticated' | 'failed_precondition';

const KINDS: Record<TlsErrorCode, TlsErrorKind> = {
  BAD_PASSPHRASE: 'unauthenticated', UNREADABLE_KEY: 'invalid_argument', UNREADABLE_CERTIFICATE: 'invalid_argument', KEY_MISMATCH: 'failed_precondition', FILE_EXISTS: 'already_exists',
  FILE_MISSING: 'not_found', INVALID_OPTION: 'invalid_argument', NOT_TRUSTED: 'unauthenticated', EXPIRED: 'failed_precondition', NOT_YET_VALID: 'failed_precondition',
  WRONG_PURPOSE: 'failed_precondition', WRONG_NAME: 'failed_precondition', WEAK_KEY: 'failed_precondition',
};

/** The one error class of this package. Test `kind` or `code`, never the message. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
  readonly kind: TlsErrorKind;
  readonly code: TlsErrorCode;

  constructor(code: TlsErrorCode, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
    this.kind = KINDS[code];
  }
}

/** Whether `error` is a {@link TlsError}, also one of another copy of this package. */
export function isTlsError(error: unknown): error is TlsError {
  return error instanceof Error && error.name === 'TlsError' && 'kind' in error && 'code' in error;
}
