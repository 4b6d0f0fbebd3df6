import { invalid } from './conversions.ts';
import type { BlockIoResources, CgroupResources, CpuResources, ThrottleDevice } from './resources.ts';

/** One write to a control file. */
export interface Setting {
  readonly controller: string;
  readonly file: string;
  readonly value: string;
}

/**
 * The plain writes that resources ask for on cgroup v1, in order. Memory limits, CPU bandwidth and devices are not among them: their order
 * depends on what is set already.
 * @throws LibcontainerError `invalid_argument` (`INVALID_RESOURCES`).
 */
export function settingsV1(resources: CgroupResources): Setting[] {
  if (Object.keys(resources.unified ?? {}).length > 0) throw invalid('invalid configuration: cannot use unified on cgroup v1');
  return [
    ...cpusetSettings(resources.cpu),
    ...memorySettings(resources),
    ...pidsSettings(resources),
    ...blkioSettings(resources.blockIO),
    ...(resources.hugepageLimits ?? []).map(({ pageSize, limit }) => ({ controller: 'hugetlb', file: `hugetlb.${pageSize}.limit_in_bytes`, value: String(limit) })),
    ...networkSettings(resources.network),
    ...rdmaLines(resources.rdma).map((value) => ({ controller: 'rdma', file: 'rdma.max', value })),
  ];
}

/** The lines of `rdma.max`. */
export function rdmaLines(rdma: CgroupResources['rdma']): string[] {
  return Object.entries(rdma ?? {}).map(([device, { hcaHandles, hcaObjects }]) => {
    const limits = [hcaHandles === undefined ? '' : `hca_handle=${hcaHandles}`, hcaObjects === undefined ? '' : `hca_object=${hcaObjects}`];
    return [device, ...limits.filter((limit) => limit !== '')].join(' ');
  });
}

/** "max" where the limit is below 0, which is how the specification writes unlimited. */
export function pidsLimitWord(limit: number): string {
  return limit > 0 ? String(limit) : 'max';
}

function cpusetSettings(cpu: CpuResources | undefined): Setting[] {
  return [...setting('cpuset', 'cpuset.cpus', cpu?.cpus), ...setting('cpuset', 'cpuset.mems', cpu?.mems)];
}

function memorySettings({ memory }: CgroupResources): Setting[] {
  const settings = [...setting('memory', 'memory.soft_limit_in_bytes', memory?.reservation)];
  if (memory?.disableOOMKiller === true) settings.push({ controller: 'memory', file: 'memory.oom_control', value: '1' });
  const swappiness = memory?.swappiness;
  if (swappiness !== undefined) {
    if (swappiness > 100 || swappiness < 0) throw invalid(`invalid memory swappiness value: ${swappiness} (valid range is 0-100)`);
    settings.push({ controller: 'memory', file: 'memory.swappiness', value: String(swappiness) });
  }
  return settings;
}

function pidsSettings({ pids }: CgroupResources): Setting[] {
  return pids?.limit === undefined || pids.limit === 0 ? [] : [{ controller: 'pids', file: 'pids.max', value: pidsLimitWord(pids.limit) }];
}

function blkioSettings(blockIO: BlockIoResources | undefined): Setting[] {
  if (blockIO === undefined) return [];
  const perDevice = (blockIO.weightDevice ?? []).flatMap(({ major, minor, weight, leafWeight }) => [
    ...setting('blkio', 'blkio.weight_device', weight === undefined ? undefined : `${major}:${minor} ${weight}`),
    ...setting('blkio', 'blkio.leaf_weight_device', leafWeight === undefined ? undefined : `${major}:${minor} ${leafWeight}`),
  ]);
  return [
    ...setting('blkio', 'blkio.weight', blockIO.weight),
    ...setting('blkio', 'blkio.leaf_weight', blockIO.leafWeight),
    ...perDevice,
    ...throttles('blkio.throttle.read_bps_device', blockIO.throttleReadBpsDevice),
    ...throttles('blkio.throttle.write_bps_device', blockIO.throttleWriteBpsDevice),
    ...throttles('blkio.throttle.read_iops_device', blockIO.throttleReadIOPSDevice),
    ...throttles('blkio.throttle.write_iops_device', blockIO.throttleWriteIOPSDevice),
  ];
}

function throttles(file: string, devices: readonly ThrottleDevice[] | undefined): Setting[] {
  return (devices ?? []).map(({ major, minor, rate }) => ({ controller: 'blkio', file, value: `${major}:${minor} ${rate}` }));
}

function networkSettings(network: CgroupResources['network']): Setting[] {
  const priorities = (network?.priorities ?? []).map(({ name, priority }) => ({ controller: 'net_prio', file: 'net_prio.ifpriomap', value: `${name} ${priority}` }));
  return [...setting('net_cls', 'net_cls.classid', network?.classID), ...priorities];
}

/** A setting, or none for a value that means "not set". */
function setting(controller: string, file: string, value: number | string | undefined): Setting[] {
  return value === undefined || value === 0 || value === '' ? [] : [{ controller, file, value: String(value) }];
}
