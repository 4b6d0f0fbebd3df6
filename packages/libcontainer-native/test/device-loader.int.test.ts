import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cgroupLayout, DEFAULT_DEVICE_RULES, deviceProgram, devicePolicy } from '../src/cgroups/index.ts';
import { bpfDeviceLoader } from '../src/cgroups/device-loader.ts';

const unified = cgroupLayout().unified?.mountpoint;
const missing = process.geteuid?.() !== 0 ? 'not root' : unified === undefined ? 'cgroup v2 is not mounted' : existsSync('/bin/sh') ? undefined : 'no shell';

describe.skipIf(missing !== undefined)(`bpfDeviceLoader${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  const directory = `${unified ?? ''}/dray-device-loader-${process.pid}`;

  beforeEach(() => {
    mkdirSync(directory);
  });

  afterEach(() => {
    rmdirSync(directory);
  });

  it('keeps the processes of a cgroup from devices that their policy does not name', () => {
    expect(readable('/dev/zero')).toBe(true);
    bpfDeviceLoader.replace(directory, deviceProgram(devicePolicy([{ allow: false }])));
    expect(readable('/dev/zero')).toBe(false);
  });

  it('replaces the earlier program, so that the last policy counts alone', () => {
    bpfDeviceLoader.replace(directory, deviceProgram(devicePolicy([{ allow: false }])));
    bpfDeviceLoader.replace(directory, deviceProgram(devicePolicy([{ allow: false }, ...DEFAULT_DEVICE_RULES])));
    expect(readable('/dev/zero')).toBe(true);
    bpfDeviceLoader.replace(directory, deviceProgram(devicePolicy([{ allow: true }, { allow: false, type: 'c', major: 1, minor: 5, access: 'r' }])));
    expect([readable('/dev/zero'), readable('/dev/urandom')]).toEqual([false, true]);
  });

  it('reports a directory that is no cgroup', () => {
    expect(() => { bpfDeviceLoader.replace('/tmp', deviceProgram(devicePolicy([]))); }).toThrow(expect.objectContaining({ syscall: 'bpf(BPF_PROG_QUERY)' }));
  });

  /** Reads one byte of a device from inside the cgroup. */
  function readable(device: string): boolean {
    try {
      execFileSync('/bin/sh', ['-c', `echo 0 > ${directory}/cgroup.procs && head -c 1 ${device} > /dev/null`], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  }
});
