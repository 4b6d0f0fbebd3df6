/** Which fault it was; stable, listed in the README. */
export type BuilderErrorCode = 'DOCKERFILE_SYNTAX' | 'UNKNOWN_INSTRUCTION' | 'STAGE_NOT_FOUND' | 'INVALID_SUBSTITUTION' | 'INVALID_ARGUMENT' | 'COPY_FAILED' | 'NEEDS_BUILDKIT' | 'NO_IMAGE' | 'NO_DOCKERFILE' | 'COMMAND_FAILED' | 'BUILD_CANCELLED';

/** The one error class of this package. Test `kind` or `code`, never the message. */
export class BuilderError extends Error {
  override readonly name = 'BuilderError';
  readonly kind: 'invalid_argument' | 'internal' | 'canceled';
  readonly code: BuilderErrorCode;
  /** The Dockerfile's line, from 1, where the fault has one. */
  readonly line?: number;

  /** With `COMMAND_FAILED`: what the command of a `RUN` exited with. */
  readonly exitCode?: number;

  constructor(code: BuilderErrorCode, message: string, details: number | { readonly line?: number; readonly exitCode?: number; readonly cause?: unknown } = {}) {
    const { line, exitCode, cause }: { readonly line?: number; readonly exitCode?: number; readonly cause?: unknown } = typeof details === 'number' ? { line: details } : details;
    super(message, cause === undefined ? undefined : { cause });
    this.kind = code === 'NO_DOCKERFILE' || code === 'COMMAND_FAILED' ? 'internal' : code === 'BUILD_CANCELLED' ? 'canceled' : 'invalid_argument';
    this.code = code;
    if (line !== undefined) this.line = line;
    if (exitCode !== undefined) this.exitCode = exitCode;
  }
}

/** Whether `error` is a {@link BuilderError}, also one of another copy of this package. */
export function isBuilderError(error: unknown): error is BuilderError {
  return error instanceof Error && error.name === 'BuilderError' && 'code' in error;
}
