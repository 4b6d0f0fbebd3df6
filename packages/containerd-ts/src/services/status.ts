import { Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { Status } from '@dray/containerd-api/rpc';
import { errorText, KIND_TEXT, type ErrorKind } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { SILENT } from '../logger.ts';

const CODES: Readonly<Record<ErrorKind, status>> = {
  unknown: status.UNKNOWN,
  invalid_argument: status.INVALID_ARGUMENT,
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  permission_denied: status.PERMISSION_DENIED,
  resource_exhausted: status.RESOURCE_EXHAUSTED,
  failed_precondition: status.FAILED_PRECONDITION,
  // gRPC has no code for these two; the message's end tells them apart.
  conflict: status.FAILED_PRECONDITION,
  not_modified: status.FAILED_PRECONDITION,
  aborted: status.ABORTED,
  out_of_range: status.OUT_OF_RANGE,
  not_implemented: status.UNIMPLEMENTED,
  internal: status.INTERNAL,
  unavailable: status.UNAVAILABLE,
  data_loss: status.DATA_LOSS,
  unauthenticated: status.UNAUTHENTICATED,
  canceled: status.CANCELLED,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
};

let log: Logger = SILENT;

/** Names the logger that hears of errors nobody classified. */
export function logUnclassified(logger: Logger): void {
  log = logger;
}

/** The gRPC code of an error's kind. */
export function codeOf(kind: ErrorKind): status {
  return CODES[kind];
}

/** An error's kind, whichever package's it is; undefined when it has none. */
export function kindOf(error: unknown): ErrorKind | undefined {
  if (!(error instanceof Error) || !('kind' in error) || typeof error.kind !== 'string') return undefined;
  return Object.hasOwn(KIND_TEXT, error.kind) ? (error.kind as ErrorKind) : undefined;
}

/** Makes the answer to a call that failed: code and text, and what details a shim sent along. */
export function toStatus(error: unknown, path: string): ServiceError {
  const kind = kindOf(error);
  const code = kind === undefined ? status.UNKNOWN : CODES[kind];
  const text = errorText(error);
  if (kind === undefined) log.error({ err: error instanceof Error ? (error.stack ?? text) : text, method: path }, 'call failed');
  else log.debug({ err: text, method: path }, 'call answered with an error');
  const metadata = new Metadata();
  const details = detailsOf(error);
  if (details.length > 0) metadata.set('grpc-status-details-bin', Buffer.from(Status.encode({ code, message: text, details }).finish()));
  return Object.assign(new Error(text), { code, details: text, metadata });
}

function detailsOf(error: unknown): Status['details'] {
  if (!(error instanceof Error) || !('details' in error) || !Array.isArray(error.details)) return [];
  return error.details.filter(isAny);
}

function isAny(value: unknown): value is Status['details'][number] {
  return typeof value === 'object' && value !== null && 'typeUrl' in value && 'value' in value && value.value instanceof Uint8Array;
}
