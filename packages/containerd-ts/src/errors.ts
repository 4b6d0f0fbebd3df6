/** Which sort of answer an error asks for: containerd's error classes. */
export type ErrorKind =
  | 'unknown'
  | 'invalid_argument'
  | 'not_found'
  | 'already_exists'
  | 'permission_denied'
  | 'resource_exhausted'
  | 'failed_precondition'
  | 'conflict'
  | 'not_modified'
  | 'aborted'
  | 'out_of_range'
  | 'not_implemented'
  | 'internal'
  | 'unavailable'
  | 'data_loss'
  | 'unauthenticated'
  | 'canceled'
  | 'deadline_exceeded';

/**
 * The class texts with which containerd ends its messages. Clients cut them off again, and dockerd searches for some of them, so they are part of
 * the protocol.
 */
export const KIND_TEXT: Readonly<Record<ErrorKind, string>> = {
  unknown: 'unknown',
  invalid_argument: 'invalid argument',
  not_found: 'not found',
  already_exists: 'already exists',
  permission_denied: 'permission denied',
  resource_exhausted: 'resource exhausted',
  failed_precondition: 'failed precondition',
  conflict: 'conflict',
  not_modified: 'not modified',
  aborted: 'aborted',
  out_of_range: 'out of range',
  not_implemented: 'not implemented',
  internal: 'internal',
  unavailable: 'unavailable',
  data_loss: 'data loss',
  unauthenticated: 'unauthenticated',
  canceled: 'context canceled',
  deadline_exceeded: 'context deadline exceeded',
};

/** What a {@link ContainerdError} is made of. */
export interface ContainerdErrorOptions {
  readonly kind: ErrorKind;
  /** The stable name of the fault; the README lists them. */
  readonly code: string;
  readonly cause?: unknown;
}

/** The one error class of this package. */
export class ContainerdError extends Error {
  override readonly name = 'ContainerdError';
  /** Which sort of answer this is. */
  readonly kind: ErrorKind;
  /** Which fault this is. */
  readonly code: string;

  constructor(message: string, options: ContainerdErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.kind = options.kind;
    this.code = options.code;
  }
}

/** Whether a caught value is this package's error. Looks at fields, so that it also knows an error of another copy of the package. */
export function isContainerdError(value: unknown): value is ContainerdError {
  return value instanceof Error && value.name === 'ContainerdError' && 'kind' in value && 'code' in value;
}

/** Whether a caught value is this package's error of one kind. */
export function isKind(value: unknown, kind: ErrorKind): boolean {
  return isContainerdError(value) && value.kind === kind;
}

/** Makes an error whose message ends with the class text, as containerd's do. */
export function classedError(kind: ErrorKind, code: string, text: string, cause?: unknown): ContainerdError {
  return new ContainerdError(text === '' ? KIND_TEXT[kind] : `${text}: ${KIND_TEXT[kind]}`, { kind, code, cause });
}

/** `… : not found` */
export function notFound(code: string, text: string): ContainerdError {
  return classedError('not_found', code, text);
}

/** `… : already exists` */
export function alreadyExists(code: string, text: string): ContainerdError {
  return classedError('already_exists', code, text);
}

/** `… : invalid argument` */
export function invalidArgument(code: string, text: string): ContainerdError {
  return classedError('invalid_argument', code, text);
}

/** `… : failed precondition` */
export function failedPrecondition(code: string, text: string): ContainerdError {
  return classedError('failed_precondition', code, text);
}

/** `… : unavailable` */
export function unavailable(code: string, text: string): ContainerdError {
  return classedError('unavailable', code, text);
}

/** `… : out of range` */
export function outOfRange(code: string, text: string): ContainerdError {
  return classedError('out_of_range', code, text);
}

/** `… : not implemented` */
export function notImplemented(code: string, text: string): ContainerdError {
  return classedError('not_implemented', code, text);
}

/** The text of a caught value, for a message or a log line. */
export function errorText(value: unknown): string {
  return value instanceof Error ? value.message : String(value);
}

/** The `errno` name (`ENOENT`) of a failed system call, or undefined. */
export function errnoCode(value: unknown): string | undefined {
  if (!(value instanceof Error) || !('code' in value)) return undefined;
  return typeof value.code === 'string' ? value.code : undefined;
}
