import { LibcontainerError } from '../errors.ts';
import type { DeviceCgroupRule } from './resources.ts';

/** Stands for every number. */
export const ANY = -1;

/** What a device list comes down to: a default, and exceptions from it. */
export interface DevicePolicy {
  readonly allowByDefault: boolean;
  readonly exceptions: readonly DeviceException[];
}

/** A device (or all with `ANY`) and the accesses for which the default does not hold. */
export interface DeviceException {
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  /** Sorted, some of `mrw`. */
  readonly access: string;
}

const NUMBERS: readonly (readonly ['b' | 'c', number, number, string])[] = [
  ['c', ANY, ANY, 'm'], ['b', ANY, ANY, 'm'], ['c', 1, 3, 'mrw'], ['c', 1, 5, 'mrw'], ['c', 1, 7, 'mrw'], ['c', 1, 8, 'mrw'], ['c', 1, 9, 'mrw'],
  ['c', 5, 0, 'mrw'], ['c', 5, 2, 'mrw'], ['c', 136, ANY, 'mrw'], ['c', 10, 200, 'mrw'],
];

/**
 * What every container may do: make device nodes, and use the default devices, terminals and tun. The runtime puts them after the
 * configuration's own rules.
 */
export const DEFAULT_DEVICE_RULES: readonly DeviceCgroupRule[] = NUMBERS.map(([type, major, minor, access]) => ({ allow: true, type, major, minor, access }));

/**
 * Plays a list of rules as the cgroup v1 controller would and returns what is left at the end. A list starts from "deny all".
 * @throws LibcontainerError `invalid_argument` (`INVALID_DEVICE_RULE`) for an unknown type or access, and for a hole in a wildcard, which the
 * controller would silently ignore.
 */
export function devicePolicy(rules: readonly DeviceCgroupRule[]): DevicePolicy {
  let allowByDefault = false;
  let exceptions = new Map<string, DeviceException>();
  for (const rule of rules) {
    const type = rule.type === undefined || rule.type === '' ? 'a' : rule.type;
    if (type === 'a') {
      allowByDefault = rule.allow;
      exceptions = new Map();
    } else {
      changeExceptions(exceptions, exceptionOf(rule, type), rule.allow !== allowByDefault);
    }
  }
  return { allowByDefault, exceptions: [...exceptions.values()] };
}

/** The values to write to `devices.deny` and `devices.allow` of a cgroup v1, in this order. */
export function devicesV1(policy: DevicePolicy): { deny: string[]; allow: string[] } {
  const lines = policy.exceptions.map(({ type, major, minor, access }) => `${type} ${numberWord(major)}:${numberWord(minor)} ${access}`);
  return policy.allowByDefault ? { deny: lines, allow: ['a'] } : { deny: ['a'], allow: lines };
}

function changeExceptions(exceptions: Map<string, DeviceException>, change: DeviceException, add: boolean): void {
  const key = `${change.type} ${change.major}:${change.minor}`;
  const access = new Set(exceptions.get(key)?.access ?? '');
  if (!add && !exceptions.has(key)) refuseHole(exceptions, change);
  for (const letter of change.access) {
    if (add) access.add(letter);
    else access.delete(letter);
  }
  if (access.size === 0) exceptions.delete(key);
  else exceptions.set(key, { ...change, access: [...access].sort().join('') });
}

/** Taking one device out of a wildcard exception is something the controller cannot express. */
function refuseHole(exceptions: ReadonlyMap<string, DeviceException>, change: DeviceException): void {
  for (const other of exceptions.values()) {
    const covers = other.type === change.type && (other.major === ANY || other.major === change.major) && (other.minor === ANY || other.minor === change.minor);
    if (covers && [...change.access].some((letter) => other.access.includes(letter))) {
      throw invalid(`requested rule [${change.type} ${numberWord(change.major)}:${numberWord(change.minor)} ${change.access}] not supported by devices cgroupv1 (cannot punch hole in existing wildcard rule [${other.type} ${numberWord(other.major)}:${numberWord(other.minor)} ${other.access}])`);
    }
  }
}

function exceptionOf(rule: DeviceCgroupRule, type: string): DeviceException {
  if (type !== 'b' && type !== 'c') throw invalid(`invalid device type ${JSON.stringify(type)} in a device cgroup rule`);
  const access = [...new Set(rule.access === undefined || rule.access === '' ? 'rwm' : rule.access)].sort().join('');
  if (!/^[mrw]+$/.test(access)) throw invalid(`invalid device access ${JSON.stringify(rule.access)} in a device cgroup rule`);
  return { type, major: numberOf(rule.major), minor: numberOf(rule.minor), access };
}

function numberOf(value: number | undefined): number {
  if (value === undefined || value === ANY) return ANY;
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw invalid(`invalid device number ${value} in a device cgroup rule`);
  return value;
}

function numberWord(value: number): string {
  return value === ANY ? '*' : String(value);
}

function invalid(message: string): LibcontainerError {
  return new LibcontainerError({ kind: 'invalid_argument', code: 'INVALID_DEVICE_RULE', message });
}
