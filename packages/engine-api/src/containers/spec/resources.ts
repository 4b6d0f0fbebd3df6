/** Limits: from the API's numbers to the runtime specification's. */
import { stat } from 'node:fs/promises';
import { invalid } from '../../errors.ts';
import type { Resources, ThrottleDevice } from '../create/types.ts';
import { splitDeviceNumber } from './devices.ts';
import type { SpecResources, SpecThrottle } from './types.ts';

/** The scheduler period that `--cpus` is counted in, in microseconds. */
const CPU_PERIOD_MICROS = 100_000;

/** The limits of a container, without its device rules. Values that were not asked for are absent. */
export async function specResources(limits: Resources): Promise<SpecResources> {
  const blockIO = await specBlockIo(limits);
  const memory = specMemory(limits);
  const cpu = specCpu(limits);
  return {
    ...(memory ? { memory } : {}),
    ...(cpu ? { cpu } : {}),
    ...(limits.PidsLimit === null || limits.PidsLimit === 0 ? {} : { pids: { limit: Math.max(limits.PidsLimit, -1) } }),
    ...(blockIO ? { blockIO } : {}),
  };
}

function specMemory(limits: Resources): SpecResources['memory'] {
  const memory: NonNullable<SpecResources['memory']> = {};
  if (limits.Memory !== 0) memory.limit = limits.Memory;
  if (limits.MemoryReservation !== 0) memory.reservation = limits.MemoryReservation;
  if (limits.MemorySwap !== 0) memory.swap = limits.MemorySwap;
  if (limits.MemorySwappiness !== null && limits.MemorySwappiness >= 0) memory.swappiness = limits.MemorySwappiness;
  if (limits.OomKillDisable === true) memory.disableOOMKiller = true;
  return presentOnly(memory);
}

function specCpu(limits: Resources): SpecResources['cpu'] {
  const cpu: NonNullable<SpecResources['cpu']> = {};
  if (limits.CpuShares !== 0) cpu.shares = limits.CpuShares;
  if (limits.NanoCpus > 0) {
    cpu.period = CPU_PERIOD_MICROS;
    cpu.quota = Math.floor((limits.NanoCpus * CPU_PERIOD_MICROS) / 1e9);
  }
  if (limits.CpuPeriod !== 0) cpu.period = limits.CpuPeriod;
  if (limits.CpuQuota !== 0) cpu.quota = limits.CpuQuota;
  if (limits.CpuRealtimePeriod !== 0) cpu.realtimePeriod = limits.CpuRealtimePeriod;
  if (limits.CpuRealtimeRuntime !== 0) cpu.realtimeRuntime = limits.CpuRealtimeRuntime;
  if (limits.CpusetCpus !== '') cpu.cpus = limits.CpusetCpus;
  if (limits.CpusetMems !== '') cpu.mems = limits.CpusetMems;
  return presentOnly(cpu);
}

async function specBlockIo(limits: Resources): Promise<SpecResources['blockIO']> {
  const blockIO: NonNullable<SpecResources['blockIO']> = {};
  if (limits.BlkioWeight !== 0) blockIO.weight = limits.BlkioWeight;
  if (limits.BlkioWeightDevice?.length) {
    blockIO.weightDevice = await Promise.all(limits.BlkioWeightDevice.map(async (device) => ({ ...(await deviceNumber(device.Path)), weight: device.Weight })));
  }
  if (limits.BlkioDeviceReadBps?.length) blockIO.throttleReadBpsDevice = await throttles(limits.BlkioDeviceReadBps);
  if (limits.BlkioDeviceWriteBps?.length) blockIO.throttleWriteBpsDevice = await throttles(limits.BlkioDeviceWriteBps);
  if (limits.BlkioDeviceReadIOps?.length) blockIO.throttleReadIOPSDevice = await throttles(limits.BlkioDeviceReadIOps);
  if (limits.BlkioDeviceWriteIOps?.length) blockIO.throttleWriteIOPSDevice = await throttles(limits.BlkioDeviceWriteIOps);
  return presentOnly(blockIO);
}

async function throttles(devices: readonly ThrottleDevice[]): Promise<SpecThrottle[]> {
  return Promise.all(devices.map(async (device) => ({ ...(await deviceNumber(device.Path)), rate: device.Rate })));
}

async function deviceNumber(path: string): Promise<{ major: number; minor: number }> {
  try {
    return splitDeviceNumber((await stat(path)).rdev);
  } catch (err) {
    throw invalid(`${path}: ${err instanceof Error ? err.message : String(err)}`);
  }
}

function presentOnly<T extends object>(value: T): T | undefined {
  return Object.keys(value).length > 0 ? value : undefined;
}
