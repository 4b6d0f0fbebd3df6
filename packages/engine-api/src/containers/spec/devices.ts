/** Device nodes and the rules that guard them. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '../../errors.ts';
import type { DeviceMapping } from '../create/types.ts';
import { matchDeviceRule } from '../create/validate.ts';
import type { SpecDevice, SpecDeviceRule } from './types.ts';

const S_IFMT = 0o170_000;
const S_IFCHR = 0o020_000;
const S_IFBLK = 0o060_000;

/** The rules every container starts from: nothing, then the harmless character devices, and no FUSE. */
export function defaultDeviceRules(): SpecDeviceRule[] {
  const allow = (major: number, minor: number): SpecDeviceRule => ({ allow: true, type: 'c', major, minor, access: 'rwm' });
  return [
    { allow: false, access: 'rwm' },
    allow(1, 5), allow(1, 3), allow(1, 9), allow(1, 8), allow(5, 0), allow(5, 1),
    { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
  ];
}

/** A privileged container may use every device. */
export const ALL_DEVICES_RULE: SpecDeviceRule = { allow: true, access: 'rwm' };

/** Parses `c 1:3 mr`, as `--device-cgroup-rule` takes it. @throws EngineApiError `invalid_argument` */
export function parseDeviceRule(rule: string): SpecDeviceRule {
  const match = matchDeviceRule(rule);
  if (!match) throw invalid(`invalid device cgroup rule format: '${rule}'`);
  const [, type = 'a', major = '*', minor = '*', access = ''] = match;
  return { allow: true, type, ...(major === '*' ? {} : { major: Number(major) }), ...(minor === '*' ? {} : { minor: Number(minor) }), access };
}

/** The major and minor number packed in a `st_rdev`. */
export function splitDeviceNumber(rdev: number): { major: number; minor: number } {
  const value = BigInt(rdev);
  const major = ((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n);
  const minor = (value & 0xffn) | ((value >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}

/** A device of the host under its path in the container; `undefined` when the path is not a device. */
export async function statDevice(pathOnHost: string, pathInContainer: string): Promise<SpecDevice | undefined> {
  const info = await stat(pathOnHost);
  const kind = info.mode & S_IFMT;
  if (kind !== S_IFCHR && kind !== S_IFBLK) return undefined;
  return { type: kind === S_IFCHR ? 'c' : 'b', path: pathInContainer, ...splitDeviceNumber(info.rdev), fileMode: info.mode & 0o7777, uid: info.uid, gid: info.gid };
}

/** The nodes and rules for `--device` mappings; a directory gives every device below it. @throws EngineApiError when a path is no device */
export async function mappedDevices(mappings: readonly DeviceMapping[]): Promise<{ devices: SpecDevice[]; rules: SpecDeviceRule[] }> {
  const devices: SpecDevice[] = [];
  const rules: SpecDeviceRule[] = [];
  for (const mapping of mappings) {
    for (const device of await resolveMapping(mapping)) {
      devices.push(device);
      rules.push({ allow: true, type: device.type, major: device.major, minor: device.minor, access: mapping.CgroupPermissions || 'rwm' });
    }
  }
  return { devices, rules };
}

async function resolveMapping(mapping: DeviceMapping): Promise<SpecDevice[]> {
  const inside = mapping.PathInContainer || mapping.PathOnHost;
  try {
    const device = await statDevice(mapping.PathOnHost, inside);
    if (device) return [device];
    const below = await devicesBelow(mapping.PathOnHost, inside);
    if (below.length > 0) return below;
  } catch (err) {
    throw invalid(`error gathering device information while adding custom device "${mapping.PathOnHost}": ${describe(err)}`);
  }
  throw invalid(`error gathering device information while adding custom device "${mapping.PathOnHost}": not a device node`);
}

function describe(err: unknown): string {
  if (err instanceof Error && 'code' in err && err.code === 'ENOENT') return 'no such file or directory';
  return err instanceof Error ? err.message : String(err);
}

/** Directories of /dev that are not devices of the host for a container. */
const SKIPPED_DIRECTORIES = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev']);

async function devicesBelow(directory: string, inside: string): Promise<SpecDevice[]> {
  const found: SpecDevice[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const [host, container] = [join(directory, entry.name), join(inside, entry.name)];
    if (entry.isDirectory() && !SKIPPED_DIRECTORIES.has(entry.name)) found.push(...(await devicesBelow(host, container)));
    if ((entry.isCharacterDevice() || entry.isBlockDevice()) && entry.name !== 'console') {
      const device = await statDevice(host, container);
      if (device) found.push(device);
    }
  }
  return found;
}

/** Every device of the host, for a privileged container. */
export async function hostDevices(): Promise<SpecDevice[]> {
  return devicesBelow('/dev', '/dev');
}
