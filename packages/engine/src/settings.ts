import { createHash } from 'node:crypto';
import os from 'node:os';
import path from 'node:path';
import type { DaemonConfig, RuntimeConfig, UlimitConfig } from '@dray/engine-api';
import { EngineError } from './errors.ts';
import { HOST_DEFAULT, type Host, parseHost } from './hosts.ts';
import type { DaemonJson } from './daemon-json.ts';
import type { LogLevel } from './log.ts';
import type { OptionValue } from './options.ts';
import { programs } from './programs.ts';
import { engineVersion } from './version.ts';

/** The shim of Dray's own runtime. */
const DRAY_SHIM = 'io.containerd.dray.v2';
const DATA_ROOT_DEFAULT = '/var/lib/dray';
const EXEC_ROOT_DEFAULT = '/run/dray';
const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'fatal'];
const LOG_DRIVERS = ['json-file', 'none'];

/** TLS files of the daemon. */
export interface TlsFiles { readonly certificate: string; readonly key: string; readonly authority?: string }

/** All that the daemon was told, with defaults filled in. */
export interface Settings {
  readonly config: DaemonConfig;
  readonly hosts: readonly Host[];
  readonly tls: TlsFiles | undefined;
  /** A containerd that runs already; undefined: the daemon keeps one of its own. */
  readonly containerd: string | undefined;
  readonly pidFile: string;
  readonly logLevel: LogLevel;
  /** The group of the unix socket, and whether the user named it. */
  readonly group: { readonly name: string; readonly isRequired: boolean };
}

/** Joins flags and configuration file; a flag that is also in the file was refused before. @throws EngineError USAGE, CONFIG, UNSUPPORTED */
export function makeSettings(flags: ReadonlyMap<string, OptionValue>, file: DaemonJson): Settings {
  const read = new OptionReader(flags, file.values);
  const [dataRoot, execRoot] = [path.resolve(read.text('data-root') ?? DATA_ROOT_DEFAULT), path.resolve(read.text('exec-root') ?? EXEC_ROOT_DEFAULT)];
  const isTlsVerified = read.bool('tlsverify') ?? false;
  const isTls = isTlsVerified || (read.bool('tls') ?? false);
  const containerd = read.text('containerd');
  const group = read.text('group');
  refuseUnsupported(read);
  return {
    config: makeConfig(read, file, { dataRoot, execRoot, containerdAddress: containerd ?? path.join(execRoot, 'containerd/containerd.sock') }),
    hosts: (read.list('host').length === 0 ? [HOST_DEFAULT] : read.list('host')).map((host) => parseHost(host, { isTls })),
    tls: isTls ? tlsFiles(read, isTlsVerified) : undefined,
    containerd,
    pidFile: path.resolve(read.text('pidfile') ?? (execRoot === EXEC_ROOT_DEFAULT ? '/run/drayd.pid' : path.join(execRoot, 'drayd.pid'))),
    logLevel: read.bool('debug') === true ? 'debug' : read.choice('log-level', LOG_LEVELS) ?? 'info',
    group: { name: group ?? 'docker', isRequired: group !== undefined },
  };
}

function makeConfig(read: OptionReader, file: DaemonJson, roots: { dataRoot: string; execRoot: string; containerdAddress: string }): DaemonConfig {
  const runtimes = makeRuntimes(read, file);
  const defaultRuntime = read.text('default-runtime') ?? 'dray';
  if (runtimes[defaultRuntime] === undefined) throw new EngineError('invalid_argument', 'CONFIG', `specified default runtime '${defaultRuntime}' does not exist`);
  const { version, gitCommit, buildTime } = engineVersion();
  const cgroupParent = read.text('cgroup-parent');
  return {
    version, gitCommit, buildTime,
    debug: read.bool('debug') ?? false,
    experimental: read.bool('experimental') ?? false,
    ...roots,
    containerdNamespace: read.text('containerd-namespace') ?? 'moby',
    snapshotter: snapshotterOf(read.text('storage-driver')),
    runtimes, defaultRuntime,
    loggerPath: programs().logger,
    liveRestore: read.bool('live-restore') ?? false,
    logDriver: read.choice('log-driver', LOG_DRIVERS) ?? 'json-file',
    logOptions: read.map('log-opt'),
    ...cgroupParent === undefined ? {} : { cgroupParent },
    cgroupDriver: cgroupDriver(read.list('exec-opt')),
    defaultUlimits: read.list('default-ulimit').map(parseUlimit),
    shmSizeBytes: parseBytes(read.text('default-shm-size') ?? '64m'),
    shutdownTimeoutSeconds: read.int('shutdown-timeout') ?? 15,
    labels: read.list('label'),
    registryMirrors: read.list('registry-mirror').map((mirror) => mirror.endsWith('/') ? mirror : `${mirror}/`),
    insecureRegistries: read.list('insecure-registry'),
    maxConcurrentDownloads: read.positive('max-concurrent-downloads') ?? 3,
    maxConcurrentUploads: read.positive('max-concurrent-uploads') ?? 5,
    maxDownloadAttempts: read.positive('max-download-attempts') ?? 5,
    network: {
      bridge: read.text('bridge') ?? defaultBridge(roots.dataRoot),
      ...read.text('bip') === undefined ? {} : { bip: read.text('bip') ?? '' },
      iptables: true, ipForward: true, ipMasquerade: true,
      ...read.int('mtu') === undefined ? {} : { mtu: read.int('mtu') ?? 1500 },
      dns: read.list('dns'), dnsOptions: read.list('dns-opt'), dnsSearch: read.list('dns-search'),
    },
  };
}

/** Options that dockerd has and that would change nothing here are refused instead of ignored. */
function refuseUnsupported(read: OptionReader): void {
  for (const flag of ['iptables', 'ip-masq', 'ip-forward']) {
    if (read.bool(flag) === false) throw new EngineError('not_implemented', 'UNSUPPORTED', `--${flag}=false is not implemented`);
  }
  if (read.text('bridge') === 'none') throw new EngineError('not_implemented', 'UNSUPPORTED', '--bridge=none is not implemented');
}

function makeRuntimes(read: OptionReader, file: DaemonJson): Record<string, RuntimeConfig> {
  const runtimes: Record<string, RuntimeConfig> = { dray: { shim: DRAY_SHIM } };
  const runc = ['/usr/sbin/runc', '/usr/bin/runc', '/usr/local/sbin/runc', '/usr/local/bin/runc'].find((candidate) => programs().exists(candidate));
  if (runc !== undefined) runtimes['runc'] = { shim: DRAY_SHIM, binary: runc };
  for (const [name, runtime] of Object.entries(file.runtimes)) {
    runtimes[name] = runtime.runtimeType === undefined ? { shim: DRAY_SHIM, binary: runtime.path ?? '', ...runtime.runtimeArgs === undefined ? {} : { args: runtime.runtimeArgs } } : { shim: runtime.runtimeType };
  }
  for (const text of read.list('add-runtime')) {
    const [, name, target] = /^([^=]+)=(.+)$/.exec(text.trim()) ?? [];
    if (name === undefined || target === undefined) throw new EngineError('invalid_argument', 'USAGE', `invalid argument ${JSON.stringify(text)} for "--add-runtime" flag: invalid runtime argument: ${text}`, { exitStatus: 125 });
    if (runtimes[name.toLowerCase()] !== undefined && name !== 'runc') throw new EngineError('invalid_argument', 'USAGE', `runtime '${name}' was already defined`, { exitStatus: 125 });
    runtimes[name.toLowerCase()] = target.startsWith('io.containerd.') ? { shim: target } : { shim: DRAY_SHIM, binary: target };
  }
  return runtimes;
}

function snapshotterOf(driver: string | undefined): string {
  if (driver === undefined || driver === 'overlay2' || driver === 'overlayfs') return 'overlayfs';
  if (driver === 'vfs' || driver === 'native') return 'native';
  throw new EngineError('invalid_argument', 'CONFIG', `error initializing graphdriver: driver not supported: ${driver}`);
}

function cgroupDriver(options: readonly string[]): 'cgroupfs' | 'systemd' {
  let driver: 'cgroupfs' | 'systemd' = 'cgroupfs';
  for (const option of options) {
    const [key, value] = option.split('=');
    if (key !== 'native.cgroupdriver') throw new EngineError('invalid_argument', 'CONFIG', `invalid exec-opt: ${option}`);
    if (value !== 'cgroupfs' && value !== 'systemd') throw new EngineError('invalid_argument', 'CONFIG', `native.cgroupdriver option ${value ?? ''} is not supported`);
    driver = value;
  }
  return driver;
}

function parseUlimit(text: string): UlimitConfig {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (match === null) throw new EngineError('invalid_argument', 'USAGE', `invalid ulimit argument: ${text}`, { exitStatus: 125 });
  return { name: match[1] ?? '', soft: Number(match[2]), hard: Number(match[3] ?? match[2]) };
}

/** `64m`, `1.5GiB`, `1024`: powers of 1024. @throws EngineError USAGE */
export function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kKmMgGtTpP])?[iI]?[bB]?$/.exec(text.trim());
  if (match === null) throw new EngineError('invalid_argument', 'USAGE', `invalid size: '${text}'`, { exitStatus: 125 });
  return Math.trunc(Number(match[1]) * 1024 ** (match[2] === undefined ? 0 : 'kmgtp'.indexOf(match[2].toLowerCase()) + 1));
}

/** Every data root has a bridge of its own, so that several daemons get along. */
function defaultBridge(dataRoot: string): string {
  return dataRoot === DATA_ROOT_DEFAULT ? 'dray0' : `dray-${createHash('sha256').update(dataRoot).digest('hex').slice(0, 8)}`;
}

function tlsFiles(read: OptionReader, isVerified: boolean): TlsFiles {
  const folder = process.env['DOCKER_CERT_PATH'] || path.join(os.homedir(), '.docker');
  const authority = read.text('tlscacert') ?? (isVerified ? path.join(folder, 'ca.pem') : undefined);
  return { certificate: read.text('tlscert') ?? path.join(folder, 'cert.pem'), key: read.text('tlskey') ?? path.join(folder, 'key.pem'), ...isVerified && authority !== undefined ? { authority } : {} };
}

/** Options by name, from the command line or else from the file. */
class OptionReader {
  readonly #flags: ReadonlyMap<string, OptionValue>;
  readonly #file: ReadonlyMap<string, OptionValue>;

  constructor(flags: ReadonlyMap<string, OptionValue>, file: ReadonlyMap<string, OptionValue>) {
    this.#flags = flags;
    this.#file = file;
  }

  #value(flag: string): OptionValue | undefined {
    return this.#flags.get(flag) ?? this.#file.get(flag);
  }

  text(flag: string): string | undefined {
    const value = this.#value(flag);
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  bool(flag: string): boolean | undefined {
    const value = this.#value(flag);
    return typeof value === 'boolean' ? value : undefined;
  }

  int(flag: string): number | undefined {
    const value = this.#value(flag);
    return typeof value === 'number' ? value : undefined;
  }

  positive(flag: string): number | undefined {
    const value = this.int(flag);
    if (value !== undefined && value < 1) throw new EngineError('invalid_argument', 'CONFIG', `invalid ${flag.replaceAll('-', ' ')}: ${value}`);
    return value;
  }

  list(flag: string): readonly string[] {
    const value = this.#value(flag);
    return Array.isArray(value) ? value as readonly string[] : [];
  }

  map(flag: string): Readonly<Record<string, string>> {
    const value = this.#value(flag);
    return typeof value === 'object' && !Array.isArray(value) ? value as Readonly<Record<string, string>> : {};
  }

  choice<T extends string>(flag: string, allowed: readonly T[]): T | undefined {
    const value = this.text(flag);
    const chosen = allowed.find((candidate) => candidate === value);
    if (value !== undefined && chosen === undefined) throw new EngineError('invalid_argument', 'CONFIG', `invalid ${flag.replace('-', ' ')}: ${value}`);
    return chosen;
  }
}
