/** The sorts of failure, in containerd's vocabulary. */
export type RuncErrorKind =
  | 'unknown' | 'invalid_argument' | 'not_found' | 'already_exists' | 'permission_denied' | 'failed_precondition' | 'not_implemented' | 'internal' | 'unavailable' | 'aborted';

/** What a {@link RuncError} is made of. */
export interface RuncErrorInit {
  readonly kind: RuncErrorKind;
  /** The fault in UPPER_SNAKE, stable across releases. */
  readonly code: string;
  /** In runc's words, since callers match them. */
  readonly message: string;
  readonly cause?: unknown;
}

/** What this package throws. Test `kind` or `code`, or use {@link isRuncError}; never the message. */
export class RuncError extends Error {
  override readonly name = 'RuncError';
  readonly kind: RuncErrorKind;
  readonly code: string;

  constructor({ kind, code, message, cause }: RuncErrorInit) {
    super(message, cause === undefined ? undefined : { cause });
    this.kind = kind;
    this.code = code;
  }
}

/** Tells this package's errors from others by their fields, so that a second copy of the package does not matter. */
export function isRuncError(error: unknown): error is RuncError {
  return error instanceof Error && error.name === 'RuncError' && 'kind' in error && 'code' in error;
}

/** A configuration that cannot be carried out. */
export function invalidSpec(message: string, cause?: unknown): RuncError {
  return new RuncError({ kind: 'invalid_argument', code: 'INVALID_SPEC', message, cause });
}

/** Puts what this level knows in front of an error's message and keeps its kind and code. */
export function wrapError(prefix: string, error: unknown): RuncError {
  const message = error instanceof Error ? error.message : String(error);
  const { kind, code } = fieldsOf(error);
  return new RuncError({ kind, code, message: `${prefix}: ${message}`, cause: error });
}

const KINDS: readonly string[] = [
  'unknown', 'invalid_argument', 'not_found', 'already_exists', 'permission_denied', 'failed_precondition', 'not_implemented', 'internal', 'unavailable', 'aborted',
] satisfies readonly RuncErrorKind[];

function fieldsOf(error: unknown): { kind: RuncErrorKind; code: string } {
  const kind = hasText(error, 'kind') && KINDS.includes(error.kind) ? (error.kind as RuncErrorKind) : 'unknown';
  return { kind, code: hasText(error, 'code') ? error.code : 'UNKNOWN' };
}

function hasText<K extends string>(value: unknown, key: K): value is Record<K, string> {
  return typeof value === 'object' && value !== null && key in value && typeof (value as Record<K, unknown>)[key] === 'string';
}
