/** The error of a request that the daemon answered with a status of 400 or more, or that did not reach it. */
export class DrayClientError extends Error {
  override readonly name = 'DrayClientError';
  /** HTTP status; undefined where no answer came. */
  readonly status?: number;
  readonly code: 'DAEMON_ERROR' | 'CONNECTION_FAILED' | 'BAD_HOST' | 'STREAM_ERROR';

  constructor(code: DrayClientError['code'], message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.status !== undefined) this.status = options.status;
  }
}

/** Whether `error` is a {@link DrayClientError}, also one of another copy of this package. */
export function isDrayClientError(error: unknown): error is DrayClientError {
  return error instanceof Error && error.name === 'DrayClientError' && 'code' in error;
}
