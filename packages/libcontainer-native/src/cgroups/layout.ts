import { posix } from 'node:path';
import type { CgroupKernel } from './kernel.ts';

/** One mounted cgroup v1 hierarchy. */
export interface CgroupHierarchy {
  /** Controllers, or one `name=…`. */
  readonly controllers: readonly string[];
  readonly mountpoint: string;
  /** The cgroup that the mountpoint shows: "/" unless a part of the tree was bound there. */
  readonly root: string;
}

/** How cgroups are mounted here. `hybrid` is v1 with a v2 tree beside it. */
export interface CgroupLayout {
  readonly mode: 'v1' | 'v2' | 'hybrid' | 'none';
  readonly hierarchies: readonly CgroupHierarchy[];
  readonly unified: { readonly mountpoint: string; readonly root: string } | undefined;
}

/** A process's own cgroup by controller; the v2 one under "". */
export type OwnCgroups = ReadonlyMap<string, string>;

/** Reads how cgroups are mounted in the calling process's mount namespace. */
export function detectLayout(kernel: CgroupKernel): CgroupLayout {
  return parseLayout(kernel.read('/proc/self/mountinfo'));
}

/** Finds the cgroup mounts in the text of a mountinfo file. The first mount of a hierarchy counts. */
export function parseLayout(mountinfo: string): CgroupLayout {
  const hierarchies: CgroupHierarchy[] = [];
  let unified: CgroupLayout['unified'];
  for (const line of mountinfo.split('\n')) {
    const separator = line.indexOf(' - cgroup');
    if (separator === -1) continue;
    const [, , , root = '/', mountpoint = ''] = line.slice(0, separator).split(' ').map(unescapePath);
    const [type, , superOptions = ''] = line.slice(separator + 3).split(' ');
    if (type === 'cgroup2') unified ??= { mountpoint, root };
    else if (type === 'cgroup') addHierarchy(hierarchies, { controllers: controllersOf(superOptions), mountpoint, root });
  }
  return { mode: modeOf(hierarchies, unified), hierarchies, unified };
}

/** Parses `/proc/<pid>/cgroup`. */
export function parseOwnCgroups(text: string): OwnCgroups {
  const own = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    for (const controller of (match[1] ?? '').split(',')) own.set(controller, match[2] ?? '/');
  }
  return own;
}

/** A cgroup's directory: where `cgroup` is seen below a mountpoint that shows `root`. */
export function directoryOf(mount: { readonly mountpoint: string; readonly root: string }, cgroup: string): string {
  const inside = mount.root === '/' ? cgroup : posix.relative(mount.root, cgroup);
  // A cgroup outside of what the mount shows (a cgroup namespace that is not mounted afresh) counts from the mountpoint.
  return posix.join(mount.mountpoint, inside.startsWith('..') ? cgroup : inside);
}

const OPTIONS_WITHOUT_CONTROLLER = /^(rw|ro|xattr|clone_children|noprefix|cpuset_v2_mode|release_agent=.*|favordynmods|seclabel)$/;

function controllersOf(superOptions: string): string[] {
  return superOptions.split(',').filter((option) => option !== '' && !OPTIONS_WITHOUT_CONTROLLER.test(option));
}

function addHierarchy(hierarchies: CgroupHierarchy[], hierarchy: CgroupHierarchy): void {
  const known = hierarchies.some((other) => other.controllers.join() === hierarchy.controllers.join());
  if (!known && hierarchy.controllers.length > 0) hierarchies.push(hierarchy);
}

function modeOf(hierarchies: readonly CgroupHierarchy[], unified: CgroupLayout['unified']): CgroupLayout['mode'] {
  if (hierarchies.length > 0) return unified === undefined ? 'v1' : 'hybrid';
  return unified === undefined ? 'none' : 'v2';
}

/** mountinfo writes space, tab, newline and backslash as octal escapes. */
function unescapePath(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_match, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
