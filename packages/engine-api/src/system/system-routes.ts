import fs from 'node:fs';
import type { ContainerService } from '../containers/container-service.ts';
import type { DaemonConfig } from '../config.ts';
import { invalid } from '../errors.ts';
import { API_VERSION, API_VERSION_MIN, type ApiVersion, type Route } from '../http/index.ts';
import type { HostFacts } from './host-facts.ts';
import { limitWarnings } from './host-facts.ts';

/** A part's version, as `docker version` lists it. */
export interface ComponentVersion { readonly name: string; readonly version: string; readonly gitCommit: string }

/** What the system endpoints tell about. */
export interface SystemRoutesOptions {
  readonly config: DaemonConfig;
  readonly facts: HostFacts;
  readonly id: string;
  readonly containers: () => ContainerService;
  readonly imageCount: () => Promise<number>;
  readonly eventListenerCount: () => number;
  /** containerd, the runtime and the init program, in this order; asked once per request. */
  readonly components: () => Promise<readonly ComponentVersion[]>;
  readonly diskUsage: () => Promise<DiskUsage>;
}

/** The parts of `GET /system/df`. */
export interface DiskUsage {
  images(): Promise<{ readonly layersSizeBytes: number; readonly images: readonly Record<string, unknown>[] }>;
  containers(): Promise<readonly unknown[]>;
  volumes(): Promise<readonly Record<string, unknown>[]>;
}

/** `GET /version`, `/info` and `/system/df`. */
export function systemRoutes(options: SystemRoutesOptions): Route[] {
  return [
    { method: 'GET', path: '/version', handle: async (context) => context.sendJson(200, await describeVersion(options)) },
    { method: 'GET', path: '/info', handle: async (context) => context.sendJson(200, await describeInfo(options, context.version)) },
    { method: 'GET', path: '/system/df', handle: async (context) => context.sendJson(200, await describeUsage(options, context.query.getAll('type'))) },
  ];
}

async function describeVersion({ config, facts, components }: SystemRoutesOptions): Promise<Record<string, unknown>> {
  const parts = await components();
  return {
    Platform: { Name: 'Dray' },
    Components: [
      { Name: 'Engine', Version: config.version, Details: {
        ApiVersion: API_VERSION, Arch: facts.architecture, BuildTime: config.buildTime, Experimental: String(config.experimental), GitCommit: config.gitCommit, GoVersion: `node ${process.version}`,
        KernelVersion: facts.kernelVersion, MinAPIVersion: API_VERSION_MIN, Os: 'linux',
      } },
      ...parts.map((part) => ({ Name: part.name, Version: part.version, Details: { GitCommit: part.gitCommit } })),
    ],
    Version: config.version,
    ApiVersion: API_VERSION,
    MinAPIVersion: API_VERSION_MIN,
    GitCommit: config.gitCommit,
    GoVersion: `node ${process.version}`,
    Os: 'linux',
    Arch: facts.architecture,
    KernelVersion: facts.kernelVersion,
    ...config.experimental ? { Experimental: true } : {},
    BuildTime: config.buildTime,
  };
}

async function describeInfo(options: SystemRoutesOptions, version: ApiVersion): Promise<Record<string, unknown>> {
  const { config, facts } = options;
  const [images, parts] = await Promise.all([options.imageCount(), options.components()]);
  const { limits } = facts;
  const commit = (index: number): Record<string, string> => ({ ID: parts[index]?.gitCommit || (parts[index]?.version ?? ''), ...version.atLeast('1.50') ? {} : { Expected: parts[index]?.gitCommit || (parts[index]?.version ?? '') } });
  return {
    ID: options.id,
    ...containerCounts(options.containers()),
    Images: images,
    Driver: config.snapshotter,
    DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']],
    Plugins: { Volume: ['local'], Network: ['bridge', 'host', 'null'], Authorization: null, Log: ['json-file', 'none'] },
    MemoryLimit: limits.memory,
    SwapLimit: limits.swap,
    CpuCfsPeriod: limits.cpuCfs,
    CpuCfsQuota: limits.cpuCfs,
    CPUShares: limits.cpuShares,
    CPUSet: limits.cpuset,
    PidsLimit: limits.pids,
    IPv4Forwarding: limits.ipv4Forwarding,
    ...version.atLeast('1.50') ? {} : { BridgeNfIptables: false, BridgeNfIp6tables: false },
    Debug: config.debug,
    NFd: fs.readdirSync('/proc/self/fd').length,
    OomKillDisable: limits.oomKillDisable,
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: config.logDriver,
    CgroupDriver: config.cgroupDriver,
    CgroupVersion: facts.cgroupVersion,
    NEventsListener: options.eventListenerCount(),
    KernelVersion: facts.kernelVersion,
    OperatingSystem: facts.operatingSystem,
    OSVersion: facts.osVersion,
    OSType: 'linux',
    Architecture: facts.machine,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(config),
    NCPU: facts.cpuCount,
    MemTotal: facts.memoryBytes,
    GenericResources: null,
    DockerRootDir: config.dataRoot,
    HttpProxy: redact(process.env['HTTP_PROXY'] ?? process.env['http_proxy'] ?? ''),
    HttpsProxy: redact(process.env['HTTPS_PROXY'] ?? process.env['https_proxy'] ?? ''),
    NoProxy: process.env['NO_PROXY'] ?? process.env['no_proxy'] ?? '',
    Name: facts.name,
    Labels: config.labels,
    ExperimentalBuild: config.experimental,
    ServerVersion: config.version,
    Runtimes: Object.fromEntries(Object.entries(config.runtimes).map(([name, runtime]) => [name, runtime.binary === undefined ? { runtimeType: runtime.shim } : { path: runtime.binary, ...runtime.args === undefined ? {} : { runtimeArgs: runtime.args } }])),
    DefaultRuntime: config.defaultRuntime,
    Swarm: { NodeID: '', NodeAddr: '', LocalNodeState: 'inactive', ControlAvailable: false, Error: '', RemoteManagers: null },
    LiveRestoreEnabled: config.liveRestore,
    Isolation: '',
    InitBinary: config.initPath === undefined ? '' : 'docker-init',
    ContainerdCommit: commit(0),
    RuncCommit: commit(1),
    InitCommit: commit(2),
    SecurityOptions: [...limits.apparmor ? ['name=apparmor'] : [], ...limits.seccomp ? ['name=seccomp,profile=builtin'] : [], ...facts.cgroupVersion === '2' ? ['name=cgroupns'] : []],
    ...version.atLeast('1.49') ? { FirewallBackend: { Driver: 'nftables' } } : {},
    Containerd: { Address: config.containerdAddress, Namespaces: { Containers: config.containerdNamespace, Plugins: `plugins.${config.containerdNamespace}` } },
    Warnings: nullIfEmpty(limitWarnings(facts)),
  };
}

function containerCounts(containers: ContainerService): Record<string, number> {
  const references = containers.references();
  const running = references.filter((one) => one.isRunning && !one.isPaused).length;
  const paused = references.filter((one) => one.isPaused).length;
  return { Containers: references.length, ContainersRunning: running, ContainersPaused: paused, ContainersStopped: references.length - running - paused };
}

function registryConfig(config: DaemonConfig): Record<string, unknown> {
  const isNetwork = (entry: string): boolean => /\/\d+$/.test(entry);
  const hosts = config.insecureRegistries.filter((entry) => !isNetwork(entry));
  return {
    InsecureRegistryCIDRs: [...config.insecureRegistries.filter(isNetwork), '::1/128', '127.0.0.0/8'],
    IndexConfigs: Object.fromEntries([
      ['docker.io', { Name: 'docker.io', Mirrors: config.registryMirrors, Secure: true, Official: true }],
      ...hosts.map((name) => [name, { Name: name, Mirrors: [], Secure: false, Official: false }]),
    ]),
    Mirrors: nullIfEmpty(config.registryMirrors),
  };
}

function nullIfEmpty<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

/** A proxy's URL without its user's password. */
function redact(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//xxxxx:xxxxx@');
}

const USAGE_TYPES = ['container', 'image', 'volume', 'build-cache'];

async function describeUsage(options: SystemRoutesOptions, types: readonly string[]): Promise<Record<string, unknown>> {
  const unknown = types.find((type) => !USAGE_TYPES.includes(type));
  if (unknown !== undefined) throw invalid(`unknown object type: ${unknown}`);
  const wants = (type: string): boolean => types.length === 0 || types.includes(type);
  const usage = await options.diskUsage();
  const images = wants('image') ? await usage.images() : undefined;
  return {
    LayersSize: images?.layersSizeBytes ?? 0,
    Images: images?.images ?? null,
    Containers: wants('container') ? await usage.containers() : null,
    Volumes: wants('volume') ? await usage.volumes() : null,
    BuildCache: wants('build-cache') ? [] : null,
    BuilderSize: 0,
  };
}
