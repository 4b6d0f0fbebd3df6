import { cpuWeight, invalid, ioWeight, limitWord, swapMax } from './conversions.ts';
import type { BlockIoResources, CgroupResources, CpuResources, MemoryResources, ThrottleDevice } from './resources.ts';
import { pidsLimitWord, rdmaLines, type Setting } from './settings-v1.ts';

/**
 * The writes that resources ask for on cgroup v2, in runc's order: pids, memory, io, cpu, cpuset, hugetlb, rdma, unified. Settings that v2
 * does not have (swappiness, OOM switch, realtime, leaf weight, network) are left out, as the originals do.
 * @param hasBfq whether `io.bfq.weight` exists, which then takes the weight in place of `io.weight`
 * @throws LibcontainerError `invalid_argument` (`INVALID_RESOURCES`).
 */
export function settingsV2(resources: CgroupResources, hasBfq: boolean): Setting[] {
  return [
    ...(resources.pids?.limit === undefined || resources.pids.limit === 0 ? [] : [at('pids.max', pidsLimitWord(resources.pids.limit))]),
    ...memorySettings(resources.memory),
    ...ioSettings(resources.blockIO, hasBfq),
    ...cpuSettings(resources.cpu),
    ...optional('cpuset.cpus', resources.cpu?.cpus),
    ...optional('cpuset.mems', resources.cpu?.mems),
    ...(resources.hugepageLimits ?? []).map(({ pageSize, limit }) => at(`hugetlb.${pageSize}.max`, String(limit))),
    ...rdmaLines(resources.rdma).map((line) => at('rdma.max', line)),
    ...unifiedSettings(resources.unified),
  ];
}

function memorySettings(memory: MemoryResources | undefined): Setting[] {
  if (memory === undefined) return [];
  const limit = memory.limit ?? 0;
  const swap = swapMax(limit, memory.swap ?? 0);
  const settings = swap === undefined ? [] : [at('memory.swap.max', limitWord(swap))];
  if (limit !== 0) settings.push(at('memory.max', limitWord(limit)));
  if (memory.reservation !== undefined && memory.reservation !== 0) settings.push(at('memory.low', limitWord(memory.reservation)));
  return settings;
}

function cpuSettings(cpu: CpuResources | undefined): Setting[] {
  if (cpu === undefined) return [];
  const settings: Setting[] = [];
  if (cpu.idle !== undefined) settings.push(at('cpu.idle', String(cpu.idle)));
  // An idle group has a fixed weight; the kernel refuses another.
  if (cpu.idle !== 1) settings.push(...optional('cpu.weight', cpuWeight(cpu.shares ?? 0)));
  settings.push(...bandwidth(cpu));
  return settings;
}

/** The burst comes behind the quota, which bounds it. */
function bandwidth({ quota = 0, period = 0, burst }: CpuResources): Setting[] {
  const settings: Setting[] = [];
  if (quota !== 0 || period !== 0) settings.push(at('cpu.max', `${quota > 0 ? quota : 'max'} ${period === 0 ? 100_000 : period}`));
  if (burst !== undefined) settings.push(at('cpu.max.burst', String(burst)));
  return settings;
}

function ioSettings(blockIO: BlockIoResources | undefined, hasBfq: boolean): Setting[] {
  if (blockIO === undefined) return [];
  const weight = blockIO.weight ?? 0;
  const weights = hasBfq ? optional('io.bfq.weight', weight) : optional('io.weight', ioWeight(weight) === 0 ? 0 : `default ${ioWeight(weight)}`);
  const perDevice = hasBfq ? (blockIO.weightDevice ?? []).flatMap(({ major, minor, weight: own }) => optional('io.bfq.weight', own === undefined ? undefined : `${major}:${minor} ${own}`)) : [];
  return [
    ...weights,
    ...perDevice,
    ...throttles('rbps', blockIO.throttleReadBpsDevice),
    ...throttles('wbps', blockIO.throttleWriteBpsDevice),
    ...throttles('riops', blockIO.throttleReadIOPSDevice),
    ...throttles('wiops', blockIO.throttleWriteIOPSDevice),
  ];
}

function throttles(key: string, devices: readonly ThrottleDevice[] | undefined): Setting[] {
  return (devices ?? []).map(({ major, minor, rate }) => at('io.max', `${major}:${minor} ${key}=${rate === 0 ? 'max' : rate}`));
}

function unifiedSettings(unified: CgroupResources['unified']): Setting[] {
  return Object.entries(unified ?? {}).flatMap(([file, value]) => {
    if (file.includes('/')) throw invalid(`unified resource ${JSON.stringify(file)} must be a file name (no slashes)`);
    return value.split('\n').filter((line) => line !== '').map((line) => at(file, line));
  });
}

function at(file: string, value: string): Setting {
  return { controller: file.slice(0, file.indexOf('.')), file, value };
}

function optional(file: string, value: number | string | undefined): Setting[] {
  return value === undefined || value === 0 || value === '' ? [] : [at(file, String(value))];
}
