import { expect, it } from 'vitest';
import { TtrpcError, isTtrpcError, isTtrpcErrorKind, kindOfStatus, statusOfKind, type TtrpcErrorKind } from './errors.ts';

const TABLE: readonly (readonly [TtrpcErrorKind, number, TtrpcErrorKind])[] = [
  ['canceled', 1, 'canceled'],
  ['unknown', 2, 'unknown'],
  ['invalid_argument', 3, 'invalid_argument'],
  ['deadline_exceeded', 4, 'deadline_exceeded'],
  ['not_found', 5, 'not_found'],
  ['already_exists', 6, 'already_exists'],
  ['permission_denied', 7, 'permission_denied'],
  ['resource_exhausted', 8, 'resource_exhausted'],
  ['failed_precondition', 9, 'failed_precondition'],
  ['aborted', 10, 'aborted'],
  ['out_of_range', 11, 'out_of_range'],
  ['not_implemented', 12, 'not_implemented'],
  ['internal', 13, 'internal'],
  ['unavailable', 14, 'unavailable'],
  ['data_loss', 15, 'data_loss'],
  ['unauthenticated', 16, 'unauthenticated'],
  ['conflict', 9, 'failed_precondition'],
  ['not_modified', 9, 'failed_precondition'],
];

it.each(TABLE)('the kind %s travels as status %i and arrives as %s', (kind, status, arrives) => {
  expect(statusOfKind(kind)).toBe(status);
  expect(kindOfStatus(status)).toBe(arrives);
  expect(new TtrpcError(kind, 'x').status).toBe(status);
  expect(isTtrpcErrorKind(kind)).toBe(true);
});

it('a status that gRPC does not define is unknown', () => {
  expect([0, 17, -1, 1.5].map(kindOfStatus)).toEqual(['unknown', 'unknown', 'unknown', 'unknown']);
});

it('isTtrpcError() looks at fields, not at the class', () => {
  expect(isTtrpcError(new TtrpcError('aborted', 'x'))).toBe(true);
  expect(isTtrpcError(Object.assign(new Error('x'), { name: 'TtrpcError', kind: 'a', code: 'b', status: 1 }))).toBe(true);
  expect(isTtrpcError(new Error('x'))).toBe(false);
  expect(isTtrpcErrorKind('constructor')).toBe(false);
});
