/** A container's counters as the Metrics messages of containerd/cgroups. */
import { packAny } from '@dray/containerd-api';
import { Metrics as MetricsV1 } from '@dray/containerd-api/cgroups-v1';
import { Metrics as MetricsV2 } from '@dray/containerd-api/cgroups-v2';
import type { Any } from '@dray/containerd-api/types';
import { loadCgroup, type BlkioEntry, type CgroupStats, type MemoryCounter } from '@dray/libcontainer';
import { cgroupPathsOf } from './cgroup-paths.ts';

type Raw = Readonly<Record<string, bigint>>;

/** Sizes that are no limit are reported as the largest number. */
const UNLIMITED = 2n ** 64n - 1n;
const NANOS_PER_MICRO = 1000n;

/** Reads the counters of the cgroups that a process is in. @throws the system's error when there is no such process */
export function readMetrics(pid: number): Any {
  const paths = cgroupPathsOf(pid);
  const cgroup = loadCgroup(paths);
  return cgroup.version === 2 ? packAny(MetricsV2, metricsV2(cgroup.stats())) : packAny(MetricsV1, metricsV1(cgroup.stats()));
}

function pick(raw: Raw, names: Readonly<Record<string, string>>): Record<string, bigint> {
  return Object.fromEntries(Object.entries(names).map(([field, key]) => [field, raw[key] ?? 0n]));
}

const memoryFieldsV1: Readonly<Record<string, string>> = {
  cache: 'cache', rss: 'rss', rssHuge: 'rss_huge', mappedFile: 'mapped_file', dirty: 'dirty', writeback: 'writeback', pgPgIn: 'pgpgin', pgPgOut: 'pgpgout', pgFault: 'pgfault',
  pgMajFault: 'pgmajfault', inactiveAnon: 'inactive_anon', activeAnon: 'active_anon', inactiveFile: 'inactive_file', activeFile: 'active_file', unevictable: 'unevictable',
  hierarchicalMemoryLimit: 'hierarchical_memory_limit', hierarchicalSwapLimit: 'hierarchical_memsw_limit', totalCache: 'total_cache', totalRss: 'total_rss',
  totalRssHuge: 'total_rss_huge', totalMappedFile: 'total_mapped_file', totalDirty: 'total_dirty', totalWriteback: 'total_writeback', totalPgPgIn: 'total_pgpgin',
  totalPgPgOut: 'total_pgpgout', totalPgFault: 'total_pgfault', totalPgMajFault: 'total_pgmajfault', totalInactiveAnon: 'total_inactive_anon',
  totalActiveAnon: 'total_active_anon', totalInactiveFile: 'total_inactive_file', totalActiveFile: 'total_active_file', totalUnevictable: 'total_unevictable',
};

const memoryFieldsV2: Readonly<Record<string, string>> = {
  anon: 'anon', file: 'file', kernelStack: 'kernel_stack', slab: 'slab', sock: 'sock', shmem: 'shmem', fileMapped: 'file_mapped', fileDirty: 'file_dirty', fileWriteback: 'file_writeback',
  anonThp: 'anon_thp', inactiveAnon: 'inactive_anon', activeAnon: 'active_anon', inactiveFile: 'inactive_file', activeFile: 'active_file', unevictable: 'unevictable',
  slabReclaimable: 'slab_reclaimable', slabUnreclaimable: 'slab_unreclaimable', pgfault: 'pgfault', pgmajfault: 'pgmajfault', workingsetNodereclaim: 'workingset_nodereclaim',
  pgrefill: 'pgrefill', pgscan: 'pgscan', pgsteal: 'pgsteal', pgactivate: 'pgactivate', pgdeactivate: 'pgdeactivate', pglazyfree: 'pglazyfree', pglazyfreed: 'pglazyfreed',
  thpFaultAlloc: 'thp_fault_alloc', thpCollapseAlloc: 'thp_collapse_alloc', workingsetRefaultAnon: 'workingset_refault_anon', workingsetRefaultFile: 'workingset_refault_file',
  workingsetActivateAnon: 'workingset_activate_anon', workingsetActivateFile: 'workingset_activate_file',
};

type Entries = NonNullable<Parameters<typeof MetricsV1.fromPartial>[0]['blkio']>['ioServicedRecursive'];

function entries(list: readonly BlkioEntry[]): NonNullable<Entries> {
  return list.map(({ major, minor, op, value }) => ({ op, device: '', major: BigInt(major), minor: BigInt(minor), value }));
}

function memoryEntry(counter: MemoryCounter | undefined): { limit: bigint; usage: bigint; max: bigint; failcnt: bigint } {
  return counter === undefined ? { limit: 0n, usage: 0n, max: 0n, failcnt: 0n } : { ...counter };
}

/** As containerd/cgroups reports v1. */
export function metricsV1({ cpu, memory, pids, blkio, hugetlb, rdma }: CgroupStats): Parameters<typeof MetricsV1.fromPartial>[0] {
  return {
    ...(pids && { pids: { current: BigInt(pids.current), limit: BigInt(pids.limit) } }),
    ...(cpu && {
      cpu: {
        usage: { total: cpu.totalNanos, kernel: cpu.kernelNanos, user: cpu.userNanos, perCpu: [...cpu.perCpuNanos] },
        throttling: { periods: cpu.periods, throttledPeriods: cpu.throttledPeriods, throttledTime: cpu.throttledNanos },
      },
    }),
    ...(memory && {
      memory: {
        ...pick(memory.raw, memoryFieldsV1), usage: memoryEntry(memory.usage), swap: memoryEntry(memory.swap), kernel: memoryEntry(memory.kernel), kernelTcp: memoryEntry(memory.kernelTcp),
      },
    }),
    ...(blkio && {
      blkio: {
        ioServiceBytesRecursive: entries(blkio.ioServiceBytesRecursive), ioServicedRecursive: entries(blkio.ioServicedRecursive), ioQueuedRecursive: entries(blkio.ioQueueRecursive),
        ioServiceTimeRecursive: entries(blkio.ioServiceTimeRecursive), ioWaitTimeRecursive: entries(blkio.ioWaitTimeRecursive), ioMergedRecursive: entries(blkio.ioMergedRecursive),
        ioTimeRecursive: entries(blkio.ioTimeRecursive), sectorsRecursive: entries(blkio.sectorsRecursive),
      },
    }),
    hugetlb: Object.entries(hugetlb ?? {}).map(([pagesize, { usage, max, failcnt }]) => ({ pagesize, usage, max, failcnt })),
    ...(rdma && { rdma: rdmaStat(rdma) }),
  };
}

/** As containerd/cgroups reports v2. */
export function metricsV2({ cpu, memory, pids, blkio, hugetlb, rdma }: CgroupStats): Parameters<typeof MetricsV2.fromPartial>[0] {
  return {
    ...(pids && { pids: { current: BigInt(pids.current), limit: pids.limit === 0 ? UNLIMITED : BigInt(pids.limit) } }),
    ...(cpu && {
      cpu: {
        usageUsec: cpu.totalNanos / NANOS_PER_MICRO, userUsec: cpu.userNanos / NANOS_PER_MICRO, systemUsec: cpu.kernelNanos / NANOS_PER_MICRO,
        nrPeriods: cpu.periods, nrThrottled: cpu.throttledPeriods, throttledUsec: cpu.throttledNanos / NANOS_PER_MICRO,
      },
    }),
    ...(memory && {
      memory: {
        ...pick(memory.raw, memoryFieldsV2), usage: memory.usage.usage, usageLimit: memory.usage.limit, maxUsage: memory.usage.max,
        swapUsage: memory.swap.usage - memory.usage.usage, swapLimit: memory.swap.limit === UNLIMITED ? UNLIMITED : memory.swap.limit - memory.usage.limit, swapMaxUsage: memory.swap.max,
      },
      memoryEvents: pick(memory.events ?? {}, { low: 'low', high: 'high', max: 'max', oom: 'oom', oomKill: 'oom_kill', oomGroupKill: 'oom_group_kill' }),
    }),
    ...(blkio && { io: { usage: ioEntries(blkio.ioServiceBytesRecursive, blkio.ioServicedRecursive) } }),
    hugetlb: Object.entries(hugetlb ?? {}).map(([pagesize, { usage, max, failcnt }]) => ({ pagesize, current: usage, max, failcnt })),
    ...(rdma && { rdma: rdmaStat(rdma) }),
  };
}

interface IoEntry { major: bigint; minor: bigint; rbytes: bigint; wbytes: bigint; rios: bigint; wios: bigint }

/** One entry for each device. */
function ioEntries(bytes: readonly BlkioEntry[], operations: readonly BlkioEntry[]): IoEntry[] {
  const devices = new Map<string, IoEntry>();
  const fields = [[bytes, 'rbytes', 'wbytes'], [operations, 'rios', 'wios']] as const;
  for (const [list, read, write] of fields) {
    for (const { major, minor, op, value } of list) {
      const key = `${major}:${minor}`;
      const entry = devices.get(key) ?? { major: BigInt(major), minor: BigInt(minor), rbytes: 0n, wbytes: 0n, rios: 0n, wios: 0n };
      devices.set(key, entry);
      if (op === 'Read') entry[read] = value;
      if (op === 'Write') entry[write] = value;
    }
  }
  return [...devices.values()];
}

function rdmaStat({ current, limit }: NonNullable<CgroupStats['rdma']>): Record<'current' | 'limit', { device: string; hcaHandles: number; hcaObjects: number }[]> {
  const convert = (list: typeof current): { device: string; hcaHandles: number; hcaObjects: number }[] => list.map(({ device, hcaHandles, hcaObjects }) => ({ device, hcaHandles: Number(hcaHandles), hcaObjects: Number(hcaObjects) }));
  return { current: convert(current), limit: convert(limit) };
}
