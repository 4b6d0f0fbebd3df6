/** What sort of answer an error is: containerd's vocabulary, which every seam maps to its own statuses. */
export type ErrorKind =
  | 'unknown' | 'invalid_argument' | 'not_found' | 'already_exists' | 'permission_denied' | 'resource_exhausted' | 'failed_precondition' | 'conflict'
  | 'not_modified' | 'aborted' | 'out_of_range' | 'not_implemented' | 'internal' | 'unavailable' | 'data_loss' | 'unauthenticated' | 'canceled' | 'deadline_exceeded';

/** Every kind once, for tables and tests over all of them. */
export const ERROR_KINDS: readonly ErrorKind[] = [
  'unknown', 'invalid_argument', 'not_found', 'already_exists', 'permission_denied', 'resource_exhausted', 'failed_precondition', 'conflict', 'not_modified',
  'aborted', 'out_of_range', 'not_implemented', 'internal', 'unavailable', 'data_loss', 'unauthenticated', 'canceled', 'deadline_exceeded',
];

/** An answer of the API that is not a success. The message goes to the client as it is, so it is worded as dockerd words it. */
export class EngineApiError extends Error {
  override readonly name = 'EngineApiError';
  /** Which sort of answer this is; decides the HTTP status. */
  readonly kind: ErrorKind;
  /** Which fault this is: stable, listed in the README. */
  readonly code: string;

  constructor(kind: ErrorKind, code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = kind;
    this.code = code;
  }
}

/** Tells an error of this package by its fields, whichever copy of the package made it. */
export function isEngineApiError(error: unknown): error is EngineApiError {
  return error instanceof Error && error.name === 'EngineApiError' && 'kind' in error && 'code' in error;
}

/** The `kind` of any error that carries one (all of Dray's packages do), or undefined. */
export function errorKind(error: unknown): ErrorKind | undefined {
  if (typeof error !== 'object' || error === null || !('kind' in error)) return undefined;
  return ERROR_KINDS.find((kind) => kind === error.kind);
}

/** A 400: the request says something that cannot be. */
export function invalid(message: string, code = 'INVALID_PARAMETER'): EngineApiError {
  return new EngineApiError('invalid_argument', code, message);
}

/** A 404. */
export function notFound(message: string, code = 'NOT_FOUND'): EngineApiError {
  return new EngineApiError('not_found', code, message);
}

/** A 409. */
export function conflict(message: string, code = 'CONFLICT'): EngineApiError {
  return new EngineApiError('conflict', code, message);
}

/** A 304: what was asked for is so already. */
export function notModified(message = '', code = 'NOT_MODIFIED'): EngineApiError {
  return new EngineApiError('not_modified', code, message);
}

/** A 501. */
export function notImplemented(message: string, code = 'NOT_IMPLEMENTED'): EngineApiError {
  return new EngineApiError('not_implemented', code, message);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
