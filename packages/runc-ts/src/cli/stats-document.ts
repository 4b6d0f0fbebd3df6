import type { BlkioEntry, CgroupStats, CpuStats, MemoryCounter, MemoryStats } from '@dray/libcontainer';

/** The `data` of a statistics event, in the keys and order of runc's; zeros are left out where runc leaves them out. */
export function statsDocument(stats: CgroupStats): object {
  return {
    cpu: cpuDocument(stats.cpu),
    cpuset: cpusetDocument(stats),
    memory: memoryDocument(stats.memory),
    pids: nonZero({ current: stats.pids?.current, limit: stats.pids?.limit }),
    blkio: blkioDocument(stats),
    hugetlb: Object.fromEntries(Object.entries(stats.hugetlb ?? {}).map(([size, { usage, max, failcnt }]) => [size, { ...nonZero({ usage, max }), failcnt }])),
    intel_rdt: {},
    network_interfaces: null,
  };
}

function cpuDocument(cpu: CpuStats | undefined): object {
  if (cpu === undefined) return { usage: { kernel: 0, user: 0 }, throttling: {} };
  return {
    usage: {
      ...nonZero({ total: cpu.totalNanos }),
      ...nonEmpty({ percpu: cpu.perCpuNanos, percpu_kernel: cpu.perCpuKernelNanos, percpu_user: cpu.perCpuUserNanos }),
      kernel: cpu.kernelNanos,
      user: cpu.userNanos,
    },
    throttling: nonZero({ periods: cpu.periods, throttledPeriods: cpu.throttledPeriods, throttledTime: cpu.throttledNanos }),
  };
}

function cpusetDocument({ cpuset }: CgroupStats): object {
  const flags = ['cpu_exclusive', 'mem_hardwall', 'mem_exclusive', 'memory_migrate', 'memory_spread_page', 'memory_spread_slab', 'memory_pressure', 'sched_load_balance', 'sched_relax_domain_level'];
  const [cpuExclusive, ...others] = flags.map((flag) => [flag, cpuset?.flags[flag] ?? 0n] as const);
  return { ...nonEmpty({ cpus: cpuset?.cpus }), ...Object.fromEntries(cpuExclusive === undefined ? [] : [cpuExclusive]), ...nonEmpty({ mems: cpuset?.mems }), ...Object.fromEntries(others) };
}

function memoryDocument(memory: MemoryStats | undefined): object {
  if (memory === undefined) return { usage: { limit: 0, failcnt: 0 }, swap: { limit: 0, failcnt: 0 }, kernel: { limit: 0, failcnt: 0 }, kernelTCP: { limit: 0, failcnt: 0 } };
  const sorted = Object.fromEntries(Object.entries(memory.raw).sort(([left], [right]) => (left < right ? -1 : 1)));
  return {
    ...nonZero({ cache: memory.cache }),
    usage: counter(memory.usage),
    swap: counter(memory.swap),
    kernel: counter(memory.kernel),
    kernelTCP: counter(memory.kernelTcp),
    ...(Object.keys(sorted).length === 0 ? {} : { raw: sorted }),
  };
}

function counter({ limit, usage, max, failcnt }: MemoryCounter = { limit: 0n, usage: 0n, max: 0n, failcnt: 0n }): object {
  return { limit, ...nonZero({ usage, max }), failcnt };
}

function blkioDocument({ blkio }: CgroupStats): object {
  return nonEmpty(Object.fromEntries(Object.entries(blkio ?? {}).map(([key, entries]: [string, readonly BlkioEntry[]]) => [key, entries.map(({ major, minor, op, value }) => nonZero({ major, minor, op, value }))])));
}

function nonZero(values: Readonly<Record<string, number | bigint | string | undefined>>): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== 0 && value !== 0n && value !== ''));
}

function nonEmpty(values: Readonly<Record<string, readonly unknown[] | undefined>>): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value.length > 0));
}
