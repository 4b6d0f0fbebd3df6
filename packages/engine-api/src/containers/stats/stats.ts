/** `GET /containers/{id}/stats`. */
import { readFile } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { errorKind } from '../../errors.ts';
import type { Container } from '../lifecycle/container.ts';
import type { Engine } from '../lifecycle/engine.ts';
import { ZERO_TIME } from '../state/state.ts';
import { decodeMetrics, type CgroupStats } from './cgroup-metrics.ts';

/** One reading. */
export interface StatsSample {
  readonly read: string;
  readonly cgroup: CgroupStats | undefined;
  readonly networks: Record<string, Record<string, number>> | undefined;
  /** The whole machine's CPU time in nanoseconds. */
  readonly systemCpuNanos: number;
}

/** Reads a container's counters; a container that does not run gives a sample without any. */
export async function takeSample(engine: Engine, container: Container): Promise<StatsSample> {
  const { run } = container;
  if (!run) return { read: ZERO_TIME, cgroup: undefined, networks: undefined, systemCpuNanos: 0 };
  const [metrics, networks, systemCpuNanos] = await Promise.all([
    engine.tasks.metrics(container.id).catch((err: unknown) => {
      if (errorKind(err) === 'not_found') return undefined;
      throw err;
    }),
    container.record.hostConfig.NetworkMode === 'host' ? undefined : readNetworks(run.pid),
    readSystemCpu(),
  ]);
  return { read: new Date().toISOString(), cgroup: metrics && decodeMetrics(metrics, totalmem()), networks, systemCpuNanos };
}

async function readNetworks(pid: number): Promise<StatsSample['networks']> {
  try {
    return parseNetDev(await readFile(`/proc/${pid}/net/dev`, 'utf8'));
  } catch {
    return undefined; // the process has ended meanwhile
  }
}

/** The interfaces of `/proc/net/dev`, without the loopback. */
export function parseNetDev(text: string): Record<string, Record<string, number>> {
  const interfaces: Record<string, Record<string, number>> = {};
  for (const line of text.split('\n').slice(2)) {
    const [name = '', rest = ''] = line.split(':', 2);
    const counters = rest.trim().split(/\s+/).map(Number);
    if (rest === '' || counters.length < 16 || name.trim() === 'lo') continue;
    const at = (index: number): number => counters[index] ?? 0;
    interfaces[name.trim()] = {
      rx_bytes: at(0), rx_packets: at(1), rx_errors: at(2), rx_dropped: at(3), tx_bytes: at(8), tx_packets: at(9), tx_errors: at(10), tx_dropped: at(11),
    };
  }
  return interfaces;
}

/** Clock ticks of /proc/stat last 10 ms on Linux. */
const TICK_NANOS = 10_000_000;

async function readSystemCpu(): Promise<number> {
  return parseSystemCpu(await readFile('/proc/stat', 'utf8'));
}

/** The CPU time of the whole machine in /proc/stat: user, nice, system, idle, iowait, irq, softirq and steal. */
export function parseSystemCpu(text: string): number {
  const counters = /^cpu\s+(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/).slice(0, 8).map(Number) ?? [];
  return counters.reduce((sum, ticks) => sum + ticks, 0) * TICK_NANOS;
}

/** The answer's document for a reading and the one before it. */
export function statsView(container: Container, sample: StatsSample, previous: StatsSample | undefined): Record<string, unknown> {
  return {
    name: container.name,
    id: container.id,
    read: sample.read,
    preread: previous?.read ?? ZERO_TIME,
    pids_stats: sample.cgroup?.pids ?? {},
    blkio_stats: sample.cgroup?.blkio ?? {
      io_service_bytes_recursive: null, io_serviced_recursive: null, io_queue_recursive: null, io_service_time_recursive: null, io_wait_time_recursive: null,
      io_merged_recursive: null, io_time_recursive: null, sectors_recursive: null,
    },
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuView(sample),
    precpu_stats: cpuView(previous),
    memory_stats: sample.cgroup?.memory ?? {},
    ...(sample.networks ? { networks: sample.networks } : {}),
  };
}

function cpuView(sample: StatsSample | undefined): Record<string, unknown> {
  const zero = { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 };
  const throttling = { periods: 0, throttled_periods: 0, throttled_time: 0 };
  if (!sample?.cgroup) return { cpu_usage: zero, throttling_data: throttling };
  return {
    cpu_usage: sample.cgroup.cpuUsage,
    system_cpu_usage: sample.systemCpuNanos,
    online_cpus: availableParallelism(),
    throttling_data: sample.cgroup.throttling,
  };
}
