import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Finished, run } from './command.ts';
import { leftovers } from './residue.ts';

export const repository: string = path.resolve(import.meta.dirname, '../..');
/** The docker CLI nobody here wrote. */
export const dockerCli: string = ['/usr/local/bin/docker', '/usr/bin/docker'].find((file) => fs.existsSync(file)) ?? 'docker';

/** A Dray engine on private folders and a private socket, started by the command users start. */
export interface TestEngine extends AsyncDisposable {
  readonly folder: string;
  readonly host: string;
  readonly socket: string;
  readonly execRoot: string;
  readonly dataRoot: string;
  readonly containerdSocket: string;
  daemonPid(): number;
  containerdPid(): number;
  shimPids(): number[];
  /** Starts drayd again after it was killed. */
  restart(): Promise<void>;
  docker(...args: string[]): Promise<Finished>;
  dockerWithInput(input: string | Uint8Array, ...args: string[]): Promise<Finished>;
  /** Runs docker and fails unless it exits 0; the trimmed standard output. */
  ok(...args: string[]): Promise<string>;
  get(url: string): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }>;
  log(): string;
}

let bridges = 0;

/** Starts drayd with everything under one temporary folder. On disposal all containers are removed, the daemons end, and nothing may be left behind. */
export async function startEngine(extraArgs: string[] = []): Promise<TestEngine> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-e2e-'));
  const dataRoot = path.join(folder, 'data');
  const execRoot = path.join(folder, 'exec');
  const socket = path.join(folder, 'dray.sock');
  const logFile = path.join(folder, 'drayd.log');
  const subnet = 60 + ((process.pid + bridges++) % 60);
  const before = leftovers(folder, '');
  let daemon: ChildProcess;

  const start = async (): Promise<void> => {
    const output = fs.openSync(logFile, 'a');
    daemon = spawn(path.join(repository, 'node_modules/.bin/drayd'), [
      '--data-root', dataRoot, '--exec-root', execRoot, '--pidfile', path.join(folder, 'drayd.pid'), '-H', `unix://${socket}`,
      '--bip', `10.213.${subnet}.1/24`, ...extraArgs,
    ], { stdio: ['ignore', output, output], detached: true });
    fs.closeSync(output);
    await untilReady(socket, daemon, () => fs.readFileSync(logFile, 'utf8'));
  };
  await start();

  const environment = { ...process.env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: path.join(folder, 'client'), DOCKER_CLI_HINTS: 'false' };
  const engine: TestEngine = {
    folder, dataRoot, execRoot, socket, host: `unix://${socket}`,
    containerdSocket: path.join(execRoot, 'containerd/containerd.sock'),
    daemonPid: () => Number(fs.readFileSync(path.join(folder, 'drayd.pid'), 'utf8')),
    containerdPid: () => pidsWith(['dray-containerd', folder])[0] ?? 0,
    shimPids: () => pidsWith(['containerd-shim-dray-v2', folder]),
    restart: start,
    docker: (...args) => run(dockerCli, args, { env: environment }),
    dockerWithInput: (input, ...args) => run(dockerCli, args, { env: environment, input }),
    async ok(...args) {
      const finished = await run(dockerCli, args, { env: environment });
      if (finished.code !== 0) throw new Error(`docker ${args.join(' ')} exited ${finished.code}: ${finished.stderr}${finished.stdout}`);
      return finished.stdout.trim();
    },
    get: (url) => get(socket, url),
    log: () => fs.readFileSync(logFile, 'utf8'),
    async [Symbol.asyncDispose]() {
      const ids = (await engine.ok('ps', '-aq').catch(() => '')).split('\n').filter(Boolean);
      if (ids.length > 0) await engine.docker('rm', '-f', '-v', ...ids);
      const bridge = await engine.ok('network', 'inspect', '-f', '{{index .Options "com.docker.network.bridge.name"}}', 'bridge').catch(() => '');
      const containerd = engine.containerdPid();
      const shims = engine.shimPids();
      for (const pid of [daemon.pid ?? 0, engine.daemonPid()]) await end(pid);
      await end(containerd);
      for (const pid of shims) await end(pid);
      // The kernel takes network namespaces and their links down in the background.
      const left = (): string[] => leftovers(folder, bridge).filter((one) => !before.includes(one));
      await until(() => left().length === 0, 'nothing is left', 10_000).catch(() => undefined);
      const after = left();
      if (process.env['DRAY_E2E_KEEP'] === undefined) fs.rmSync(folder, { recursive: true, force: true });
      if (after.length > 0) throw new Error(`the engine left behind:\n${after.join('\n')}`);
    },
  };
  return engine;
}

async function untilReady(socket: string, daemon: ChildProcess, log: () => string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    if (daemon.exitCode !== null) throw new Error(`drayd exited ${daemon.exitCode}:\n${log()}`);
    const answer = await get(socket, '/_ping').catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(20);
  }
  throw new Error(`drayd did not answer in 30 s:\n${log()}`);
}

/** A plain HTTP GET on a unix socket. */
export function get(socketPath: string, url: string): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    http.get({ socketPath, path: url, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    }).on('error', reject);
  });
}

/** The ids of the processes whose command line holds all of `words`. */
export function pidsWith(words: string[]): number[] {
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    if (pid === process.pid) return false;
    try {
      const commandLine = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return words.every((word) => commandLine.includes(word));
    } catch {
      return false; // the process has ended meanwhile
    }
  });
}

export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Waits until `condition` holds; the clock only bounds a failure. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, timeoutMs = 30_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`timed out waiting until ${what}`);
    await sleep(25);
  }
}

async function end(pid: number): Promise<void> {
  if (!Number.isInteger(pid) || pid < 2 || !isAlive(pid)) return;
  process.kill(pid, 'SIGTERM');
  await until(() => !isAlive(pid), `process ${pid} ends`, 15_000).catch(() => process.kill(pid, 'SIGKILL'));
}
