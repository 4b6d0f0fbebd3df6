import { describe, expect, it } from 'vitest';
import {
  ContainerdApiError,
  grpcStatusOfKind,
  isContainerdApiError,
  isContainerdErrorKind,
  kindOfGrpcStatus,
  withErrorClass,
  withoutErrorClass,
  type ContainerdErrorKind,
} from './errors.ts';

/** The table of containerd's errdefs and gRPC's codes. */
const TABLE: readonly (readonly [ContainerdErrorKind, number, string])[] = [
  ['canceled', 1, 'context canceled'],
  ['unknown', 2, 'unknown'],
  ['invalid_argument', 3, 'invalid argument'],
  ['deadline_exceeded', 4, 'context deadline exceeded'],
  ['not_found', 5, 'not found'],
  ['already_exists', 6, 'already exists'],
  ['permission_denied', 7, 'permission denied'],
  ['resource_exhausted', 8, 'resource exhausted'],
  ['failed_precondition', 9, 'failed precondition'],
  ['aborted', 10, 'aborted'],
  ['out_of_range', 11, 'out of range'],
  ['not_implemented', 12, 'not implemented'],
  ['internal', 13, 'internal'],
  ['unavailable', 14, 'unavailable'],
  ['data_loss', 15, 'data loss'],
  ['unauthenticated', 16, 'unauthenticated'],
  ['conflict', 9, 'conflict'],
  ['not_modified', 9, 'not modified'],
];

describe.each(TABLE)('the kind %s', (kind, status, text) => {
  it('has its gRPC status, and comes back from status and message', () => {
    expect(grpcStatusOfKind(kind)).toBe(status);
    expect(kindOfGrpcStatus(status, withErrorClass(kind, 'image "a"'))).toBe(kind);
    expect(isContainerdErrorKind(kind)).toBe(true);
  });

  it('ends messages with its class, once', () => {
    expect(withErrorClass(kind, 'image "a"')).toBe(`image "a": ${text}`);
    expect(withErrorClass(kind, withErrorClass(kind, 'image "a"'))).toBe(`image "a": ${text}`);
    expect(withErrorClass(kind, '')).toBe(text);
    expect(withoutErrorClass(kind, `image "a": ${text}`)).toBe('image "a"');
    expect(withoutErrorClass(kind, 'image "a"')).toBe('image "a"');
  });
});

describe('kindOfGrpcStatus()', () => {
  it('takes a status that gRPC does not define for unknown', () => {
    expect([0, 17, -1].map((status) => kindOfGrpcStatus(status))).toEqual(['unknown', 'unknown', 'unknown']);
  });
});

describe('isContainerdApiError()', () => {
  it('looks at fields, not at the class', () => {
    expect(isContainerdApiError(new ContainerdApiError('not_found', 'STATUS', 'x'))).toBe(true);
    expect(isContainerdApiError(Object.assign(new Error('x'), { name: 'ContainerdApiError', kind: 'a', code: 'b', status: 1 }))).toBe(true);
    expect(isContainerdApiError(new Error('x'))).toBe(false);
    expect(isContainerdErrorKind('toString')).toBe(false);
  });
});
