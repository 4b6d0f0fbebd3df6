import { expect, it } from 'vitest';
import { ERROR_KINDS, EngineApiError } from '../errors.ts';
import { httpStatusOf } from './error-status.ts';

it('httpStatusOf() maps every kind as dockerd does', () => {
  expect(Object.fromEntries(ERROR_KINDS.map((kind) => [kind, httpStatusOf(new EngineApiError(kind, 'X', 'x'))]))).toEqual({
    unknown: 500, invalid_argument: 400, not_found: 404, already_exists: 409, permission_denied: 403, resource_exhausted: 500, failed_precondition: 500, conflict: 409, not_modified: 304, aborted: 500,
    out_of_range: 400, not_implemented: 501, internal: 500, unavailable: 503, data_loss: 500, unauthenticated: 401, canceled: 500, deadline_exceeded: 500,
  });
  expect([httpStatusOf(new Error('x')), httpStatusOf('text'), httpStatusOf(undefined)]).toEqual([500, 500, 500]);
});
