/** Where the container's file systems come from, in the order they are mounted. */
import type { SpecMount } from './types.ts';

/** A mount the container asked for, resolved to a place on the host. */
export interface ResolvedMount {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** A path on the host; empty for tmpfs. */
  readonly source: string;
  readonly destination: string;
  readonly isReadonly: boolean;
  /** Such as `rprivate`; empty means `rprivate`. */
  readonly propagation: string;
  readonly isNonRecursive?: boolean;
  /** Read-only for the mount itself, not for what is mounted below it. */
  readonly isReadonlyNonRecursive?: boolean;
  /** Only for tmpfs: mount options as given. */
  readonly tmpfsOptions?: readonly string[];
}

/** What decides the default mounts. */
export interface MountPlan {
  readonly isPrivileged: boolean;
  readonly isReadonlyRootfs: boolean;
  /** Recursive read-only mounts need kernel 5.12. */
  readonly canMountReadonlyRecursively: boolean;
  readonly shm: { readonly kind: 'tmpfs'; readonly sizeBytes: number } | { readonly kind: 'bind'; readonly source: string } | { readonly kind: 'none' };
  /** The host's shared memory is shown with the host's IPC namespace. */
  readonly isHostIpc: boolean;
  readonly etcFiles: readonly { readonly source: string; readonly destination: string }[];
  readonly requested: readonly ResolvedMount[];
}

/** All mounts. What a container asks for replaces a default at the same place; shallower destinations come first. */
export function specMounts(plan: MountPlan): SpecMount[] {
  const requested = plan.requested.map((mount) => requestedMount(mount, plan.canMountReadonlyRecursively));
  const taken = new Set(plan.requested.map((mount) => mount.destination));
  const defaults = defaultMounts(plan).filter((mount) => !taken.has(mount.destination));
  const etc = plan.etcFiles.filter((file) => !taken.has(file.destination)).map((file) => etcMount(file, plan.isReadonlyRootfs));
  const rest = [...etc, ...requested].map((mount, index) => ({ mount, index }));
  rest.sort((a, b) => depthOf(a.mount.destination) - depthOf(b.mount.destination) || a.index - b.index);
  return [...defaults, ...rest.map((entry) => entry.mount)];
}

function depthOf(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}

function defaultMounts(plan: MountPlan): SpecMount[] {
  const ro = plan.isPrivileged ? [] : ['ro'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'] },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', ...ro] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...(plan.isPrivileged ? ['rw'] : ['ro']), 'nosuid', 'noexec', 'nodev'] },
    ...ipcMounts(plan),
  ];
}

function ipcMounts(plan: MountPlan): SpecMount[] {
  const mqueue: SpecMount = { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] };
  if (plan.isHostIpc) return [mqueue, bind('/dev/shm', '/dev/shm', [])];
  switch (plan.shm.kind) {
    case 'none':
      return [mqueue];
    case 'bind':
      return [mqueue, bind(plan.shm.source, '/dev/shm', [])];
    case 'tmpfs': {
      const options = ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${plan.shm.sizeBytes}`];
      return [mqueue, { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options }];
    }
  }
}

function bind(source: string, destination: string, options: readonly string[]): SpecMount {
  return { destination, type: 'bind', source, options: ['rbind', 'rprivate', ...options] };
}

function etcMount(file: { source: string; destination: string }, isReadonly: boolean): SpecMount {
  return bind(file.source, file.destination, isReadonly ? ['ro'] : []);
}

function requestedMount(mount: ResolvedMount, canRecurse: boolean): SpecMount {
  if (mount.type === 'tmpfs') return tmpfsMount(mount);
  const readonly = mount.isReadonly ? ['ro', ...(canRecurse && mount.isReadonlyNonRecursive !== true ? ['rro'] : [])] : [];
  const bindWord = mount.isNonRecursive === true ? 'bind' : 'rbind';
  return { destination: mount.destination, type: 'bind', source: mount.source, options: [bindWord, mount.propagation || 'rprivate', ...readonly] };
}

/** Pairs of words of which the later cancels the earlier. */
const OPPOSITES: Readonly<Record<string, string>> = {
  exec: 'noexec', noexec: 'exec', suid: 'nosuid', nosuid: 'suid', dev: 'nodev', nodev: 'dev', ro: 'rw', rw: 'ro',
};

function tmpfsMount(mount: ResolvedMount): SpecMount {
  const options: string[] = ['noexec', 'nosuid', 'nodev'];
  for (const word of [...(mount.isReadonly ? ['ro'] : []), ...(mount.tmpfsOptions ?? [])]) {
    const opposite = options.indexOf(OPPOSITES[word] ?? '');
    if (opposite !== -1) options.splice(opposite, 1);
    if (!options.includes(word)) options.push(word);
  }
  return { destination: mount.destination, type: 'tmpfs', source: 'tmpfs', options: [...options, 'rprivate'] };
}
