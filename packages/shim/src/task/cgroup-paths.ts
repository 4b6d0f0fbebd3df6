/** Where a process's cgroups are. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { cgroupLayout, parseOwnCgroups, type CgroupPaths } from '@dray/libcontainer';

/**
 * The folders of a process's cgroups, by controller for v1 and under "" for v2.
 * @throws the system's error when there is no such process
 */
export function cgroupPathsOf(pid: number): CgroupPaths {
  const own = parseOwnCgroups(readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  const layout = cgroupLayout();
  const below = (mount: { readonly mountpoint: string; readonly root: string }, cgroup: string): string => {
    const inside = mount.root === '/' ? cgroup : path.relative(mount.root, cgroup);
    return path.join(mount.mountpoint, inside.startsWith('..') ? cgroup : inside);
  };
  if (layout.mode === 'v2' && layout.unified !== undefined) return { '': below(layout.unified, own.get('') ?? '/') };
  const paths: Record<string, string> = {};
  for (const hierarchy of layout.hierarchies) {
    for (const controller of hierarchy.controllers) {
      const cgroup = own.get(controller);
      if (cgroup !== undefined) paths[controller] = below(hierarchy, cgroup);
    }
  }
  return paths;
}

/** The folder that counts a process's out-of-memory kills; undefined when nobody does. */
export function memoryFolderOf(pid: number): { readonly version: 1 | 2; readonly folder: string } | undefined {
  const paths = cgroupPathsOf(pid);
  if (paths[''] !== undefined) return { version: 2, folder: paths[''] };
  return paths['memory'] === undefined ? undefined : { version: 1, folder: paths['memory'] };
}
