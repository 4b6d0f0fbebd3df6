/** Which sort of answer an error is, in containerd's vocabulary. */
export type EngineErrorKind = 'invalid_argument' | 'permission_denied' | 'failed_precondition' | 'unavailable' | 'internal' | 'not_found' | 'not_implemented';

/** Which fault it is; see the README's table. */
export type EngineErrorCode =
  | 'USAGE' | 'CONFIG' | 'NOT_ROOT' | 'DATA_ROOT_LOCKED' | 'ALREADY_RUNNING' | 'CONTAINERD' | 'TLS' | 'API' | 'UNSUPPORTED' | 'NOT_RUNNING';

/** The one error class of this package. Its message is what the user reads. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly kind: EngineErrorKind;
  readonly code: EngineErrorCode;
  /** The exit status that the command ends with. */
  readonly exitStatus: number;

  constructor(kind: EngineErrorKind, code: EngineErrorCode, message: string, options: { cause?: unknown; exitStatus?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
    this.exitStatus = options.exitStatus ?? 1;
  }
}

/** Tells an error of this package by its fields. */
export function isEngineError(error: unknown): error is EngineError {
  return error instanceof Error && error.name === 'EngineError' && 'code' in error && 'exitStatus' in error;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a system error, such as `ENOENT`. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
