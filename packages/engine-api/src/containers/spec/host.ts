/** Reads what the machine can do, once. */
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { release } from 'node:os';
import { capabilitiesOfMask } from './capabilities.ts';
import type { SpecHost } from './build.ts';
import { parseKernel } from './seccomp.ts';

/** Reads the facts that specifications depend on from /proc and /sys. */
export async function readSpecHost(): Promise<SpecHost> {
  const status = readFileSync('/proc/self/status', 'utf8');
  const mask = (name: string): string => new RegExp(`^${name}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0';
  return {
    arch: process.arch,
    kernel: parseKernel(release()),
    cgroupVersion: await exists('/sys/fs/cgroup/cgroup.controllers') ? 2 : 1,
    capabilities: capabilitiesOfMask(mask('CapBnd')),
    canRaiseLimits: capabilitiesOfMask(mask('CapEff')).includes('CAP_SYS_RESOURCE'),
    hardLimits: parseLimits(readFileSync('/proc/self/limits', 'utf8')),
    hasSeccomp: /^Seccomp:/m.test(status),
    possibleCpuCount: possibleCpus(),
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}

function possibleCpus(): number {
  try {
    const last = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim().split(/[-,]/).at(-1);
    return Number(last) + 1;
  } catch {
    return 0; // no sysfs: then there is nothing to mask either
  }
}

const LIMIT_NAMES: Readonly<Record<string, string>> = {
  'Max cpu time': 'CPU', 'Max file size': 'FSIZE', 'Max data size': 'DATA', 'Max stack size': 'STACK', 'Max core file size': 'CORE', 'Max resident set': 'RSS',
  'Max processes': 'NPROC', 'Max open files': 'NOFILE', 'Max locked memory': 'MEMLOCK', 'Max address space': 'AS', 'Max file locks': 'LOCKS',
  'Max pending signals': 'SIGPENDING', 'Max msgqueue size': 'MSGQUEUE', 'Max nice priority': 'NICE', 'Max realtime priority': 'RTPRIO', 'Max realtime timeout': 'RTTIME',
};

/** The hard limits in `/proc/<pid>/limits`, by `RLIMIT_` name; an unlimited one is the largest safe integer. */
export function parseLimits(text: string): Record<string, number> {
  const limits: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const match = /^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)/.exec(line);
    const name = LIMIT_NAMES[match?.[1] ?? ''];
    if (name !== undefined) limits[`RLIMIT_${name}`] = match?.[3] === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(match?.[3]);
  }
  return limits;
}
