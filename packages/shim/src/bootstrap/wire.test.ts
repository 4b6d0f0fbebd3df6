import { BootstrapParams, BootstrapResult } from '@dray/containerd-api/bootstrap';
import { Options } from '@dray/containerd-api/runc-options';
import { DeleteResponse } from '@dray/containerd-api/task';
import { Any } from '@dray/containerd-api/types';
import { packAny, timestampFromNanos } from '@dray/containerd-api';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeBootstrapResult, encodeDeleteResponse, readBootstrapInput, readFields } from './wire.ts';

const name = fc.stringMatching(/^[a-z0-9]{1,20}$/);

describe('the small codec of start and delete agrees with the generated types', () => {
  test('on DeleteResponse', () => {
    fc.assert(fc.property(fc.nat(), fc.nat(255), fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }), (pid, exitStatus, exitedAtNanos) => {
      expect(DeleteResponse.decode(encodeDeleteResponse({ pid, exitStatus, exitedAtNanos }))).toEqual({ pid, exitStatus, exitedAt: exitedAtNanos === 0n ? undefined : timestampFromNanos(exitedAtNanos) });
    }));
  });

  test('on BootstrapResult', () => {
    fc.assert(fc.property(fc.nat(), fc.string({ minLength: 1 }), fc.dictionary(name, fc.string({ minLength: 1 })), (version, address, metadata) => {
      const decoded = BootstrapResult.decode(encodeBootstrapResult({ version, address, metadata }));
      expect({ ...decoded, metadata: { ...decoded.metadata } }).toEqual({ version, address, protocol: 'ttrpc', capabilities: [], metadata: { ...metadata } });
    }));
  });

  test('on BootstrapParams, and finds the options among the extensions', () => {
    fc.assert(fc.property(name, name, fc.string(), fc.boolean(), (id, namespace, root, hasFolder) => {
      const options = packAny(Options, { root, binaryName: 'x' });
      const extensions = [{ value: { typeUrl: 'something.else', value: new Uint8Array([1]) } }, { value: options }];
      const bytes = BootstrapParams.encode(BootstrapParams.fromPartial({ instanceId: id, namespace, containerdVersion: '2.3.4', containerdBinary: '/x', extensions, ...(hasFolder ? { socketDir: '/s' } : {}) })).finish();
      const input = readBootstrapInput(bytes, { id, namespace });
      expect(input).toMatchObject({ isBootstrapParams: true, socketFolder: hasFolder ? '/s' : undefined });
      expect(Options.decode(input.options?.value ?? new Uint8Array()).root).toBe(root);
    }));
  });
});

describe('readBootstrapInput()', () => {
  test('does not take packed options for parameters', () => {
    const bytes = Any.encode(packAny(Options, { root: '/r' })).finish();
    expect(readBootstrapInput(bytes, { id: 'c1', namespace: 'moby' })).toMatchObject({ isBootstrapParams: false, options: { typeUrl: 'containerd.runc.v1.Options' } });
  });

  test('takes empty input and nonsense for nothing', () => {
    const nothing = { isBootstrapParams: false, options: undefined, socketFolder: undefined };
    expect(readBootstrapInput(new Uint8Array(), { id: 'c1', namespace: 'moby' })).toEqual(nothing);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(readBootstrapInput(bytes, { id: 'some-container', namespace: 'some-namespace' }).isBootstrapParams).toBe(false);
    }));
  });
});

test('readFields() stays inside its bytes, whatever they are', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    for (const { value } of readFields(bytes) ?? []) {
      if (value instanceof Uint8Array) expect(value.length).toBeLessThanOrEqual(bytes.length);
    }
  }));
});
