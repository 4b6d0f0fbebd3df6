/** Which fault it was; stable, listed in the README. */
export type BuilderErrorCode = 'DOCKERFILE_SYNTAX' | 'UNKNOWN_INSTRUCTION' | 'STAGE_NOT_FOUND' | 'INVALID_SUBSTITUTION';

/** The one error class of this package. Test `kind` or `code`, never the message. */
export class BuilderError extends Error {
  override readonly name = 'BuilderError';
  readonly kind = 'invalid_argument';
  readonly code: BuilderErrorCode;
  /** The Dockerfile's line, from 1, where the fault has one. */
  readonly line?: number;

  constructor(code: BuilderErrorCode, message: string, line?: number) {
    super(message);
    this.code = code;
    if (line !== undefined) this.line = line;
  }
}

/** Whether `error` is a {@link BuilderError}, also one of another copy of this package. */
export function isBuilderError(error: unknown): error is BuilderError {
  return error instanceof Error && error.name === 'BuilderError' && 'code' in error;
}
