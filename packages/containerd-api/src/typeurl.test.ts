import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TaskExit } from './gen/events/task.ts';
import { Options } from './gen/types/runc/options/oci.ts';
import { isContainerdApiError } from './errors.ts';
import { JSON_TYPE_URLS, isAnyOf, packAny, packJson, typeNameOf, unpackAny, unpackJson } from './typeurl.ts';

describe('packAny()', () => {
  it('writes the bare full name', () => {
    expect(packAny(Options, { binaryName: 'crun' }).typeUrl).toBe('containerd.runc.v1.Options');
  });

  it('is undone by unpackAny(), to the nanosecond', () => {
    const any = packAny(TaskExit, { containerId: 'web', pid: 7, exitStatus: 137, exitedAt: { seconds: -62_135_596_800n, nanos: 999_999_999 } });
    expect(unpackAny(TaskExit, any)).toEqual({
      containerId: 'web',
      id: '',
      pid: 7,
      exitStatus: 137,
      exitedAt: { seconds: -62_135_596_800n, nanos: 999_999_999 },
    });
  });
});

describe('unpackAny()', () => {
  it('accepts the type.googleapis.com/ prefix', () => {
    const any = { ...packAny(Options, { root: '/r' }), typeUrl: 'type.googleapis.com/containerd.runc.v1.Options' };
    expect(isAnyOf(Options, any)).toBe(true);
    expect(unpackAny(Options, any).root).toBe('/r');
  });

  it('refuses another type', () => {
    expect(() => unpackAny(TaskExit, packAny(Options, {}))).toThrow('cannot unpack "containerd.runc.v1.Options", want "containerd.events.TaskExit"');
  });

  it('turns any bytes into a message or an invalid_argument', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (value) => {
        try {
          expect(unpackAny(TaskExit, { typeUrl: TaskExit.$type, value })).toHaveProperty('containerId');
        } catch (error) {
          expect(isContainerdApiError(error) && [error.kind, error.code]).toEqual(['invalid_argument', 'MALFORMED']);
        }
      }),
    );
  });
});

describe('typeNameOf()', () => {
  it('keeps the slashes of the names of JSON documents', () => {
    expect(typeNameOf({ typeUrl: JSON_TYPE_URLS.spec })).toBe('types.containerd.io/opencontainers/runtime-spec/1/Spec');
  });
});

describe('unpackJson()', () => {
  it('gives back what packJson() was given', () => {
    expect(unpackJson(packJson(JSON_TYPE_URLS.process, { args: ['sh', 'ü'] }))).toEqual({ args: ['sh', 'ü'] });
  });

  it('refuses what is not JSON, or not UTF-8', () => {
    const codes = [Buffer.from('{'), Buffer.from([0x22, 0xff, 0x22])].map((value) => {
      try {
        return unpackJson({ typeUrl: 'x', value });
      } catch (error) {
        return isContainerdApiError(error) && error.code;
      }
    });
    expect(codes).toEqual(['MALFORMED', 'MALFORMED']);
  });
});
