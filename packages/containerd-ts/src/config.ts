import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { parse } from 'smol-toml';
import { ContainerdError, errnoCode, errorText } from './errors.ts';
import { SCHEDULER_DEFAULTS, type SchedulerOptions } from './gc/index.ts';
import { parseDurationMs } from './duration.ts';

/** A unix socket and whom it belongs to. */
export interface SocketConfig {
  readonly address: string;
  readonly uid: number;
  readonly gid: number;
}

/** How much the daemon says. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'panic';

/** What the daemon is told by its configuration file and its command line. */
export interface Config {
  /** What survives a reboot. */
  readonly root: string;
  /** What belongs to running tasks. */
  readonly state: string;
  readonly grpc: SocketConfig & { readonly receiveBytesMax: number; readonly sendBytesMax: number };
  /** Where shims deliver events; `<grpc address>.ttrpc` unless it is set. */
  readonly ttrpc: SocketConfig;
  readonly logLevel: LogLevel;
  /** Full names such as `io.containerd.snapshotter.v1.native`. */
  readonly disabledPlugins: readonly string[];
  readonly scheduler: SchedulerOptions;
  /** Roots of snapshotters that lie elsewhere, by snapshotter. */
  readonly snapshotterRoots: Readonly<Record<string, string>>;
  /** Keys of the file that mean nothing here. */
  readonly ignoredKeys: readonly string[];
}

/** Where the file lies when the command line does not say. */
export const CONFIG_PATH_DEFAULT = '/etc/dray-containerd/config.toml';

const ROOT_DEFAULT = '/var/lib/dray-containerd';
const STATE_DEFAULT = '/run/dray-containerd';
const MESSAGE_BYTES_MAX: number = 16 * 1024 * 1024;
const VERSION_MAX = 3;
const SOCKET_PATH_MAX = 106;
const LOG_LEVELS: ReadonlySet<string> = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'panic']);

/** What the command line says; each wins over the file. */
export interface ConfigOverrides {
  readonly root?: string | undefined;
  readonly state?: string | undefined;
  readonly address?: string | undefined;
  readonly logLevel?: string | undefined;
}

/**
 * Reads the configuration file.
 *
 * @param path the file; undefined reads the default one, which may be missing
 * @throws ContainerdError `invalid_argument`, `INVALID_CONFIG`
 */
export function loadConfig(path: string | undefined, overrides: ConfigOverrides = {}): Config {
  try {
    return parseConfig(readFileSync(path ?? CONFIG_PATH_DEFAULT, 'utf8'), overrides);
  } catch (error) {
    if (path === undefined && errnoCode(error) === 'ENOENT') return parseConfig('', overrides);
    throw new ContainerdError(`cannot load config "${path ?? CONFIG_PATH_DEFAULT}": ${errorText(error)}`, { kind: 'invalid_argument', code: 'INVALID_CONFIG', cause: error });
  }
}

/** Parses the text of a configuration file. */
export function parseConfig(text: string, overrides: ConfigOverrides = {}): Config {
  const file = new Table('', parse(text));
  const version = file.number('version', 2);
  if (version < 0 || version > VERSION_MAX) throw invalid(`version ${String(version)} is not supported, want at most ${String(VERSION_MAX)}`);
  const grpc = file.table('grpc');
  const ttrpc = file.table('ttrpc');
  const state = absolute('state', overrides.state ?? file.string('state', STATE_DEFAULT));
  const address = socketPath('grpc.address', overrides.address ?? grpc.string('address', `${state}/containerd.sock`));
  const uid = grpc.number('uid', 0);
  const gid = grpc.number('gid', 0);
  return {
    root: absolute('root', overrides.root ?? file.string('root', ROOT_DEFAULT)),
    state,
    grpc: { address, uid, gid, receiveBytesMax: grpc.number('max_recv_message_size', MESSAGE_BYTES_MAX), sendBytesMax: grpc.number('max_send_message_size', MESSAGE_BYTES_MAX) },
    ttrpc: { address: socketPath('ttrpc.address', ttrpc.string('address', '') || `${address}.ttrpc`), uid: ttrpc.number('uid', uid), gid: ttrpc.number('gid', gid) },
    logLevel: logLevel(overrides.logLevel ?? file.table('debug').string('level', '')),
    disabledPlugins: file.strings('disabled_plugins'),
    scheduler: schedulerOptions(file.table('plugins').table('io.containerd.gc.v1.scheduler')),
    snapshotterRoots: snapshotterRoots(file.table('plugins')),
    ignoredKeys: file.unread(),
  };
}

/** The default configuration as a file: what `config default` prints. */
export function renderDefaultConfig(): string {
  const { root, state, grpc, scheduler } = parseConfig('');
  return `version = 2
root = ${JSON.stringify(root)}
state = ${JSON.stringify(state)}
disabled_plugins = []

[grpc]
  address = ${JSON.stringify(grpc.address)}
  uid = ${String(grpc.uid)}
  gid = ${String(grpc.gid)}
  max_recv_message_size = ${String(grpc.receiveBytesMax)}
  max_send_message_size = ${String(grpc.sendBytesMax)}

[ttrpc]
  address = ""
  uid = 0
  gid = 0

[debug]
  level = ""

[plugins]

  [plugins."io.containerd.gc.v1.scheduler"]
    pause_threshold = ${String(scheduler.pauseThreshold)}
    deletion_threshold = ${String(scheduler.deletionThreshold)}
    mutation_threshold = ${String(scheduler.mutationThreshold)}
    schedule_delay = "${String(scheduler.scheduleDelayMs)}ms"
    startup_delay = "${String(scheduler.startupDelayMs)}ms"

  [plugins."io.containerd.snapshotter.v1.native"]
    root_path = ""

  [plugins."io.containerd.snapshotter.v1.overlayfs"]
    root_path = ""
`;
}

function schedulerOptions(table: Table): SchedulerOptions {
  return {
    pauseThreshold: table.number('pause_threshold', SCHEDULER_DEFAULTS.pauseThreshold),
    deletionThreshold: table.number('deletion_threshold', SCHEDULER_DEFAULTS.deletionThreshold),
    mutationThreshold: table.number('mutation_threshold', SCHEDULER_DEFAULTS.mutationThreshold),
    scheduleDelayMs: table.duration('schedule_delay', SCHEDULER_DEFAULTS.scheduleDelayMs),
    startupDelayMs: table.duration('startup_delay', SCHEDULER_DEFAULTS.startupDelayMs),
  };
}

function snapshotterRoots(plugins: Table): Record<string, string> {
  const roots: Record<string, string> = {};
  for (const name of ['overlayfs', 'native']) {
    const path = plugins.table(`io.containerd.snapshotter.v1.${name}`).string('root_path', '');
    if (path !== '') roots[name] = absolute('root_path', path);
  }
  return roots;
}

function logLevel(text: string): LogLevel {
  if (text === '') return 'info';
  if (!LOG_LEVELS.has(text)) throw invalid(`not a valid log level: "${text}"`);
  return text as LogLevel;
}

function absolute(key: string, path: string): string {
  if (!isAbsolute(path)) throw invalid(`${key} "${path}" must be an absolute path`);
  return path;
}

function socketPath(key: string, text: string): string {
  const path = absolute(key, text.startsWith('unix://') ? text.slice('unix://'.length) : text);
  if (Buffer.byteLength(path) > SOCKET_PATH_MAX) throw invalid(`${key} "${path}" is longer than ${String(SOCKET_PATH_MAX)} bytes, which is all a unix socket can have`);
  return path;
}

/** Reads a TOML table key by key and remembers which keys were read. */
class Table {
  readonly #name: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #read = new Map<string, Table | undefined>();

  constructor(name: string, values: Readonly<Record<string, unknown>>) {
    this.#name = name;
    this.#values = values;
  }

  string(key: string, fallback: string): string {
    const value = this.#take(key) ?? fallback;
    if (typeof value !== 'string') throw this.#wrong(key, 'a string');
    return value;
  }

  number(key: string, fallback: number): number {
    const value = this.#take(key) ?? fallback;
    if (typeof value !== 'number') throw this.#wrong(key, 'a number');
    return value;
  }

  /** Milliseconds of a text such as `100ms`. */
  duration(key: string, fallbackMs: number): number {
    const value = this.#take(key);
    if (value === undefined) return fallbackMs;
    const parsed = typeof value === 'string' ? parseDurationMs(value) : undefined;
    if (parsed === undefined) throw this.#wrong(key, 'a duration');
    return parsed;
  }

  strings(key: string): string[] {
    const value = this.#take(key) ?? [];
    if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) throw this.#wrong(key, 'a list of strings');
    return value;
  }

  table(key: string): Table {
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    const value = this.#take(key) ?? {};
    if (typeof value !== 'object' || Array.isArray(value)) throw this.#wrong(key, 'a table');
    const table = new Table(this.#path(key), Object.fromEntries(Object.entries(value)));
    this.#read.set(key, table);
    return table;
  }

  /** The full names of the keys that nobody asked for. */
  unread(): string[] {
    return Object.keys(this.#values).flatMap((key) => {
      if (!this.#read.has(key)) return [this.#path(key)];
      return this.#read.get(key)?.unread() ?? [];
    });
  }

  #take(key: string): unknown {
    if (!this.#read.has(key)) this.#read.set(key, undefined);
    return Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
  }

  #path(key: string): string {
    return this.#name === '' ? key : `${this.#name}.${key}`;
  }

  #wrong(key: string, wanted: string): Error {
    return invalid(`${this.#path(key)} must be ${wanted}`);
  }
}

function invalid(text: string): ContainerdError {
  return new ContainerdError(text, { kind: 'invalid_argument', code: 'INVALID_CONFIG' });
}
