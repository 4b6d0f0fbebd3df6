/** Which sort of answer an error is, in containerd's vocabulary. */
export type TtrpcErrorKind =
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

/** Which fault it was. `REMOTE`: the peer answered with it. `HANDLER`: a handler of this process raised it. */
export type TtrpcErrorCode = 'REMOTE' | 'HANDLER' | 'CLOSED' | 'TIMEOUT' | 'FRAME_TOO_LARGE' | 'MALFORMED' | 'UNKNOWN_METHOD' | 'TOO_MANY_CALLS';

/** A packed message that travels with an error. */
export interface TtrpcErrorDetail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** gRPC's numbers. Two kinds that gRPC does not know share FailedPrecondition, as in containerd; they come back as failed_precondition. */
const STATUS_OF_KIND: Readonly<Record<TtrpcErrorKind, number>> = {
  canceled: 1,
  unknown: 2,
  invalid_argument: 3,
  deadline_exceeded: 4,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  aborted: 10,
  out_of_range: 11,
  not_implemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
  unauthenticated: 16,
  conflict: 9,
  not_modified: 9,
};

const KIND_OF_STATUS: readonly TtrpcErrorKind[] = [
  'unknown',
  'canceled',
  'unknown',
  'invalid_argument',
  'deadline_exceeded',
  'not_found',
  'already_exists',
  'permission_denied',
  'resource_exhausted',
  'failed_precondition',
  'aborted',
  'out_of_range',
  'not_implemented',
  'internal',
  'unavailable',
  'data_loss',
  'unauthenticated',
];

/** The gRPC status code that `kind` travels as. */
export function statusOfKind(kind: TtrpcErrorKind): number {
  return STATUS_OF_KIND[kind];
}

/** Whether `value` is a word of the vocabulary. */
export function isTtrpcErrorKind(value: unknown): value is TtrpcErrorKind {
  return typeof value === 'string' && Object.hasOwn(STATUS_OF_KIND, value);
}

/** The kind of a gRPC status code; `unknown` for a number that gRPC does not define. */
export function kindOfStatus(status: number): TtrpcErrorKind {
  return KIND_OF_STATUS[status] ?? 'unknown';
}

/**
 * The error of this package. A handler throws one to answer with its kind and message:
 * `throw new TtrpcError('not_found', 'container not created')`.
 */
export class TtrpcError extends Error {
  override readonly name = 'TtrpcError';
  readonly kind: TtrpcErrorKind;
  readonly code: TtrpcErrorCode;
  /** The gRPC status code that goes over the wire. */
  readonly status: number;
  readonly details: readonly TtrpcErrorDetail[];

  constructor(
    kind: TtrpcErrorKind,
    message: string,
    options: { readonly code?: TtrpcErrorCode; readonly details?: readonly TtrpcErrorDetail[]; readonly cause?: unknown } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.kind = kind;
    this.code = options.code ?? 'HANDLER';
    this.status = statusOfKind(kind);
    this.details = options.details ?? [];
  }
}

/** Tells a TtrpcError by its fields, so that it also knows one of another copy of this package. */
export function isTtrpcError(error: unknown): error is TtrpcError {
  return error instanceof Error && error.name === 'TtrpcError' && 'kind' in error && 'code' in error && 'status' in error;
}
