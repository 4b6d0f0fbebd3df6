import fs from 'node:fs';
import os from 'node:os';

/** cgroup2's magic number in statfs. */
const CGROUP2_SUPER_MAGIC = 0x63677270;

/** What the machine is and what its kernel can limit. */
export interface HostFacts {
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  readonly osVersion: string;
  /** As `uname -m` says. */
  readonly machine: string;
  /** In Go's names. */
  readonly architecture: string;
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly name: string;
  readonly cgroupVersion: '1' | '2';
  readonly limits: LimitFacts;
}

/** Which limits the kernel has. */
export interface LimitFacts {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuCfs: boolean;
  readonly cpuShares: boolean;
  readonly cpuset: boolean;
  readonly pids: boolean;
  readonly ipv4Forwarding: boolean;
  readonly seccomp: boolean;
  readonly apparmor: boolean;
}

const GO_ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386', ppc64: 'ppc64le', s390x: 's390x', riscv64: 'riscv64', loong64: 'loong64' };

/** Reads what the machine is. What cannot be read counts as absent. */
export function readHostFacts(): HostFacts {
  const release = parseOsRelease(readText('/etc/os-release') || readText('/usr/lib/os-release'));
  const isUnified = isCgroup2('/sys/fs/cgroup');
  return {
    kernelVersion: os.release(),
    operatingSystem: release['PRETTY_NAME'] ?? 'Linux',
    osVersion: release['VERSION_ID'] ?? '',
    machine: os.machine(),
    architecture: GO_ARCHITECTURE[process.arch] ?? process.arch,
    cpuCount: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    name: os.hostname(),
    cgroupVersion: isUnified ? '2' : '1',
    limits: isUnified ? unifiedLimits() : legacyLimits(),
  };
}

function isCgroup2(path: string): boolean {
  try {
    return fs.statfsSync(path).type === CGROUP2_SUPER_MAGIC;
  } catch {
    return false;
  }
}

function commonLimits(): Pick<LimitFacts, 'ipv4Forwarding' | 'seccomp' | 'apparmor'> {
  return {
    ipv4Forwarding: readText('/proc/sys/net/ipv4/ip_forward').trim() === '1',
    seccomp: fs.existsSync('/proc/sys/kernel/seccomp/actions_avail'),
    apparmor: readText('/sys/module/apparmor/parameters/enabled').startsWith('Y') && fs.existsSync('/sys/kernel/security/apparmor'),
  };
}

function unifiedLimits(): LimitFacts {
  const controllers = new Set(readText('/sys/fs/cgroup/cgroup.controllers').trim().split(' '));
  return {
    memory: controllers.has('memory'), swap: controllers.has('memory'), oomKillDisable: false, cpuCfs: controllers.has('cpu'), cpuShares: controllers.has('cpu'),
    cpuset: controllers.has('cpuset'), pids: controllers.has('pids'), ...commonLimits(),
  };
}

function legacyLimits(): LimitFacts {
  const has = (file: string): boolean => fs.existsSync(`/sys/fs/cgroup/${file}`);
  return {
    memory: has('memory/memory.limit_in_bytes'), swap: has('memory/memory.memsw.limit_in_bytes'), oomKillDisable: has('memory/memory.oom_control'),
    cpuCfs: has('cpu/cpu.cfs_quota_us'), cpuShares: has('cpu/cpu.shares'), cpuset: has('cpuset/cpuset.cpus'), pids: has('pids'), ...commonLimits(),
  };
}

/** Parses `/etc/os-release`. */
export function parseOsRelease(text: string): Record<string, string> {
  return Object.fromEntries(text.split('\n').flatMap((line) => {
    const match = /^([A-Z_0-9]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line.trim());
    return match === null ? [] : [[match[1] ?? '', (match[2] ?? match[3] ?? match[4] ?? '').replaceAll(/\\(.)/g, '$1')]];
  }));
}

function readText(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The daemon's warnings about what the kernel cannot do, as `docker info` shows them. */
export function limitWarnings(facts: HostFacts): string[] {
  const { limits } = facts;
  const isLegacy = facts.cgroupVersion === '1';
  return [
    ...limits.memory ? [] : ['WARNING: No memory limit support'],
    ...limits.swap ? [] : ['WARNING: No swap limit support'],
    ...limits.oomKillDisable || !isLegacy ? [] : ['WARNING: No oom kill disable support'],
    ...limits.cpuCfs ? [] : ['WARNING: No cpu cfs quota support'],
    ...limits.cpuShares ? [] : ['WARNING: No cpu shares support'],
    ...limits.cpuset ? [] : ['WARNING: No cpuset support'],
    ...limits.pids ? [] : ['WARNING: No pids limit support'],
    ...limits.ipv4Forwarding ? [] : ['WARNING: IPv4 forwarding is disabled'],
  ];
}
