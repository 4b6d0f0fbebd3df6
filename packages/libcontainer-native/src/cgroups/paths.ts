import { posix } from 'node:path';
import { LibcontainerError } from '../errors.ts';
import { type CgroupLayout, directoryOf, type OwnCgroups } from './layout.ts';

/** Where a container's cgroups are: by controller for v1, under "" for v2. The same shape as `cgroup_paths` of runc's state. */
export type CgroupPaths = Readonly<Record<string, string>>;

/** The v1 controllers that a container is put under, as runc's list has them. */
const CONTROLLERS = [
  'cpuset', 'devices', 'memory', 'cpu', 'cpuacct', 'pids', 'blkio', 'hugetlb', 'net_cls', 'net_prio', 'perf_event', 'freezer', 'rdma', 'misc',
  'name=systemd',
];

/**
 * The directories of a container's cgroups. An absolute `cgroupsPath` counts from each hierarchy's root, a relative one (and the
 * container's id, when there is none) from the caller's own cgroup. On v2 the relative one counts from the caller's parent: a cgroup that
 * holds processes cannot give controllers to a child. A hybrid system's v2 tree holds no limits and is left alone.
 */
export function containerCgroupPaths(layout: CgroupLayout, own: OwnCgroups, cgroupsPath: string | undefined, id: string): CgroupPaths {
  const inner = cleanPath(cgroupsPath === undefined || cgroupsPath === '' ? id : cgroupsPath);
  if (layout.mode === 'none') return {};
  if (layout.mode === 'v2') return { '': unifiedPath(layout, own, inner) };
  const paths: Record<string, string> = {};
  for (const controller of CONTROLLERS) {
    const hierarchy = layout.hierarchies.find((each) => each.controllers.includes(controller));
    if (hierarchy === undefined) continue;
    paths[controller] = posix.isAbsolute(inner)
      ? posix.join(hierarchy.mountpoint, inner)
      : posix.join(directoryOf(hierarchy, own.get(controller) ?? '/'), inner);
  }
  return paths;
}

function unifiedPath(layout: CgroupLayout, own: OwnCgroups, inner: string): string {
  if (layout.unified === undefined) return inner;
  if (posix.isAbsolute(inner)) return posix.join(layout.unified.mountpoint, inner);
  return posix.join(directoryOf(layout.unified, posix.dirname(own.get('') ?? '/')), inner);
}

/** Normalises a path so that ".." cannot lead above where it counts from. */
function cleanPath(path: string): string {
  if (path.includes('\0')) throw new LibcontainerError({ kind: 'invalid_argument', code: 'INVALID_CGROUP_PATH', message: `cgroup path ${JSON.stringify(path)} contains a NUL byte` });
  if (posix.isAbsolute(path)) return posix.normalize(path);
  return posix.normalize(`/${path}`).slice(1);
}
