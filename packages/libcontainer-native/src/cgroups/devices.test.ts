import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceProgram } from './device-program.ts';
import { ANY, DEFAULT_DEVICE_RULES, type DevicePolicy, devicePolicy, devicesV1 } from './device-rules.ts';
import { type DeviceAccess, runDeviceProgram } from './testing/ebpf-interpreter.ts';

const DENY_ALL = { allow: false, access: 'rwm' };

describe('devicePolicy()', () => {
  it('starts from "deny all", whatever the first rule is', () => {
    expect(devicePolicy([{ allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' }])).toEqual({ allowByDefault: false, exceptions: [{ type: 'c', major: 1, minor: 3, access: 'mrw' }] });
  });

  it('forgets everything at a rule for all devices', () => {
    expect(devicePolicy([{ allow: true, type: 'c', major: 1, minor: 3 }, { allow: true }, { allow: false, type: 'b', major: 8, minor: 0, access: 'w' }])).toEqual({
      allowByDefault: true,
      exceptions: [{ type: 'b', major: 8, minor: 0, access: 'w' }],
    });
  });

  it('joins and takes away accesses of one device', () => {
    const device = { type: 'c', major: 10, minor: 200 };
    expect(devicePolicy([DENY_ALL, { allow: true, ...device, access: 'r' }, { allow: true, ...device, access: 'wm' }, { allow: false, ...device, access: 'm' }]).exceptions).toEqual([{ ...device, access: 'rw' }]);
  });

  it('refuses a hole in a wildcard, which the kernel would silently not make', () => {
    expect(() => devicePolicy([DENY_ALL, { allow: true, type: 'c', major: 1, access: 'rwm' }, { allow: false, type: 'c', major: 1, minor: 3, access: 'r' }])).toThrow(expect.objectContaining({ code: 'INVALID_DEVICE_RULE' }));
  });

  it.each([[{ allow: true, type: 'x' }], [{ allow: true, type: 'c', access: 'rx' }], [{ allow: true, type: 'c', major: -2 }], [{ allow: true, type: 'c', minor: 1.5 }]])('refuses %j', (rule) => {
    expect(() => devicePolicy([rule])).toThrow(expect.objectContaining({ kind: 'invalid_argument' }));
  });

  it('writes the lines of the v1 files', () => {
    expect(devicesV1(devicePolicy([DENY_ALL, ...DEFAULT_DEVICE_RULES]))).toMatchObject({ deny: ['a'], allow: expect.arrayContaining(['c *:* m', 'b *:* m', 'c 1:3 mrw', 'c 136:* mrw']) as string[] });
    expect(devicesV1(devicePolicy([{ allow: true }, { allow: false, type: 'c', major: 1, minor: 3, access: 'r' }]))).toEqual({ deny: ['c 1:3 r'], allow: ['a'] });
  });
});

describe('deviceProgram()', () => {
  it('permits exactly what the policy does', () => {
    fc.assert(
      fc.property(policies(), fc.array(accesses(), { minLength: 20, maxLength: 20 }), (policy, samples) => {
        const program = deviceProgram(policy);
        for (const sample of samples) expect(runDeviceProgram(program, sample)).toBe(isPermitted(policy, sample) ? 1 : 0);
      }),
    );
  });

  it('lets a container use the default devices and make nodes of others without opening them', () => {
    const program = deviceProgram(devicePolicy([DENY_ALL, ...DEFAULT_DEVICE_RULES]));
    const verdict = (type: 'b' | 'c', major: number, minor: number, access: string): number => runDeviceProgram(program, { type, major, minor, access });
    expect([verdict('c', 1, 3, 'rw'), verdict('c', 136, 7, 'rw'), verdict('b', 8, 0, 'm'), verdict('c', 5, 0, 'rwm')]).toEqual([1, 1, 1, 1]);
    expect([verdict('b', 8, 0, 'r'), verdict('b', 8, 0, 'rm'), verdict('c', 1, 1, 'r'), verdict('c', 10, 229, 'rw')]).toEqual([0, 0, 0, 0]);
  });
});

/** An exception from "deny" must hold for the whole access, one from "allow" for a part of it. */
function isPermitted({ allowByDefault, exceptions }: DevicePolicy, { type, major, minor, access }: DeviceAccess): boolean {
  const matching = exceptions.filter((each) => each.type === type && (each.major === ANY || each.major === major) && (each.minor === ANY || each.minor === minor));
  if (allowByDefault) return !matching.some((each) => [...access].some((letter) => each.access.includes(letter)));
  return matching.some((each) => [...access].every((letter) => each.access.includes(letter)));
}

function policies(): fc.Arbitrary<DevicePolicy> {
  const number = fc.constantFrom(ANY, 0, 1, 3, 136);
  const exceptions = fc.array(fc.record({ type: fc.constantFrom('b', 'c'), major: number, minor: number, access: fc.constantFrom('m', 'r', 'w', 'mr', 'mrw', 'rw') }), { maxLength: 6 });
  return fc.record({ allowByDefault: fc.boolean(), exceptions });
}

function accesses(): fc.Arbitrary<DeviceAccess> {
  const number = fc.constantFrom(0, 1, 3, 7, 136);
  return fc.record({ type: fc.constantFrom('b', 'c'), major: number, minor: number, access: fc.constantFrom('m', 'r', 'w', 'rw', 'mrw') });
}
