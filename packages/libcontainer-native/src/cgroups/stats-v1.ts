import type { CgroupKernel } from './kernel.ts';
import type { CgroupPaths } from './paths.ts';
import { parseBlkioV1, parseRanges, parseRdma, StatFiles } from './stat-files.ts';
import type { BlkioStats, CgroupStats, CpusetStats, CpuStats, HugetlbStats, MemoryCounter, MemoryStats } from './stats.ts';

/** Clock ticks of cpuacct.stat are always hundredths of a second. */
const NANOS_PER_TICK = 10_000_000n;
const CPUSET_FLAGS = ['cpu_exclusive', 'mem_hardwall', 'mem_exclusive', 'memory_migrate', 'memory_spread_page', 'memory_spread_slab', 'memory_pressure', 'sched_load_balance', 'sched_relax_domain_level'];

/** Reads the counters of a container's v1 cgroups. */
export function statsV1(kernel: CgroupKernel, paths: CgroupPaths): CgroupStats {
  const files = (controller: string): StatFiles | undefined => (paths[controller] === undefined ? undefined : new StatFiles(kernel, paths[controller]));
  const [cpuacct, cpuset, memory, pids, blkio, hugetlb, rdma] = ['cpuacct', 'cpuset', 'memory', 'pids', 'blkio', 'hugetlb', 'rdma'].map(files);
  return {
    ...(cpuacct && { cpu: cpuStats(cpuacct, files('cpu')) }),
    ...(cpuset && { cpuset: cpusetStats(cpuset) }),
    ...(memory && { memory: memoryStats(memory) }),
    ...(pids && { pids: { current: Number(pids.number('pids.current')), limit: pidsLimit(pids) } }),
    ...(blkio && { blkio: blkioStats(blkio) }),
    ...(hugetlb && { hugetlb: hugetlbStats(hugetlb, hugepageSizes(kernel)) }),
    ...(rdma && { rdma: { current: parseRdma(rdma.text('rdma.current')), limit: parseRdma(rdma.text('rdma.max')) } }),
  };
}

/** The page sizes that the kernel has huge pages of, as cgroup files spell them (`2MB`). */
export function hugepageSizes(kernel: CgroupKernel): string[] {
  const names = kernel.exists('/sys/kernel/mm/hugepages') ? kernel.directories('/sys/kernel/mm/hugepages') : [];
  return names.flatMap((name) => {
    const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? NaN);
    if (Number.isNaN(kilobytes)) return [];
    if (kilobytes >= 1 << 20) return [`${kilobytes >> 20}GB`];
    return [kilobytes >= 1 << 10 ? `${kilobytes >> 10}MB` : `${kilobytes}KB`];
  });
}

/** 0 where there is no limit, as the originals report it. */
function pidsLimit(pids: StatFiles): number {
  const text = pids.text('pids.max');
  return text === 'max' ? 0 : Number(text);
}

function cpuStats(cpuacct: StatFiles, cpu: StatFiles | undefined): CpuStats {
  const ticks = cpuacct.pairs('cpuacct.stat');
  const throttling = cpu?.pairs('cpu.stat') ?? {};
  const perCpu = cpuacct.text('cpuacct.usage_all').split('\n').slice(1).map((line) => line.split(' ').map((word) => BigInt(/^\d+$/.test(word) ? word : 0)));
  return {
    totalNanos: cpuacct.number('cpuacct.usage'),
    perCpuNanos: cpuacct.text('cpuacct.usage_percpu').split(/\s+/).filter((word) => word !== '').map(BigInt),
    perCpuUserNanos: perCpu.map((columns) => columns[1] ?? 0n),
    perCpuKernelNanos: perCpu.map((columns) => columns[2] ?? 0n),
    kernelNanos: (ticks['system'] ?? 0n) * NANOS_PER_TICK,
    userNanos: (ticks['user'] ?? 0n) * NANOS_PER_TICK,
    periods: throttling['nr_periods'] ?? 0n,
    throttledPeriods: throttling['nr_throttled'] ?? 0n,
    throttledNanos: throttling['throttled_time'] ?? 0n,
  };
}

function cpusetStats(cpuset: StatFiles): CpusetStats {
  const flags = Object.fromEntries(CPUSET_FLAGS.map((flag) => [flag, cpuset.number(`cpuset.${flag}`)]));
  return { cpus: parseRanges(cpuset.text('cpuset.cpus')), mems: parseRanges(cpuset.text('cpuset.mems')), flags };
}

function memoryStats(memory: StatFiles): MemoryStats {
  const raw = memory.pairs('memory.stat');
  return {
    usage: memoryCounter(memory, ''),
    swap: memoryCounter(memory, 'memsw.'),
    kernel: memoryCounter(memory, 'kmem.'),
    kernelTcp: memoryCounter(memory, 'kmem.tcp.'),
    cache: raw['cache'] ?? 0n,
    raw,
    events: memory.pairs('memory.oom_control'),
  };
}

function memoryCounter(memory: StatFiles, infix: string): MemoryCounter {
  return {
    limit: memory.number(`memory.${infix}limit_in_bytes`),
    usage: memory.number(`memory.${infix}usage_in_bytes`),
    max: memory.number(`memory.${infix}max_usage_in_bytes`),
    failcnt: memory.number(`memory.${infix}failcnt`),
  };
}

/** With the CFQ or BFQ scheduler the recursive files have content; otherwise the throttle files count. */
function blkioStats(blkio: StatFiles): BlkioStats {
  const read = (file: string): ReturnType<typeof parseBlkioV1> => parseBlkioV1(blkio.text(`blkio.${file}`));
  const serviced = read('io_serviced_recursive');
  const bfq = serviced.length > 0;
  return {
    ioServiceBytesRecursive: bfq ? read('io_service_bytes_recursive') : read('throttle.io_service_bytes_recursive'),
    ioServicedRecursive: bfq ? serviced : read('throttle.io_serviced_recursive'),
    ioQueueRecursive: read('io_queued_recursive'),
    ioServiceTimeRecursive: read('io_service_time_recursive'),
    ioWaitTimeRecursive: read('io_wait_time_recursive'),
    ioMergedRecursive: read('io_merged_recursive'),
    ioTimeRecursive: read('time_recursive'),
    sectorsRecursive: read('sectors_recursive'),
  };
}

function hugetlbStats(hugetlb: StatFiles, sizes: readonly string[]): Record<string, HugetlbStats> {
  return Object.fromEntries(
    sizes.map((size) => [size, { usage: hugetlb.number(`hugetlb.${size}.usage_in_bytes`), max: hugetlb.number(`hugetlb.${size}.max_usage_in_bytes`), failcnt: hugetlb.number(`hugetlb.${size}.failcnt`) }]),
  );
}
