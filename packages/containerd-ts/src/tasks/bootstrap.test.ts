import { BootstrapParams, BootstrapResult } from '@dray/containerd-api/bootstrap';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isContainerdError } from '../errors.ts';
import { CAPABILITY_READOPT, CAPABILITY_SHARED, encodeBootstrap, parseShimAnswer, socketPathOf } from './bootstrap.ts';

const text = (value: string): Uint8Array => Buffer.from(value);

describe('parseShimAnswer()', () => {
  it('reads the answer of containerd 2.3 with what the shim says of itself', () => {
    const metadata = { [CAPABILITY_READOPT]: 'true', [CAPABILITY_SHARED]: 'true', other: 'false' };
    const bytes = BootstrapResult.encode(BootstrapResult.fromPartial({ version: 3, address: 'unix:///run/s/x', protocol: 'ttrpc', metadata })).finish();
    expect(parseShimAnswer(bytes)).toEqual({ version: 3, address: 'unix:///run/s/x', protocol: 'ttrpc', capabilities: [CAPABILITY_READOPT, CAPABILITY_SHARED] });
  });

  it.each([
    ['{"version":3,"address":"unix:///run/s/x","protocol":"ttrpc"}', { version: 3, address: 'unix:///run/s/x', protocol: 'ttrpc', capabilities: [] }],
    ['{"version":2,"address":"unix:///run/s/x"}\n', { version: 2, address: 'unix:///run/s/x', protocol: 'ttrpc', capabilities: [] }],
    ['unix:///run/containerd/s/0123\n', { version: 2, address: 'unix:///run/containerd/s/0123', protocol: 'ttrpc', capabilities: [] }],
    ['/containerd-shim/abstract.sock', { version: 2, address: '/containerd-shim/abstract.sock', protocol: 'ttrpc', capabilities: [] }],
  ])('reads the older answer %j', (output, expected) => {
    expect(parseShimAnswer(text(output))).toEqual(expected);
  });

  it.each([
    ['', 'instead of its address'],
    ['warning: something\nunix:///run/s/x', 'instead of its address'],
    ['{"version":4,"address":"unix:///x"}', 'unsupported shim version (4)'],
    ['{"version":3,"address":"unix:///x","protocol":"grpc"}', 'unsupported shim protocol "grpc"'],
    ['{"address":5}', 'instead of its address'],
    ['{', 'instead of its address'],
  ])('refuses %j', (output, message) => {
    expect(() => parseShimAnswer(text(output))).toThrow(message);
  });

  it('answers any bytes with an address or an error of ours', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.string().map(text), fc.json().map(text)), (bytes) => {
        try {
          expect(parseShimAnswer(bytes).address).not.toBe('');
        } catch (error) {
          expect(isContainerdError(error)).toBe(true);
        }
      }),
    );
  });
});

describe('encodeBootstrap()', () => {
  it('says what containerd 2.3 says', () => {
    const input = { id: 'c1', namespace: 'n', isDebug: true, version: '1', ttrpcAddress: '/t', grpcAddress: '/g', binary: '/b', options: { typeUrl: 'o', value: new Uint8Array([1]) } };
    const params = BootstrapParams.decode(encodeBootstrap(input));
    expect(params).toMatchObject({ instanceId: 'c1', namespace: 'n', logLevel: -4, containerdTtrpcAddress: '/t', containerdGrpcAddress: '/g', containerdBinary: '/b' });
    expect(params.extensions[0]?.value?.typeUrl).toBe('o');
  });
});

describe('socketPathOf()', () => {
  it('takes an address without scheme for an abstract socket', () => {
    expect(socketPathOf('unix:///a/b')).toBe('/a/b');
    expect(socketPathOf('/containerd-shim/x')).toBe('\0/containerd-shim/x');
  });
});
