import { status } from '@grpc/grpc-js';
import { TtrpcError } from '@dray/ttrpc';
import { Status } from '@dray/containerd-api/rpc';
import { describe, expect, it } from 'vitest';
import { ContainerdError, KIND_TEXT, notFound, type ErrorKind } from '../errors.ts';
import { codeOf, toStatus } from './status.ts';

const CODES: Record<ErrorKind, status> = {
  unknown: 2,
  invalid_argument: 3,
  not_found: 5,
  already_exists: 6,
  permission_denied: 7,
  resource_exhausted: 8,
  failed_precondition: 9,
  conflict: 9,
  not_modified: 9,
  aborted: 10,
  out_of_range: 11,
  not_implemented: 12,
  internal: 13,
  unavailable: 14,
  data_loss: 15,
  unauthenticated: 16,
  canceled: 1,
  deadline_exceeded: 4,
};

describe('toStatus()', () => {
  it.each(Object.entries(CODES) as [ErrorKind, status][])('answers %s with code %i', (kind, code) => {
    expect(codeOf(kind)).toBe(code);
    expect(toStatus(new ContainerdError('text', { kind, code: 'X' }), '/m')).toMatchObject({ code, details: 'text' });
    expect(KIND_TEXT[kind]).not.toBe('');
  });

  it('ends the message with the class, as Go clients expect', () => {
    expect(toStatus(notFound('X', 'container "a"'), '/m').details).toBe('container "a": not found');
  });

  it('hands on what a shim answered, with its details', () => {
    const details = [{ typeUrl: 't', value: new Uint8Array([1]) }];
    const answer = toStatus(new TtrpcError('not_found', 'container not created', { code: 'REMOTE', details }), '/m');
    expect(answer).toMatchObject({ code: 5, details: 'container not created' });
    const [binary] = answer.metadata.get('grpc-status-details-bin');
    expect(Status.decode(binary as Buffer)).toMatchObject({ code: 5, message: 'container not created', details: [{ typeUrl: 't' }] });
  });

  it('calls what nobody classified unknown', () => {
    expect(toStatus(new TypeError('oops'), '/m')).toMatchObject({ code: 2, details: 'oops' });
    expect(toStatus('text', '/m')).toMatchObject({ code: 2, details: 'text' });
  });
});
