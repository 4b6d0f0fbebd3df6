/** Which sort of answer an error is: containerd's error classes. */
export type ContainerdErrorKind =
  | 'canceled'
  | 'unknown'
  | 'invalid_argument'
  | 'deadline_exceeded'
  | 'not_found'
  | 'already_exists'
  | 'permission_denied'
  | 'resource_exhausted'
  | 'failed_precondition'
  | 'aborted'
  | 'out_of_range'
  | 'not_implemented'
  | 'internal'
  | 'unavailable'
  | 'data_loss'
  | 'unauthenticated'
  | 'conflict'
  | 'not_modified';

/** Which fault it was. `STATUS`: the peer answered with it. */
export type ContainerdErrorCode = 'STATUS' | 'TYPE_MISMATCH' | 'MALFORMED';

interface ErrorClass {
  /** The gRPC status code it travels as. */
  readonly status: number;
  /** How its messages end; Go clients cut that off, and some tell the class by it. */
  readonly text: string;
}

/** gRPC has no code for the last two: they travel as FailedPrecondition and are told apart by their text. */
const CLASSES: Readonly<Record<ContainerdErrorKind, ErrorClass>> = {
  canceled: { status: 1, text: 'context canceled' },
  unknown: { status: 2, text: 'unknown' },
  invalid_argument: { status: 3, text: 'invalid argument' },
  deadline_exceeded: { status: 4, text: 'context deadline exceeded' },
  not_found: { status: 5, text: 'not found' },
  already_exists: { status: 6, text: 'already exists' },
  permission_denied: { status: 7, text: 'permission denied' },
  resource_exhausted: { status: 8, text: 'resource exhausted' },
  failed_precondition: { status: 9, text: 'failed precondition' },
  aborted: { status: 10, text: 'aborted' },
  out_of_range: { status: 11, text: 'out of range' },
  not_implemented: { status: 12, text: 'not implemented' },
  internal: { status: 13, text: 'internal' },
  unavailable: { status: 14, text: 'unavailable' },
  data_loss: { status: 15, text: 'data loss' },
  unauthenticated: { status: 16, text: 'unauthenticated' },
  conflict: { status: 9, text: 'conflict' },
  not_modified: { status: 9, text: 'not modified' },
};

const KIND_OF_STATUS: ReadonlyMap<number, ContainerdErrorKind> = new Map(
  (Object.keys(CLASSES) as ContainerdErrorKind[])
    .filter((kind) => kind !== 'conflict' && kind !== 'not_modified')
    .map((kind) => [CLASSES[kind].status, kind]),
);

/** The gRPC status code of a kind. */
export function grpcStatusOfKind(kind: ContainerdErrorKind): number {
  return CLASSES[kind].status;
}

/** The kind of a gRPC status; `unknown` for a number that gRPC does not define. The text tells conflict and not_modified apart. */
export function kindOfGrpcStatus(status: number, text = ''): ContainerdErrorKind {
  if (status === CLASSES.conflict.status) {
    if (endsWithClass(text, 'conflict')) return 'conflict';
    if (endsWithClass(text, 'not_modified')) return 'not_modified';
  }
  return KIND_OF_STATUS.get(status) ?? 'unknown';
}

/** Whether `value` is a word of the vocabulary. */
export function isContainerdErrorKind(value: unknown): value is ContainerdErrorKind {
  return typeof value === 'string' && Object.hasOwn(CLASSES, value);
}

/** A message as containerd writes it, with its class at the end: `container "web": not found`. */
export function withErrorClass(kind: ContainerdErrorKind, message: string): string {
  if (message === '') return CLASSES[kind].text;
  return endsWithClass(message, kind) ? message : `${message}: ${CLASSES[kind].text}`;
}

/** A message without the class at its end, as Go clients show it. */
export function withoutErrorClass(kind: ContainerdErrorKind, message: string): string {
  const suffix = `: ${CLASSES[kind].text}`;
  return message.endsWith(suffix) ? message.slice(0, -suffix.length) : message;
}

function endsWithClass(message: string, kind: ContainerdErrorKind): boolean {
  return message === CLASSES[kind].text || message.endsWith(`: ${CLASSES[kind].text}`);
}

/** The error of this package: what containerd answered, or a packed message that is not what it should be. */
export class ContainerdApiError extends Error {
  override readonly name = 'ContainerdApiError';
  readonly kind: ContainerdErrorKind;
  readonly code: ContainerdErrorCode;
  /** The gRPC status code. */
  readonly status: number;

  constructor(kind: ContainerdErrorKind, code: ContainerdErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.code = code;
    this.status = grpcStatusOfKind(kind);
  }
}

/** Tells a ContainerdApiError by its fields, so that it also knows one of another copy of this package. */
export function isContainerdApiError(error: unknown): error is ContainerdApiError {
  return error instanceof Error && error.name === 'ContainerdApiError' && 'kind' in error && 'code' in error && 'status' in error;
}
