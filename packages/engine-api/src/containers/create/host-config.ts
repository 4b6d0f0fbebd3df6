/** Fills the host configuration's defaults, which inspect echoes. */
import type { HostConfig } from './types.ts';

/** What the daemon decides for containers that do not say. */
export interface HostDefaults {
  readonly runtime: string;
  readonly logDriver: string;
  readonly logOpts: Readonly<Record<string, string>>;
  readonly cgroupVersion: 1 | 2;
  readonly shmSizeBytes: number;
  readonly init: boolean;
}

/** Paths hidden from a container that is not privileged. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/asound', '/proc/acpi', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list', '/proc/timer_stats',
  '/proc/sched_debug', '/proc/scsi', '/sys/firmware', '/sys/devices/virtual/powercap',
];

/** Paths a container that is not privileged may only read. */
export const READONLY_PATHS: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** 64 MiB. */
export const DEFAULT_SHM_BYTES = 67_108_864;

/** Fills what the client left open. The argument is not changed. */
export function applyHostDefaults(given: HostConfig, defaults: HostDefaults): HostConfig {
  const masks = given.Privileged ? [] : [...MASKED_PATHS];
  const readonlys = given.Privileged ? [] : [...READONLY_PATHS];
  return {
    ...given,
    NetworkMode: given.NetworkMode === '' || given.NetworkMode === 'default' ? 'bridge' : given.NetworkMode,
    RestartPolicy: { ...given.RestartPolicy, Name: given.RestartPolicy.Name || 'no' },
    LogConfig: logConfig(given, defaults),
    IpcMode: given.IpcMode || 'private',
    CgroupnsMode: given.CgroupnsMode || (defaults.cgroupVersion === 2 && !given.Privileged ? 'private' : 'host'),
    ShmSize: given.ShmSize || defaults.shmSizeBytes,
    Runtime: given.Runtime || defaults.runtime,
    MemorySwap: given.Memory > 0 && given.MemorySwap === 0 ? given.Memory * 2 : given.MemorySwap,
    MemorySwappiness: given.MemorySwappiness === -1 ? null : given.MemorySwappiness,
    PidsLimit: given.PidsLimit !== null && given.PidsLimit <= 0 ? null : given.PidsLimit,
    PortBindings: given.PortBindings ?? {},
    MaskedPaths: given.MaskedPaths ?? masks,
    ReadonlyPaths: given.ReadonlyPaths ?? readonlys,
    Devices: given.Devices ?? [],
    BlkioWeightDevice: given.BlkioWeightDevice ?? [],
  };
}

function logConfig(given: HostConfig, defaults: HostDefaults): HostConfig['LogConfig'] {
  if (given.LogConfig.Type === '') {
    return { Type: defaults.logDriver, Config: { ...defaults.logOpts, ...given.LogConfig.Config } };
  }
  return { Type: given.LogConfig.Type, Config: given.LogConfig.Config ?? {} };
}
