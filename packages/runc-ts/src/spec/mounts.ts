import { posix } from 'node:path';
import { statfsSync } from 'node:fs';
import type { CgroupLayout, CgroupPaths, MountOperation, PlanLink } from '@dray/libcontainer';
import { invalidSpec } from '../errors.ts';
import { type MountOptions, MS, parseMountOptions } from './mount-options.ts';
import type { MountSpec } from './types.ts';

/** What the mounts of a configuration are compiled with. */
export interface MountContext {
  /** Relative bind sources count from here. */
  readonly bundle: string;
  readonly layout: CgroupLayout;
  /** The container's own cgroups. */
  readonly cgroupPaths: CgroupPaths;
  /** The container gets a cgroup namespace of its own. */
  readonly hasCgroupNamespace: boolean;
  readonly warn: (message: string) => void;
}

/** The mounts in their order, and links that belong to them. */
export interface CompiledMounts {
  readonly mounts: readonly MountOperation[];
  readonly links: readonly PlanLink[];
  /** The host's /dev is mounted as a whole: no device must be made in it. */
  readonly hasHostDev: boolean;
}

const PROC_MAGIC = 0x9fa0;
/** Where inside /proc something may be mounted: files that container tools replace by their own numbers. */
const PROC_ALLOWED = new Set(['cpuinfo', 'diskstats', 'meminfo', 'stat', 'swaps', 'uptime', 'loadavg', 'slabinfo', 'sys/kernel/ns_last_pid', 'sys/crypto/fips_enabled'].map((name) => `/proc/${name}`));
const CGROUP_FLAGS = MS.NOEXEC | MS.NOSUID | MS.NODEV;

/**
 * Turns `mounts` into mount operations.
 * @throws RuncError `invalid_argument` for mounts over or inside /proc that would hide it, and for id-mapped mounts.
 */
export function compileMounts(mounts: readonly MountSpec[], context: MountContext): CompiledMounts {
  const operations: MountOperation[] = [];
  const links: PlanLink[] = [];
  let hasHostDev = false;
  for (const mount of mounts) {
    const options = parseMountOptions(mount.options ?? []);
    const target = targetOf(mount, context);
    if (options.idmap || mount.uidMappings !== undefined || mount.gidMappings !== undefined) throw invalidSpec(`mount ${target}: id-mapped mounts are not supported`);
    const isBind = (options.flags & MS.BIND) !== 0 || mount.type === 'bind';
    if (isBind) hasHostDev ||= target === '/dev';
    checkProcTarget(mount, target, isBind, context.bundle);
    if (!isBind && mount.type === 'cgroup') addCgroup(operations, links, target, options, context);
    else operations.push(isBind ? bindOperation(mount, target, options, context.bundle) : mountOperation(mount, target, options));
  }
  return { mounts: operations, links, hasHostDev };
}

function targetOf({ destination }: MountSpec, { warn }: MountContext): string {
  if (destination === '') throw invalidSpec('mount destination must not be empty');
  if (!posix.isAbsolute(destination)) warn(`mount destination ${destination} is not absolute. Support for non-absolute mount destinations will be removed in a future release.`);
  const target = posix.normalize(`/${destination}`);
  return target.length > 1 && target.endsWith('/') ? target.slice(0, -1) : target;
}

function bindOperation(mount: MountSpec, target: string, options: MountOptions, bundle: string): MountOperation {
  const source = mount.source ?? '';
  return { target, source: posix.isAbsolute(source) ? source : posix.join(bundle, source), ...common(options), flags: options.flags | MS.BIND };
}

function mountOperation(mount: MountSpec, target: string, options: MountOptions): MountOperation {
  const fstype = mount.type ?? '';
  // Nothing could be put into these any more if they were read-only from the start.
  const readonlyLate = (options.flags & MS.RDONLY) !== 0 && (fstype === 'tmpfs' || target === '/dev');
  const base = common(options);
  return {
    target,
    source: mount.source ?? '',
    fstype,
    ...base,
    flags: readonlyLate ? base.flags & ~MS.RDONLY : base.flags,
    ...(options.data === '' ? {} : { data: options.data }),
    ...(readonlyLate ? { readonlyLate } : {}),
    ...(options.copyUp && fstype === 'tmpfs' ? { copyUp: true } : {}),
  };
}

function common(options: MountOptions): { flags: number; clearFlags?: number; propagation?: readonly number[]; recursiveSet?: number; recursiveClear?: number } {
  return {
    flags: options.flags,
    ...(options.clearFlags === 0 ? {} : { clearFlags: options.clearFlags }),
    ...(options.propagation.length === 0 ? {} : { propagation: options.propagation }),
    ...(options.recursiveSet === 0 && options.recursiveClear === 0 ? {} : { recursiveSet: options.recursiveSet, recursiveClear: options.recursiveClear }),
  };
}

function addCgroup(operations: MountOperation[], links: PlanLink[], target: string, options: MountOptions, context: MountContext): void {
  if (context.layout.mode === 'none') throw invalidSpec('cannot mount cgroup: cgroups are not mounted on the host');
  if (context.layout.mode === 'v2') {
    const directory = context.cgroupPaths[''];
    operations.push({ target, source: 'cgroup', fstype: 'cgroup2', ...common(options), ...(directory === undefined ? {} : { fallbackBind: directory }) });
    return;
  }
  addCgroupV1(operations, links, target, options, context);
}

/** A tmpfs with a directory per hierarchy, and links for controllers that share one, as a host has it. "ro" concerns the hierarchies. */
function addCgroupV1(operations: MountOperation[], links: PlanLink[], target: string, options: MountOptions, context: MountContext): void {
  const isReadonly = (options.flags & MS.RDONLY) !== 0;
  operations.push({ target, source: 'tmpfs', fstype: 'tmpfs', flags: CGROUP_FLAGS, data: 'mode=755', ...(options.propagation.length === 0 ? {} : { propagation: options.propagation }) });
  for (const { controllers, mountpoint } of context.layout.hierarchies) {
    const name = posix.basename(mountpoint);
    const directory = context.cgroupPaths[controllers[0] ?? ''];
    const place = `${target}/${name}`;
    if (context.hasCgroupNamespace) {
      const named = controllers[0]?.startsWith('name=') === true;
      operations.push({ target: place, source: named ? name : 'cgroup', fstype: 'cgroup', flags: CGROUP_FLAGS | (isReadonly ? MS.RDONLY : 0), data: controllers.join(',') });
    } else if (directory !== undefined) {
      operations.push({ target: place, source: directory, flags: MS.BIND | MS.REC | options.flags, ...(options.propagation.length === 0 ? {} : { propagation: options.propagation }) });
    }
    if (name.includes(',')) for (const controller of name.split(',')) links.push({ path: `${target}/${controller}`, target: name });
  }
}

/** Mounting over /proc, or inside of it, could make the runtime's own writes there land somewhere else. */
function checkProcTarget(mount: MountSpec, target: string, isBind: boolean, bundle: string): void {
  if (target !== '/proc' && !target.startsWith('/proc/')) return;
  if (target === '/proc') {
    if (mount.type === 'proc' && !isBind) return;
    if (isBind && isProcfs(posix.resolve(bundle, mount.source ?? ''))) return;
    throw invalidSpec(`error mounting ${JSON.stringify(mount.source ?? '')} to rootfs at ${JSON.stringify(target)}: ${JSON.stringify(target)} cannot be mounted because it is not of type proc`);
  }
  if (!PROC_ALLOWED.has(target)) {
    throw invalidSpec(`error mounting ${JSON.stringify(mount.source ?? '')} to rootfs at ${JSON.stringify(target)}: ${JSON.stringify(target)} cannot be mounted because it is inside /proc`);
  }
}

function isProcfs(path: string): boolean {
  try {
    return statfsSync(path).type === PROC_MAGIC;
  } catch {
    // A source that is not there is reported by the mount itself.
    return false;
  }
}
