/** A cgroup's counters, from containerd's metrics, in the shape of Docker's stats. */
import { Metrics as MetricsV1 } from '@dray/containerd-api/cgroups-v1';
import { Metrics as MetricsV2 } from '@dray/containerd-api/cgroups-v2';
import type { TaskMetrics } from '../tasks/task-port.ts';

/** One block device counter. */
export interface BlkioEntry {
  major: number;
  minor: number;
  op: string;
  value: number;
}

/** What the container used. */
export interface CgroupStats {
  readonly pids: { current?: number; limit?: number };
  readonly blkio: Record<string, BlkioEntry[] | null>;
  readonly cpuUsage: { total_usage: number; percpu_usage?: number[]; usage_in_kernelmode: number; usage_in_usermode: number };
  readonly throttling: { periods: number; throttled_periods: number; throttled_time: number };
  readonly memory: Record<string, unknown>;
}

/** Decodes either version. `undefined` for a type that is neither. */
export function decodeMetrics(metrics: TaskMetrics, hostMemoryBytes: number): CgroupStats | undefined {
  const name = metrics.typeUrl.split('/').at(-1) ?? '';
  if (name === MetricsV1.$type) return fromV1(MetricsV1.decode(metrics.value), hostMemoryBytes);
  return name === MetricsV2.$type ? fromV2(MetricsV2.decode(metrics.value), hostMemoryBytes) : undefined;
}

const NO_BLKIO = {
  io_service_bytes_recursive: null, io_serviced_recursive: null, io_queue_recursive: null, io_service_time_recursive: null, io_wait_time_recursive: null,
  io_merged_recursive: null, io_time_recursive: null, sectors_recursive: null,
};

function pidsOf(current: bigint | undefined, limit: bigint | undefined): CgroupStats['pids'] {
  return { ...(current ? { current: Number(current) } : {}), ...(limit ? { limit: Number(limit) } : {}) };
}

function fromV1(metrics: MetricsV1, hostMemoryBytes: number): CgroupStats {
  const { cpu, memory, blkio, pids } = metrics;
  const entries = (list: { op: string; major: bigint; minor: bigint; value: bigint }[] | undefined): BlkioEntry[] =>
    (list ?? []).map((entry) => ({ major: Number(entry.major), minor: Number(entry.minor), op: entry.op, value: Number(entry.value) }));
  return {
    pids: pidsOf(pids?.current, pids?.limit),
    blkio: blkio === undefined ? NO_BLKIO : {
      io_service_bytes_recursive: entries(blkio.ioServiceBytesRecursive), io_serviced_recursive: entries(blkio.ioServicedRecursive),
      io_queue_recursive: entries(blkio.ioQueuedRecursive), io_service_time_recursive: entries(blkio.ioServiceTimeRecursive),
      io_wait_time_recursive: entries(blkio.ioWaitTimeRecursive), io_merged_recursive: entries(blkio.ioMergedRecursive),
      io_time_recursive: entries(blkio.ioTimeRecursive), sectors_recursive: entries(blkio.sectorsRecursive),
    },
    cpuUsage: {
      total_usage: Number(cpu?.usage?.total ?? 0n), percpu_usage: (cpu?.usage?.perCpu ?? []).map(Number),
      usage_in_kernelmode: Number(cpu?.usage?.kernel ?? 0n), usage_in_usermode: Number(cpu?.usage?.user ?? 0n),
    },
    throttling: {
      periods: Number(cpu?.throttling?.periods ?? 0n), throttled_periods: Number(cpu?.throttling?.throttledPeriods ?? 0n),
      throttled_time: Number(cpu?.throttling?.throttledTime ?? 0n),
    },
    memory: memory === undefined ? {} : memoryV1(memory, hostMemoryBytes),
  };
}

function memoryV1(memory: NonNullable<MetricsV1['memory']>, hostMemoryBytes: number): Record<string, unknown> {
  const limit = Number(memory.usage?.limit ?? 0n);
  const count = (value: bigint): number => Number(value);
  return {
    usage: Number(memory.usage?.usage ?? 0n),
    max_usage: Number(memory.usage?.max ?? 0n),
    ...(memory.usage?.failcnt ? { failcnt: Number(memory.usage.failcnt) } : {}),
    limit: limit === 0 || limit > hostMemoryBytes ? hostMemoryBytes : limit,
    stats: {
      active_anon: count(memory.activeAnon), active_file: count(memory.activeFile), cache: count(memory.cache), dirty: count(memory.dirty),
      hierarchical_memory_limit: count(memory.hierarchicalMemoryLimit), hierarchical_memsw_limit: count(memory.hierarchicalSwapLimit),
      inactive_anon: count(memory.inactiveAnon), inactive_file: count(memory.inactiveFile), mapped_file: count(memory.mappedFile),
      pgfault: count(memory.pgFault), pgmajfault: count(memory.pgMajFault), pgpgin: count(memory.pgPgIn), pgpgout: count(memory.pgPgOut), rss: count(memory.rss),
      rss_huge: count(memory.rssHuge), total_active_anon: count(memory.totalActiveAnon), total_active_file: count(memory.totalActiveFile),
      total_cache: count(memory.totalCache), total_dirty: count(memory.totalDirty), total_inactive_anon: count(memory.totalInactiveAnon),
      total_inactive_file: count(memory.totalInactiveFile), total_mapped_file: count(memory.totalMappedFile), total_pgfault: count(memory.totalPgFault),
      total_pgmajfault: count(memory.totalPgMajFault), total_pgpgin: count(memory.totalPgPgIn), total_pgpgout: count(memory.totalPgPgOut),
      total_rss: count(memory.totalRss), total_rss_huge: count(memory.totalRssHuge), total_unevictable: count(memory.totalUnevictable),
      total_writeback: count(memory.totalWriteback), unevictable: count(memory.unevictable), writeback: count(memory.writeback),
    },
  };
}

const MICROS = 1000;

function fromV2(metrics: MetricsV2, hostMemoryBytes: number): CgroupStats {
  const { cpu, memory, io, pids } = metrics;
  const nanos = (micros: bigint | undefined): number => Number(micros ?? 0n) * MICROS;
  const bytes = (io?.usage ?? []).flatMap((entry): BlkioEntry[] => [
    { major: Number(entry.major), minor: Number(entry.minor), op: 'read', value: Number(entry.rbytes) },
    { major: Number(entry.major), minor: Number(entry.minor), op: 'write', value: Number(entry.wbytes) },
  ]);
  return {
    pids: pidsOf(pids?.current, pids?.limit),
    blkio: { ...NO_BLKIO, io_service_bytes_recursive: bytes.length > 0 ? bytes : null },
    cpuUsage: { total_usage: nanos(cpu?.usageUsec), usage_in_kernelmode: nanos(cpu?.systemUsec), usage_in_usermode: nanos(cpu?.userUsec) },
    throttling: { periods: Number(cpu?.nrPeriods ?? 0n), throttled_periods: Number(cpu?.nrThrottled ?? 0n), throttled_time: nanos(cpu?.throttledUsec) },
    memory: memory === undefined ? {} : memoryV2(memory, hostMemoryBytes),
  };
}

function memoryV2(memory: NonNullable<MetricsV2['memory']>, hostMemoryBytes: number): Record<string, unknown> {
  const limit = Number(memory.usageLimit);
  const count = (value: bigint): number => Number(value);
  return {
    usage: Number(memory.usage),
    limit: limit === 0 || limit > hostMemoryBytes ? hostMemoryBytes : limit,
    stats: {
      active_anon: count(memory.activeAnon), active_file: count(memory.activeFile), anon: count(memory.anon), anon_thp: count(memory.anonThp),
      file: count(memory.file), file_dirty: count(memory.fileDirty), file_mapped: count(memory.fileMapped), file_writeback: count(memory.fileWriteback),
      inactive_anon: count(memory.inactiveAnon), inactive_file: count(memory.inactiveFile), kernel_stack: count(memory.kernelStack),
      pgactivate: count(memory.pgactivate), pgdeactivate: count(memory.pgdeactivate), pgfault: count(memory.pgfault), pglazyfree: count(memory.pglazyfree),
      pglazyfreed: count(memory.pglazyfreed), pgmajfault: count(memory.pgmajfault), pgrefill: count(memory.pgrefill), pgscan: count(memory.pgscan),
      pgsteal: count(memory.pgsteal), shmem: count(memory.shmem), slab: count(memory.slab), slab_reclaimable: count(memory.slabReclaimable),
      slab_unreclaimable: count(memory.slabUnreclaimable), sock: count(memory.sock), thp_collapse_alloc: count(memory.thpCollapseAlloc),
      thp_fault_alloc: count(memory.thpFaultAlloc), unevictable: count(memory.unevictable), 
      workingset_nodereclaim: count(memory.workingsetNodereclaim), 
    },
  };
}
