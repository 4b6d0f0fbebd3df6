import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ApiClient } from './api-client.ts';
import { parseCommandLine } from './command-line.ts';
import { readDaemonJson } from './daemon-json.ts';
import { EngineError } from './errors.ts';
import { checkSocketsFree } from './sockets.ts';
import { isRunning, readPid } from './process-files.ts';
import { type Settings, makeSettings } from './settings.ts';

/** How long the engine may take to answer. */
const START_TIMEOUT_MS = 30_000;
/** How long the engine may take to end: as long as containers may take to stop, and then some. */
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 20;
const DOCKER_SOCKET = '/var/run/docker.sock';
const PRIVATE_SOCKET = '/run/dray/docker.sock';

/** Where an engine is, and how it is started. */
export interface EnginePlace {
  readonly socket: string;
  readonly settings: Settings;
  /** Arguments for `drayd`. */
  readonly args: readonly string[];
  /** Whether the socket was chosen because another engine has Docker's own. */
  readonly isPrivate: boolean;
}

/** Works out where the engine is that `args` (options of drayd) describe. Without a host: Docker's socket, or where another engine has that, a private one. */
export async function findPlace(args: readonly string[]): Promise<EnginePlace> {
  const flags = parseCommandLine(args);
  const file = flags.get('config-file');
  const json = readDaemonJson(typeof file === 'string' ? file : undefined, flags);
  const hasHost = flags.has('host') || json.values.has('host');
  const plain = makeSettings(flags, json);
  if (hasHost) return placeOf(plain, args, false);
  const pid = readPid(plain.pidFile);
  const isOurs = pid !== undefined && isRunning(pid, 'drayd');
  const isPrivate = isOurs ? await new ApiClient(PRIVATE_SOCKET).isUp() : !await isFree(plain);
  const hosts = isPrivate ? ['-H', `unix://${PRIVATE_SOCKET}`] : [];
  return placeOf(makeSettings(parseCommandLine([...args, ...hosts]), json), [...args, ...hosts], isPrivate);
}

async function isFree(settings: Settings): Promise<boolean> {
  try {
    await checkSocketsFree(settings.hosts);
    return true;
  } catch {
    return false;
  }
}

function placeOf(settings: Settings, args: readonly string[], isPrivate: boolean): EnginePlace {
  const host = settings.hosts.find((candidate) => candidate.kind === 'unix');
  if (host?.kind !== 'unix') throw new EngineError('invalid_argument', 'USAGE', 'dray-engine needs a unix socket among the hosts');
  return { settings, args, isPrivate, socket: host.path };
}

/** The process id of the engine, or undefined where it does not run. */
export function enginePid({ settings }: EnginePlace): number | undefined {
  const pid = readPid(settings.pidFile);
  return pid !== undefined && isRunning(pid, 'drayd') ? pid : undefined;
}

/** Starts the engine in the background unless it runs. Says whether it was started. @throws EngineError with the end of its log */
export async function startEngine(place: EnginePlace): Promise<boolean> {
  const client = new ApiClient(place.socket);
  if (enginePid(place) !== undefined && await client.isUp()) return false;
  if (process.getuid?.() !== 0) throw new EngineError('permission_denied', 'NOT_ROOT', 'the engine needs root: run this with sudo');
  fs.mkdirSync(place.settings.config.execRoot, { recursive: true, mode: 0o711 });
  const logFile = logFileOf(place);
  const log = fs.openSync(logFile, 'w', 0o600);
  const child = spawn(process.execPath, [draydCommand(), ...place.args], { detached: true, stdio: ['ignore', log, log], cwd: '/' });
  fs.closeSync(log);
  let exited: string | undefined;
  child.once('exit', (code, signal) => (exited = String(signal ?? code)));
  child.once('error', (error) => (exited = error.message));
  child.unref();
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!await client.isUp()) {
    const reason = exited === undefined ? performance.now() > deadline ? 'it did not answer in time' : undefined : `it exited ${exited}`;
    if (reason !== undefined) throw new EngineError('unavailable', 'NOT_RUNNING', `cannot start the engine: ${reason}:\n${fs.readFileSync(logFile, 'utf8').trim().split('\n').slice(-5).join('\n')}`);
    await sleep(POLL_MS);
  }
  return true;
}

/** The engine's log. */
export function logFileOf({ settings }: EnginePlace): string {
  return path.join(settings.config.execRoot, 'drayd.log');
}

function draydCommand(): string {
  // Two levels up from src/ and dist/, three from dist/bundle/.
  const here = path.dirname(fileURLToPath(import.meta.url));
  const found = [path.join(here, '../bin/drayd.mjs'), path.join(here, '../../bin/drayd.mjs')].find((file) => fs.existsSync(file));
  if (found === undefined) throw new EngineError('internal', 'NOT_RUNNING', 'cannot find the command drayd of this package');
  return found;
}

/** Ends the engine and waits until it has ended. Says whether there was one. */
export async function stopEngine(place: EnginePlace): Promise<boolean> {
  const pid = enginePid(place);
  if (pid === undefined) return false;
  process.kill(pid, 'SIGTERM');
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  while (isRunning(pid, 'drayd')) {
    if (performance.now() > deadline) throw new EngineError('unavailable', 'NOT_RUNNING', `the engine (pid ${pid}) does not end; see ${logFileOf(place)}`);
    await sleep(POLL_MS);
  }
  return true;
}

/** Whether a place is Docker's own socket. */
export function isDockerSocket(place: EnginePlace): boolean {
  return place.socket === DOCKER_SOCKET;
}
