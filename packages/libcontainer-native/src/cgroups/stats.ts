/** Counters of a cgroup. Times are nanoseconds, sizes bytes; a controller that is missing is absent. */
export interface CgroupStats {
  readonly cpu?: CpuStats;
  readonly cpuset?: CpusetStats;
  readonly memory?: MemoryStats;
  readonly pids?: { readonly current: number; readonly limit: number };
  readonly blkio?: BlkioStats;
  readonly hugetlb?: Readonly<Record<string, HugetlbStats>>;
  readonly rdma?: { readonly current: readonly RdmaEntry[]; readonly limit: readonly RdmaEntry[] };
}

export interface CpuStats {
  readonly totalNanos: bigint;
  readonly perCpuNanos: readonly bigint[];
  readonly perCpuKernelNanos: readonly bigint[];
  readonly perCpuUserNanos: readonly bigint[];
  readonly kernelNanos: bigint;
  readonly userNanos: bigint;
  readonly throttledPeriods: bigint;
  readonly periods: bigint;
  readonly throttledNanos: bigint;
}

export interface CpusetStats {
  readonly cpus: readonly number[];
  readonly mems: readonly number[];
  /** The flag files of v1 by their names without "cpuset.", with underscores. */
  readonly flags: Readonly<Record<string, bigint>>;
}

/** 2^64-1 stands for "no limit" on v2, as the originals have it. */
export interface MemoryCounter {
  readonly limit: bigint;
  readonly usage: bigint;
  readonly max: bigint;
  readonly failcnt: bigint;
}

export interface MemoryStats {
  readonly usage: MemoryCounter;
  /** With memory, in the sense of v1, also on v2. */
  readonly swap: MemoryCounter;
  readonly kernel?: MemoryCounter;
  readonly kernelTcp?: MemoryCounter;
  readonly cache: bigint;
  /** `memory.stat` as it is. */
  readonly raw: Readonly<Record<string, bigint>>;
  /** `memory.events`, on v1 `memory.oom_control`: `oom_kill` counts on both. */
  readonly events?: Readonly<Record<string, bigint>>;
}

export interface BlkioEntry {
  readonly major: number;
  readonly minor: number;
  readonly op: string;
  readonly value: bigint;
}

export interface BlkioStats {
  readonly ioServiceBytesRecursive: readonly BlkioEntry[];
  readonly ioServicedRecursive: readonly BlkioEntry[];
  readonly ioQueueRecursive: readonly BlkioEntry[];
  readonly ioServiceTimeRecursive: readonly BlkioEntry[];
  readonly ioWaitTimeRecursive: readonly BlkioEntry[];
  readonly ioMergedRecursive: readonly BlkioEntry[];
  readonly ioTimeRecursive: readonly BlkioEntry[];
  readonly sectorsRecursive: readonly BlkioEntry[];
}

export interface HugetlbStats {
  readonly usage: bigint;
  readonly max: bigint;
  readonly failcnt: bigint;
}

export interface RdmaEntry {
  readonly device: string;
  readonly hcaHandles: bigint;
  readonly hcaObjects: bigint;
}
