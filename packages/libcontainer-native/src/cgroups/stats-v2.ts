import type { CgroupKernel } from './kernel.ts';
import { parseIoStat, parseRanges, parseRdma, StatFiles, UNLIMITED } from './stat-files.ts';
import { hugepageSizes } from './stats-v1.ts';
import type { BlkioEntry, BlkioStats, CgroupStats, CpuStats, HugetlbStats, MemoryStats } from './stats.ts';

const NANOS_PER_MICRO = 1000n;

/** Reads the counters of a v2 cgroup, in the shape that v1 gave them. */
export function statsV2(kernel: CgroupKernel, directory: string): CgroupStats {
  const files = new StatFiles(kernel, directory);
  const controllers = new Set(files.text('cgroup.controllers').split(' '));
  return {
    cpu: cpuStats(files),
    ...(controllers.has('cpuset') && { cpuset: { cpus: parseRanges(files.text('cpuset.cpus')), mems: parseRanges(files.text('cpuset.mems')), flags: {} } }),
    ...(controllers.has('memory') && { memory: memoryStats(files) }),
    ...(controllers.has('pids') && { pids: pidsStats(files) }),
    ...(controllers.has('io') && { blkio: ioStats(files) }),
    ...(controllers.has('hugetlb') && { hugetlb: hugetlbStats(files, hugepageSizes(kernel)) }),
    ...(controllers.has('rdma') && { rdma: { current: parseRdma(files.text('rdma.current')), limit: parseRdma(files.text('rdma.max')) } }),
  };
}

function pidsStats(files: StatFiles): { current: number; limit: number } {
  const limit = files.number('pids.max');
  return { current: Number(files.number('pids.current')), limit: limit === UNLIMITED ? 0 : Number(limit) };
}

function cpuStats(files: StatFiles): CpuStats {
  const stat = files.pairs('cpu.stat');
  const nanos = (key: string): bigint => (stat[key] ?? 0n) * NANOS_PER_MICRO;
  return {
    totalNanos: nanos('usage_usec'),
    userNanos: nanos('user_usec'),
    kernelNanos: nanos('system_usec'),
    perCpuNanos: [],
    perCpuKernelNanos: [],
    perCpuUserNanos: [],
    periods: stat['nr_periods'] ?? 0n,
    throttledPeriods: stat['nr_throttled'] ?? 0n,
    throttledNanos: nanos('throttled_usec'),
  };
}

function memoryStats(files: StatFiles): MemoryStats {
  const raw = files.pairs('memory.stat');
  const events = files.pairs('memory.events');
  const usage = { limit: files.number('memory.max'), usage: files.number('memory.current'), max: files.number('memory.peak'), failcnt: events['max'] ?? 0n };
  const swapLimit = files.number('memory.swap.max');
  const limit = swapLimit === UNLIMITED || usage.limit === UNLIMITED ? UNLIMITED : swapLimit + usage.limit;
  const swap = { limit, usage: files.number('memory.swap.current') + usage.usage, max: files.number('memory.swap.peak'), failcnt: files.pairs('memory.swap.events')['fail'] ?? 0n };
  return { usage, swap, cache: raw['file'] ?? 0n, raw, events };
}

function ioStats(files: StatFiles): BlkioStats {
  const devices = parseIoStat(files.text('io.stat'));
  const entries = (keys: Readonly<Record<string, string>>): BlkioEntry[] =>
    devices.flatMap(({ major, minor, values }) => Object.entries(keys).flatMap(([key, op]) => (values[key] === undefined ? [] : [{ major, minor, op, value: values[key] }])));
  return {
    ioServiceBytesRecursive: entries({ rbytes: 'Read', wbytes: 'Write', dbytes: 'Discard' }),
    ioServicedRecursive: entries({ rios: 'Read', wios: 'Write', dios: 'Discard' }),
    ioQueueRecursive: [],
    ioServiceTimeRecursive: [],
    ioWaitTimeRecursive: [],
    ioMergedRecursive: [],
    ioTimeRecursive: [],
    sectorsRecursive: [],
  };
}

function hugetlbStats(files: StatFiles, sizes: readonly string[]): Record<string, HugetlbStats> {
  return Object.fromEntries(sizes.map((size) => [size, { usage: files.number(`hugetlb.${size}.current`), max: 0n, failcnt: files.pairs(`hugetlb.${size}.events`)['max'] ?? 0n }]));
}
