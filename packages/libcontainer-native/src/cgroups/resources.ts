/** The `linux.resources` object of an OCI runtime configuration; absent means "leave as it is". */
export interface CgroupResources {
  readonly devices?: readonly DeviceCgroupRule[];
  readonly memory?: MemoryResources;
  readonly cpu?: CpuResources;
  readonly pids?: { readonly limit?: number };
  readonly blockIO?: BlockIoResources;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  readonly network?: { readonly classID?: number; readonly priorities?: readonly { readonly name: string; readonly priority: number }[] };
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>>;
  /** cgroup v2 files by name; each value is written last and line by line. */
  readonly unified?: Readonly<Record<string, string>>;
}

/** Bytes; -1 is unlimited and 0 is as if absent. */
export interface MemoryResources {
  readonly limit?: number;
  readonly reservation?: number;
  /** Memory plus swap, as in cgroup v1. */
  readonly swap?: number;
  readonly swappiness?: number;
  readonly disableOOMKiller?: boolean;
  readonly useHierarchy?: boolean;
  readonly checkBeforeUpdate?: boolean;
  readonly kernel?: number;
  readonly kernelTCP?: number;
}

export interface CpuResources {
  readonly shares?: number;
  /** Microseconds per period; below 0 is unlimited. */
  readonly quota?: number;
  readonly burst?: number;
  readonly period?: number;
  readonly realtimeRuntime?: number;
  readonly realtimePeriod?: number;
  readonly cpus?: string;
  readonly mems?: string;
  readonly idle?: number;
}

export interface BlockIoResources {
  readonly weight?: number;
  readonly leafWeight?: number;
  readonly weightDevice?: readonly { readonly major: number; readonly minor: number; readonly weight?: number; readonly leafWeight?: number }[];
  readonly throttleReadBpsDevice?: readonly ThrottleDevice[];
  readonly throttleWriteBpsDevice?: readonly ThrottleDevice[];
  readonly throttleReadIOPSDevice?: readonly ThrottleDevice[];
  readonly throttleWriteIOPSDevice?: readonly ThrottleDevice[];
}

export interface ThrottleDevice {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

/** One rule of the device list, in the words of the OCI configuration. Without numbers it stands for all of them. */
export interface DeviceCgroupRule {
  readonly allow: boolean;
  /** `a` (all), `b` or `c`; absent is `a`. */
  readonly type?: string;
  readonly major?: number;
  readonly minor?: number;
  /** Some of `rwm`; absent is all. */
  readonly access?: string;
}
