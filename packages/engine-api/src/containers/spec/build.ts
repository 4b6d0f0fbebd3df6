/** The runtime specification document of one container: a pure function of what was asked for and what the host is. */
import { commandOf, envKey } from '../create/merge.ts';
import type { ContainerConfig, HostConfig } from '../create/types.ts';
import { capabilitiesFor } from './capabilities.ts';
import { ALL_DEVICES_RULE, defaultDeviceRules, parseDeviceRule } from './devices.ts';
import { specMounts, type MountPlan, type ResolvedMount } from './mounts.ts';
import { defaultSeccomp, parseSeccompProfile } from './seccomp.ts';
import { parseSecurityOptions } from './security-options.ts';
import type { Spec, SpecDevice, SpecDeviceRule, SpecNamespace, SpecProcess, SpecResources, SpecRlimit, SpecSeccomp, SpecUser } from './types.ts';

/** What the machine can do; read once when the daemon starts. */
export interface SpecHost {
  readonly arch: string;
  readonly kernel: readonly [number, number];
  readonly cgroupVersion: 1 | 2;
  /** The daemon's own bounding set: nobody gets more. */
  readonly capabilities: readonly string[];
  /** Without it hard limits cannot be raised nor the OOM score lowered. */
  readonly canRaiseLimits: boolean;
  /** The daemon's own hard limits, by `RLIMIT_` name. */
  readonly hardLimits: Readonly<Record<string, number>>;
  readonly hasSeccomp: boolean;
  readonly possibleCpuCount: number;
}

/** Namespaces of others that a container joins, as paths; an absent one is new, `host` is the host's. */
export interface JoinedNamespaces {
  readonly network?: string;
  readonly ipc?: string;
  readonly pid?: string;
  readonly uts?: string;
}

/** Everything the document depends on. */
export interface SpecRequest {
  readonly id: string;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly user: SpecUser;
  readonly mounts: readonly ResolvedMount[];
  readonly etcFiles: MountPlan['etcFiles'];
  readonly shm: MountPlan['shm'];
  readonly joined: JoinedNamespaces;
  readonly resources: SpecResources;
  readonly devices: { readonly devices: readonly SpecDevice[]; readonly rules: readonly SpecDeviceRule[] };
  /** A small init of the host for `--init`; undefined when not asked for. */
  readonly initPath: string | undefined;
  readonly cgroupParent: string;
  readonly linkEnv: readonly string[];
  readonly host: SpecHost;
}

/** Where programs are looked for unless the image says otherwise. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Where `--init` appears inside. */
const INIT_INSIDE = '/sbin/docker-init';

/** Writes the document. Values the host refuses to this daemon (raised limits) are reduced, see `limitWarnings`. */
export function buildSpec(request: SpecRequest): Spec {
  const { config, hostConfig, host } = request;
  const isPrivileged = hostConfig.Privileged;
  const process = containerProcess(request);
  const security = parseSecurityOptions(hostConfig.SecurityOpt);
  const seccomp = seccompOf(security.seccomp, process.capabilities.bounding, isPrivileged, host);
  const sysctl = sysctlsOf(hostConfig, request.joined);
  return {
    ociVersion: '1.2.0',
    process,
    root: { path: 'rootfs', readonly: hostConfig.ReadonlyRootfs },
    ...(hostConfig.UTSMode === 'host' ? {} : { hostname: config.Hostname }),
    ...(hostConfig.UTSMode === 'host' || config.Domainname === '' ? {} : { domainname: config.Domainname }),
    mounts: specMounts(mountPlan(request)),
    ...(hostConfig.Annotations && Object.keys(hostConfig.Annotations).length > 0 ? { annotations: hostConfig.Annotations } : {}),
    linux: {
      ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
      resources: { ...request.resources, devices: deviceRules(request) },
      cgroupsPath: `${request.cgroupParent}/${request.id}`,
      namespaces: namespaces(request),
      ...(request.devices.devices.length > 0 ? { devices: [...request.devices.devices] } : {}),
      ...(seccomp ? { seccomp } : {}),
      maskedPaths: maskedPaths(hostConfig, host.possibleCpuCount),
      readonlyPaths: isPrivileged ? [] : (hostConfig.ReadonlyPaths ?? []),
    },
  };
}

function containerProcess(request: SpecRequest): SpecProcess {
  const { config, hostConfig, host } = request;
  const command = commandOf(config);
  const security = parseSecurityOptions(hostConfig.SecurityOpt);
  const [height = 0, width = 0] = hostConfig.ConsoleSize;
  const capabilities = capabilitiesFor({
    isPrivileged: hostConfig.Privileged, add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [], available: host.capabilities,
  });
  const rlimits = rlimitsOf(hostConfig, host);
  return {
    terminal: config.Tty,
    ...(config.Tty && height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
    user: { ...request.user, additionalGids: [...new Set([request.user.gid, ...request.user.additionalGids])] },
    args: request.initPath === undefined ? command : [INIT_INSIDE, '--', ...command],
    env: environment(config, request.linkEnv),
    cwd: config.WorkingDir || '/',
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    ...(rlimits.length > 0 ? { rlimits } : {}),
    noNewPrivileges: security.isNoNewPrivileges,
    ...(security.apparmor !== undefined && security.apparmor !== 'unconfined' && !hostConfig.Privileged ? { apparmorProfile: security.apparmor } : {}),
    oomScoreAdj: host.canRaiseLimits ? hostConfig.OomScoreAdj : Math.max(hostConfig.OomScoreAdj, 0),
  };
}

/** The process's variables: defaults first, then links, then the configuration, where the last of one name wins and `KEY` alone removes. */
export function environment(config: Pick<ContainerConfig, 'Hostname' | 'Tty' | 'Env'>, linkEnv: readonly string[] = []): string[] {
  const defaults = [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${config.Hostname}`, ...(config.Tty ? ['TERM=xterm'] : []), ...linkEnv];
  return overrideEnv(defaults, config.Env ?? []);
}

/** Lays `entries` over `base`: same name replaces in place, a name without a value removes, new ones follow. */
export function overrideEnv(base: readonly string[], entries: readonly string[]): string[] {
  const result = new Map(base.map((entry) => [envKey(entry), entry]));
  for (const entry of entries) {
    if (entry.includes('=')) result.set(envKey(entry), entry);
    else result.delete(entry);
  }
  return [...result.values()];
}

function rlimitsOf(hostConfig: HostConfig, host: SpecHost): SpecRlimit[] {
  return (hostConfig.Ulimits ?? []).map((limit) => {
    const type = `RLIMIT_${limit.Name.toUpperCase()}`;
    const own = host.hardLimits[type];
    const unlimited = (value: number): number => (value < 0 ? Number.MAX_SAFE_INTEGER : value);
    const ceiling = host.canRaiseLimits || own === undefined ? Number.MAX_SAFE_INTEGER : own;
    return { type, hard: Math.min(unlimited(limit.Hard), ceiling), soft: Math.min(unlimited(limit.Soft), ceiling) };
  });
}

/** What had to be reduced because the daemon may not raise it, in words for the log. */
export function limitWarnings(hostConfig: HostConfig, host: SpecHost): string[] {
  if (host.canRaiseLimits) return [];
  const raised = (hostConfig.Ulimits ?? []).filter((limit) => limit.Hard > (host.hardLimits[`RLIMIT_${limit.Name.toUpperCase()}`] ?? Infinity));
  const warnings = raised.map((limit) => `cannot raise ulimit ${limit.Name} without CAP_SYS_RESOURCE, using the daemon's own`);
  if (hostConfig.OomScoreAdj < 0) warnings.push('cannot lower the OOM score without CAP_SYS_RESOURCE, using 0');
  return warnings;
}

function mountPlan(request: SpecRequest): MountPlan {
  const { hostConfig, host, initPath } = request;
  const init: ResolvedMount[] = initPath === undefined ? [] : [{ type: 'bind', source: initPath, destination: INIT_INSIDE, isReadonly: true, propagation: 'rprivate' }];
  return {
    isPrivileged: hostConfig.Privileged,
    isReadonlyRootfs: hostConfig.ReadonlyRootfs,
    canMountReadonlyRecursively: host.kernel[0] > 5 || (host.kernel[0] === 5 && host.kernel[1] >= 12),
    shm: request.shm,
    isHostIpc: hostConfig.IpcMode === 'host',
    etcFiles: request.etcFiles,
    requested: [...request.mounts, ...init],
  };
}

function deviceRules(request: SpecRequest): SpecDeviceRule[] {
  if (request.hostConfig.Privileged) return [ALL_DEVICES_RULE];
  return [...defaultDeviceRules(), ...request.devices.rules, ...(request.hostConfig.DeviceCgroupRules ?? []).map(parseDeviceRule)];
}

function namespaces(request: SpecRequest): SpecNamespace[] {
  const { joined, hostConfig } = request;
  const one = (type: string, path: string | undefined): SpecNamespace[] => (path === 'host' ? [] : [path === undefined ? { type } : { type, path }]);
  return [
    { type: 'mount' },
    ...one('network', joined.network),
    ...one('uts', joined.uts),
    ...one('pid', joined.pid),
    ...one('ipc', joined.ipc),
    ...(hostConfig.CgroupnsMode === 'private' ? [{ type: 'cgroup' }] : []),
  ];
}

function sysctlsOf(hostConfig: HostConfig, joined: JoinedNamespaces): Record<string, string> {
  const hasOwnNetwork = joined.network !== 'host' && !hostConfig.NetworkMode.startsWith('container:');
  return {
    ...(hasOwnNetwork ? { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '0 2147483647' } : {}),
    ...hostConfig.Sysctls,
  };
}

function maskedPaths(hostConfig: HostConfig, possibleCpuCount: number): string[] {
  const listed = hostConfig.Privileged ? [] : (hostConfig.MaskedPaths ?? []);
  if (listed.length === 0) return [];
  return [...listed, ...Array.from({ length: possibleCpuCount }, (_, cpu) => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`)];
}

function seccompOf(choice: string, capabilities: readonly string[], isPrivileged: boolean, host: SpecHost): SpecSeccomp | undefined {
  if (choice === 'unconfined' || !host.hasSeccomp) return undefined;
  const facts = { capabilities, arch: host.arch, kernel: host.kernel };
  if (choice === 'builtin' || choice === '') return isPrivileged ? undefined : defaultSeccomp(facts);
  return parseSeccompProfile(choice, facts);
}
