import { DEFAULT_DEVICES, DEFAULT_LINKS, MS, type InitPlan } from '../../src/index.ts';
import { BASIC_MOUNTS } from './container.ts';

const hooks = { hooks: [{ path: '/bin/hook', args: ['hook', 'a'], env: ['A=b'], timeoutMs: 1000 }], state: { before: '{"pid":', after: '}' } };

/** A plan that uses every field of the format. It is meant to be decoded, not to be carried out. */
export const RICH_PLAN: InitPlan = {
  kind: 'create',
  namespaces: { create: ['user', 'pid', 'mount', 'ipc', 'uts', 'cgroup', 'time'], join: [{ type: 'network', path: '/run/netns/x' }] },
  userMappings: { uid: [{ containerId: 0, hostId: 100000, size: 65536 }], gid: [{ containerId: 0, hostId: 100000, size: 65536 }], setgroups: 'deny' },
  timeOffsets: { monotonic: { secs: -5n, nanosecs: 7 }, boottime: { secs: 1n << 40n, nanosecs: 0 } },
  cgroupProcs: ['/sys/fs/cgroup/pids/x/tasks', '/sys/fs/cgroup/memory/x/tasks'],
  oomScoreAdj: -500,
  loopbackUp: true,
  rootfs: { path: '/rootfs', readonly: true, propagation: MS.PRIVATE | MS.REC, propagationAfterPivot: MS.SHARED, pivot: 'move' },
  mounts: [
    ...BASIC_MOUNTS,
    { target: '/bind', source: '/source', flags: MS.BIND | MS.REC | MS.RDONLY, clearFlags: MS.NOSUID, propagation: [MS.PRIVATE, MS.SLAVE | MS.REC], recursiveSet: 1, recursiveClear: 2, createTarget: 'file' },
    { target: '/sys/fs/cgroup', fstype: 'cgroup2', source: 'cgroup', fallbackBind: '/sys/fs/cgroup', readonlyLate: true, copyUp: true, createTarget: 'never' },
  ],
  devices: [...DEFAULT_DEVICES, { path: '/dev/fuse', type: 'c', major: 10, minor: 229, mode: 0o600, uid: 1, gid: 2, bindFrom: '/dev/fuse' }],
  links: DEFAULT_LINKS,
  maskedPaths: ['/proc/kcore', '/proc/keys'],
  readonlyPaths: ['/proc/sys'],
  hostname: 'host',
  domainname: 'domain',
  sysctls: { 'net.ipv4.ip_forward': '1', 'kernel/shm_rmid_forced': '0' },
  console: { socketPath: '/run/console.sock', width: 80, height: 24, bindConsole: false },
  execFifo: '/run/exec.fifo',
  hooksWanted: true,
  createContainerHooks: hooks,
  startContainerHooks: hooks,
  process: {
    args: ['sh', '-c', 'true'], env: ['PATH=/bin', 'A=ä'], cwd: '/work', uid: 1000, gid: 1000, additionalGids: [1, 2, 3], setgroups: false, umask: 0o27,
    capabilities: { bounding: 1n, effective: 2n, permitted: 3n, inheritable: 4n, ambient: 5n }, noNewPrivileges: true,
    seccomp: { program: new Uint8Array(16), flags: 2 }, rlimits: [{ resource: 7, soft: 1024n, hard: (1n << 64n) - 1n }], sessionKeyring: '_ses.x',
    lsmLabel: { module: 'apparmor', label: 'docker-default' }, scheduler: { policy: 3, flags: 1n, nice: -5, priority: 0, runtime: 1n, deadline: 2n, period: 3n },
    ioPriority: 0x4004, personality: 8, cpuAffinity: new Uint8Array([3]), listenPid: true,
  },
};
