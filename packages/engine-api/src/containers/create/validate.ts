/** The checks of a create body beyond its types, with Docker's words. Each failed check is an EngineApiError of kind `invalid_argument`. */
import { isIP } from 'node:net';
import { invalid } from '../../errors.ts';
import { ALL_CAPABILITIES, normalizeCapability } from '../spec/capabilities.ts';
import { isHostPort, parsePortSpec } from './ports.ts';
import { parseSignal } from './signals.ts';
import type { ContainerConfig, HealthConfig, HostConfig, Resources, RestartPolicy } from './types.ts';

/** What the host has; limits are checked against it. */
export interface HostFacts {
  readonly cpuCount: number;
  /** The daemon's runtimes by name. */
  readonly runtimes: readonly string[];
  readonly logDrivers: readonly string[];
}

const MIB = 1024 * 1024;
/** Less memory than this and a runtime cannot start a process. */
const MEMORY_MIN_BYTES = 6 * MIB;

function rule(holds: boolean, words: string): void {
  if (!holds) throw invalid(words);
}

/** Checks everything about a new container that needs no look at images, volumes or networks. @throws EngineApiError `invalid_argument` */
export function validateCreate(config: ContainerConfig, hostConfig: HostConfig, host: HostFacts): void {
  validateConfig(config);
  validateHostConfig(hostConfig, host);
  validateCombination(config, hostConfig);
}

function validateConfig(config: ContainerConfig): void {
  rule(config.WorkingDir === '' || config.WorkingDir.startsWith('/'), `the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
  for (const entry of config.Env ?? []) rule(entry !== '' && !entry.startsWith('='), `invalid environment variable: ${entry}`);
  rule(config.StopSignal === '' || parseSignal(config.StopSignal) !== undefined, `invalid signal: ${config.StopSignal}`);
  for (const port of Object.keys(config.ExposedPorts ?? {})) rule(parsePortSpec(port) !== undefined, `invalid port specification: "${port}"`);
  if (config.Healthcheck) validateHealth(config.Healthcheck);
  for (const entry of config.Env ?? []) rule(!entry.includes('\0'), `invalid environment variable: ${JSON.stringify(entry)}`);
}

const MILLISECOND_NS = 1_000_000;

function validateHealth(health: HealthConfig): void {
  const longEnough = (ns: number): boolean => ns === 0 || ns >= MILLISECOND_NS;
  rule(longEnough(health.Interval), 'Interval in Healthcheck cannot be less than 1ms');
  rule(longEnough(health.Timeout), 'Timeout in Healthcheck cannot be less than 1ms');
  rule(health.Retries >= 0, 'Retries in Healthcheck cannot be negative');
  rule(longEnough(health.StartPeriod), 'StartPeriod in Healthcheck cannot be less than 1ms');
  rule(longEnough(health.StartInterval), 'StartInterval in Healthcheck cannot be less than 1ms');
}

function validateHostConfig(host: HostConfig, facts: HostFacts): void {
  validateRestartPolicy(host.RestartPolicy, host.AutoRemove);
  validateCapabilities(host);
  validatePorts(host);
  validateModes(host);
  for (const entry of host.ExtraHosts ?? []) rule(/^[^:=]+[:=].+$/.test(entry), `bad format for add-host: "${entry}"`);
  for (const dns of host.Dns ?? []) rule(isIP(dns) !== 0, `bad nameserver address: ${dns}`);
  for (const entry of host.DeviceCgroupRules ?? []) rule(matchDeviceRule(entry) !== null, `invalid device cgroup rule format: '${entry}'`);
  rule(host.Runtime === '' || facts.runtimes.includes(host.Runtime), `unknown or invalid runtime name: ${host.Runtime}`);
  rule(host.LogConfig.Type === '' || facts.logDrivers.includes(host.LogConfig.Type), `logger: no log driver named '${host.LogConfig.Type}' is registered`);
  validateLogOptions(host);
  rule(Object.keys(host.StorageOpt ?? {}).length === 0, '--storage-opt is supported only for overlay over xfs with \'pquota\' mount option');
  rule(host.Isolation === '' || host.Isolation === 'default', `invalid isolation (${host.Isolation}): linux only supports 'default'`);
  rule(host.ShmSize >= 0, 'SHM size can not be less than 0');
  rule(Math.abs(host.OomScoreAdj) <= 1000, `Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  validateResources(host, facts);
}

const DEVICE_RULE = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/;

/** The parts of `a *:* rwm` or `c 1:3 mr`: type, major, minor and access; null for anything else. */
export function matchDeviceRule(rule: string): RegExpExecArray | null {
  return DEVICE_RULE.exec(rule);
}

const JSON_FILE_OPTIONS = new Set(['max-size', 'max-file', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag', 'mode', 'max-buffer-size']);

function validateLogOptions(host: HostConfig): void {
  if (host.LogConfig.Type !== 'json-file' && host.LogConfig.Type !== '') return;
  const options = host.LogConfig.Config ?? {};
  for (const key of Object.keys(options)) rule(JSON_FILE_OPTIONS.has(key), `unknown log opt '${key}' for json-file log driver`);
  const maxFile = options['max-file'];
  rule(maxFile === undefined || (/^\d+$/.test(maxFile) && Number(maxFile) >= 1), `max-file cannot be less than 1`);
  const maxSize = options['max-size'];
  rule(maxSize === undefined || parseByteSize(maxSize) !== undefined, `failed to initialize logging driver: invalid size: '${maxSize ?? ''}'`);
}

/** Bytes of `10m`, `1g`, `512k` or `100`; `-1` is -1 (unlimited); `undefined` when malformed. Units are binary. */
export function parseByteSize(value: string): number | undefined {
  if (value === '-1') return -1;
  const match = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])?i?b?)$/i.exec(value);
  if (!match) return undefined;
  const power = match[2] === undefined ? 0 : 'kmgtp'.indexOf(match[2].toLowerCase()) + 1;
  return Math.floor(Number(match[1]) * 1024 ** power);
}

/** @throws EngineApiError `invalid_argument` for a policy that does not exist or contradicts itself */
export function validateRestartPolicy(policy: RestartPolicy, isAutoRemove: boolean): void {
  const name = policy.Name;
  rule(!isAutoRemove || name === '' || name === 'no', "can't create 'AutoRemove' container with restart policy");
  rule(['', 'no', 'always', 'on-failure', 'unless-stopped'].includes(name),
    `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  rule(name === 'on-failure' || policy.MaximumRetryCount === 0, "invalid restart policy: maximum retry count can only be used with 'on-failure'");
  rule(policy.MaximumRetryCount >= 0, 'invalid restart policy: maximum retry count cannot be negative');
}

function validateCapabilities(host: HostConfig): void {
  for (const [field, names] of [['CapAdd', host.CapAdd], ['CapDrop', host.CapDrop]] as const) {
    for (const name of names ?? []) {
      const full = normalizeCapability(name);
      rule(full === 'ALL' || ALL_CAPABILITIES.includes(full), `invalid ${field}: unknown capability: "${full}"`);
    }
  }
}

function validatePorts(host: HostConfig): void {
  for (const [port, bindings] of Object.entries(host.PortBindings ?? {})) {
    rule(parsePortSpec(port) !== undefined, `invalid port specification: "${port}"`);
    for (const binding of bindings ?? []) {
      rule(isHostPort(binding.HostPort), `invalid port specification: "${binding.HostPort}"`);
      rule(binding.HostIp === '' || isIP(binding.HostIp) !== 0, `invalid IP address: ${binding.HostIp}`);
    }
  }
}

function validateModes(host: HostConfig): void {
  rule(/^(|none|private|shareable|host|container:.+)$/.test(host.IpcMode), `invalid IPC mode: ${host.IpcMode}`);
  rule(/^(|host|container:.+)$/.test(host.PidMode), `invalid PID mode: ${host.PidMode}`);
  rule(/^(|host)$/.test(host.UTSMode), `invalid UTS mode: ${host.UTSMode}`);
  rule(/^(|host)$/.test(host.UsernsMode), `invalid userns mode: ${host.UsernsMode}`);
  rule(/^(|private|host)$/.test(host.CgroupnsMode), `invalid CgroupNS mode: ${host.CgroupnsMode}`);
}

/** Checks limits against minima and the host, on create and update. @throws EngineApiError `invalid_argument` */
export function validateResources(limits: Resources, facts: Pick<HostFacts, 'cpuCount'>): void {
  validateMemory(limits);
  validateCpu(limits, facts.cpuCount);
  const weight = limits.BlkioWeight;
  rule(weight === 0 || (weight >= 10 && weight <= 1000), 'Range of blkio weight is from 10 to 1000');
}

function validateMemory(limits: Resources): void {
  const { Memory, MemorySwap, MemoryReservation, MemorySwappiness } = limits;
  rule(Memory === 0 || Memory >= MEMORY_MIN_BYTES, 'Minimum memory limit allowed is 6MB');
  rule(!(Memory > 0 && MemorySwap > 0 && MemorySwap < Memory), 'Minimum memoryswap limit should be larger than memory limit, see usage');
  rule(!(Memory === 0 && MemorySwap > 0), 'You should always set the Memory limit when using Memoryswap limit, see usage');
  rule(MemorySwappiness === null || (MemorySwappiness >= -1 && MemorySwappiness <= 100),
    `Invalid value: ${MemorySwappiness ?? 0}, valid memory swappiness range is 0-100`);
  rule(MemoryReservation === 0 || MemoryReservation >= MEMORY_MIN_BYTES, 'Minimum memory reservation allowed is 6MB');
  rule(!(Memory > 0 && MemoryReservation > 0 && Memory < MemoryReservation), 'Minimum memory limit can not be less than memory reservation limit, see usage');
}

function validateCpu(limits: Resources, cpuCount: number): void {
  const { NanoCpus, CpuPeriod, CpuQuota } = limits;
  rule(!(NanoCpus !== 0 && CpuPeriod !== 0), 'Conflicting options: Nano CPUs and CPU Period cannot both be set');
  rule(!(NanoCpus !== 0 && CpuQuota !== 0), 'Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  rule(NanoCpus >= 0 && NanoCpus <= cpuCount * 1e9, `Range of CPUs is from 0.01 to ${cpuCount}.00, as there are only ${cpuCount} CPUs available`);
  rule(limits.CpuShares >= 0, 'CPU shares can not be less than 0');
  rule(CpuPeriod === 0 || (CpuPeriod >= 1000 && CpuPeriod <= 1_000_000), 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  rule(CpuQuota <= 0 || CpuQuota >= 1000, 'CPU cfs quota can not be less than 1ms (i.e. 1000)');
  validateCpuSet(limits.CpusetCpus, 'cpuset cpus', 'CPUs', cpuCount);
  validateCpuSet(limits.CpusetMems, 'cpuset mems', 'memory nodes', undefined);
}

function validateCpuSet(value: string, field: string, noun: string, count: number | undefined): void {
  if (value === '') return;
  const parts = value.split(',');
  const isWellFormed = parts.every((part) => /^\d+(-\d+)?$/.test(part) && Number(part.split('-')[0]) <= Number(part.split('-')[1] ?? part));
  rule(isWellFormed, `Invalid value ${value} for ${field}`);
  if (count === undefined) return;
  const highest = Math.max(...parts.flatMap((part) => part.split('-').map(Number)));
  rule(highest < count, `Requested ${noun} are not available - requested ${value}, available: 0-${count - 1}`);
}

function validateCombination(config: ContainerConfig, host: HostConfig): void {
  const mode = host.NetworkMode;
  rule(!(host.UTSMode === 'host' && config.Hostname !== ''), 'conflicting options: hostname and the UTS mode');
  rule(!(host.UTSMode === 'host' && config.Domainname !== ''), 'conflicting options: domainname and the UTS mode');
  if (mode === 'host') {
    rule((host.Links ?? []).length === 0, "conflicting options: host type networking can't be used with links. This would result in undefined behavior");
  }
  if (!mode.startsWith('container:')) return;
  rule(mode.length > 'container:'.length, 'Container name is required for container type network mode');
  rule(config.Hostname === '', 'conflicting options: hostname and the network mode');
  rule((host.Links ?? []).length === 0, 'conflicting options: container type network can\'t be used with links. This would result in undefined behavior');
  rule((host.Dns ?? []).length === 0, 'conflicting options: dns and the network mode');
  rule((host.ExtraHosts ?? []).length === 0, 'conflicting options: custom host-to-IP mapping and the network mode');
  rule(Object.keys(host.PortBindings ?? {}).length === 0 && !host.PublishAllPorts, 'conflicting options: port publishing and the container type network mode');
  rule(Object.keys(config.ExposedPorts ?? {}).length === 0, 'conflicting options: port exposing and the container type network mode');
}
