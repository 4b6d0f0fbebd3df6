import type { Shape, StructShape } from './shape.ts';

const TEXT: Shape = { kind: 'text', go: 'string' };
const BOOLEAN: Shape = { kind: 'boolean' };
const ANY: Shape = { kind: 'any' };
const UINT64 = integer('uint64', 0n, 0xffff_ffff_ffff_ffffn);
const WIDE_UINT64: Shape = { ...UINT64, wide: true };
const INT64 = integer('int64', -(1n << 63n), (1n << 63n) - 1n);
const UINT32 = integer('uint32', 0n, 0xffff_ffffn);
const INT32 = integer('int32', -(1n << 31n), (1n << 31n) - 1n);
const UINT16 = integer('uint16', 0n, 0xffffn);
const INT = integer('int', -(1n << 63n), (1n << 63n) - 1n);
const UINT = integer('uint', 0n, 0xffff_ffff_ffff_ffffn);
const TEXTS = list(TEXT);

const ID_MAPPINGS = list(struct('LinuxIDMapping', { containerID: UINT32, hostID: UINT32, size: UINT32 }, { containerID: 0, hostID: 0, size: 0 }));
const HOOKS = list(struct('Hook', { path: TEXT, args: TEXTS, env: TEXTS, timeout: INT }, { path: '' }));

const USER = struct('User', { uid: UINT32, gid: UINT32, umask: UINT32, additionalGids: list(UINT32) }, { uid: 0, gid: 0 });

/** A `process` object, which `exec --process` takes by itself. */
export const PROCESS_SHAPE: StructShape = struct(
  'Process',
  {
    terminal: BOOLEAN,
    consoleSize: struct('Box', { height: UINT, width: UINT }, { height: 0, width: 0 }),
    user: USER,
    args: TEXTS,
    env: TEXTS,
    cwd: TEXT,
    capabilities: struct('LinuxCapabilities', { bounding: TEXTS, effective: TEXTS, inheritable: TEXTS, permitted: TEXTS, ambient: TEXTS }),
    rlimits: list(struct('POSIXRlimit', { type: TEXT, hard: WIDE_UINT64, soft: WIDE_UINT64 }, { type: '', hard: 0n, soft: 0n })),
    noNewPrivileges: BOOLEAN,
    apparmorProfile: TEXT,
    oomScoreAdj: INT,
    scheduler: struct('Scheduler', { policy: TEXT, nice: INT32, priority: INT32, flags: TEXTS, runtime: UINT64, deadline: UINT64, period: UINT64 }, { policy: '' }),
    selinuxLabel: TEXT,
    ioPriority: struct('LinuxIOPriority', { class: TEXT, priority: INT }, { class: '', priority: 0 }),
    execCPUAffinity: struct('CPUAffinity', { initial: TEXT, final: TEXT }),
  },
  { user: { uid: 0, gid: 0 }, cwd: '' },
);

const THROTTLES = list(struct('LinuxThrottleDevice', { major: INT64, minor: INT64, rate: UINT64 }, { major: 0, minor: 0, rate: 0 }));

/** A `resources` object, which `update` takes by itself. */
export const RESOURCES_SHAPE: StructShape = struct('LinuxResources', {
  devices: list(struct('LinuxDeviceCgroup', { allow: BOOLEAN, type: TEXT, major: INT64, minor: INT64, access: TEXT }, { allow: false })),
  memory: struct('LinuxMemory', {
    limit: INT64, reservation: INT64, swap: INT64, kernel: INT64, kernelTCP: INT64, swappiness: UINT64, disableOOMKiller: BOOLEAN, useHierarchy: BOOLEAN, checkBeforeUpdate: BOOLEAN,
  }),
  cpu: struct('LinuxCPU', { shares: UINT64, quota: INT64, burst: UINT64, period: UINT64, realtimeRuntime: INT64, realtimePeriod: UINT64, cpus: TEXT, mems: TEXT, idle: INT64 }),
  pids: struct('LinuxPids', { limit: INT64 }),
  blockIO: struct('LinuxBlockIO', {
    weight: UINT16,
    leafWeight: UINT16,
    weightDevice: list(struct('LinuxWeightDevice', { major: INT64, minor: INT64, weight: UINT16, leafWeight: UINT16 }, { major: 0, minor: 0 })),
    throttleReadBpsDevice: THROTTLES,
    throttleWriteBpsDevice: THROTTLES,
    throttleReadIOPSDevice: THROTTLES,
    throttleWriteIOPSDevice: THROTTLES,
  }),
  hugepageLimits: list(struct('LinuxHugepageLimit', { pageSize: TEXT, limit: UINT64 }, { pageSize: '', limit: 0 })),
  network: struct('LinuxNetwork', { classID: UINT32, priorities: list(struct('LinuxInterfacePriority', { name: TEXT, priority: UINT32 }, { name: '', priority: 0 })) }),
  rdma: map(struct('LinuxRdma', { hcaHandles: UINT32, hcaObjects: UINT32 })),
  unified: map(TEXT),
});

const SECCOMP = struct(
  'LinuxSeccomp',
  {
    defaultAction: TEXT,
    defaultErrnoRet: UINT,
    architectures: TEXTS,
    flags: TEXTS,
    listenerPath: TEXT,
    listenerMetadata: TEXT,
    syscalls: list(
      struct(
        'LinuxSyscall',
        {
          names: TEXTS,
          action: TEXT,
          errnoRet: UINT,
          args: list(struct('LinuxSeccompArg', { index: UINT, value: WIDE_UINT64, valueTwo: WIDE_UINT64, op: TEXT }, { index: 0, value: 0n, op: '' })),
        },
        { names: [], action: '' },
      ),
    ),
  },
  { defaultAction: '' },
);

const LINUX = struct('Linux', {
  uidMappings: ID_MAPPINGS,
  gidMappings: ID_MAPPINGS,
  sysctl: map(TEXT),
  resources: RESOURCES_SHAPE,
  cgroupsPath: TEXT,
  namespaces: list(struct('LinuxNamespace', { type: TEXT, path: TEXT }, { type: '' })),
  devices: list(struct('LinuxDevice', { path: TEXT, type: TEXT, major: INT64, minor: INT64, fileMode: UINT32, uid: UINT32, gid: UINT32 }, { path: '', type: '', major: 0, minor: 0 })),
  seccomp: SECCOMP,
  rootfsPropagation: TEXT,
  maskedPaths: TEXTS,
  readonlyPaths: TEXTS,
  mountLabel: TEXT,
  intelRdt: map(ANY),
  personality: struct('LinuxPersonality', { domain: TEXT, flags: TEXTS }, { domain: '' }),
  timeOffsets: map(struct('LinuxTimeOffset', { secs: INT64, nanosecs: UINT32 })),
  netDevices: map(struct('LinuxNetDevice', { name: TEXT })),
  memoryPolicy: map(ANY),
});

/** The whole of config.json. */
export const SPEC_SHAPE: StructShape = struct(
  'Spec',
  {
    ociVersion: TEXT,
    process: PROCESS_SHAPE,
    root: struct('Root', { path: TEXT, readonly: BOOLEAN }, { path: '', readonly: false }),
    hostname: TEXT,
    domainname: TEXT,
    mounts: list(struct('Mount', { destination: TEXT, type: TEXT, source: TEXT, options: TEXTS, uidMappings: ID_MAPPINGS, gidMappings: ID_MAPPINGS }, { destination: '' })),
    hooks: struct('Hooks', { prestart: HOOKS, createRuntime: HOOKS, createContainer: HOOKS, startContainer: HOOKS, poststart: HOOKS, poststop: HOOKS }),
    annotations: map(TEXT),
    linux: LINUX,
  },
  { ociVersion: '' },
);

function struct(go: string, fields: Readonly<Record<string, Shape>>, defaults: Readonly<Record<string, unknown>> = {}): StructShape {
  return { kind: 'struct', go, fields, defaults };
}

function list(of: Shape): Shape {
  return { kind: 'list', of };
}

function map(of: Shape): Shape {
  return { kind: 'map', of };
}

function integer(go: string, min: bigint, max: bigint): Shape & { kind: 'integer' } {
  return { kind: 'integer', go, min, max, wide: false };
}
