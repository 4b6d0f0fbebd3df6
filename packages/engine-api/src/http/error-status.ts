import { type ErrorKind, errorKind } from '../errors.ts';

/** dockerd's statuses for containerd's kinds of errors. */
const STATUS_OF_KIND: Readonly<Record<ErrorKind, number>> = {
  unknown: 500,
  invalid_argument: 400,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 500,
  failed_precondition: 500,
  conflict: 409,
  not_modified: 304,
  aborted: 500,
  out_of_range: 400,
  not_implemented: 501,
  internal: 500,
  unavailable: 503,
  data_loss: 500,
  unauthenticated: 401,
  canceled: 500,
  deadline_exceeded: 500,
};

/** The HTTP status for anything a handler throws: by its `kind`, else 500. */
export function httpStatusOf(error: unknown): number {
  const kind = errorKind(error);
  return kind === undefined ? 500 : STATUS_OF_KIND[kind];
}
