/** Starts monitors for tests. The "runtime" is a shell that starts the process, names it in the pid file and ends. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MonitorClient, monitorArguments, parseMonitorExit, type MonitorExit, type MonitorOptions, type MonitorStatus } from '../src/monitor/index.ts';

/** `DRAY_NATIVE_BUILD` runs the suites against another build, for example one with sanitizers. */
export const buildDirectory: string = process.env['DRAY_NATIVE_BUILD'] ?? path.join(import.meta.dirname, '../build');
export const isBuilt: boolean = existsSync(path.join(buildDirectory, 'bin/dray-monitor'));

/** Where a build's monitor and logger are. */
export interface Build {
  readonly monitor: string;
  readonly logger: string;
}

export const staticBuild: Build = { monitor: path.join(buildDirectory, 'bin/dray-monitor'), logger: path.join(buildDirectory, 'bin/dray-logger') };

/** Builds with the address and undefined behaviour sanitizers into a folder. */
export function buildSanitized(folder: string): Build {
  execFileSync(process.execPath, [path.join(import.meta.dirname, '../scripts/build-native.mjs'), '--sanitize', '--out', folder], { stdio: 'pipe' });
  return { monitor: path.join(folder, 'bin/dray-monitor'), logger: path.join(folder, 'bin/dray-logger') };
}

/** The process waits until the shell has gone: some shells reap children that end before they do, which no runtime does. */
const AFTER_THE_SHELL = 'sh -c \'while kill -0 "$0" 2>/dev/null; do :; done; exec "$@"\' $$';
const RUNTIME = `exec 3<&0; ${AFTER_THE_SHELL} "$@" <&3 3<&- & echo $! > "$0"`;

/** A command that leaves a process behind and writes its pid where no monitor looks. */
export function leaveBehind(pidFile: string, script: string): string[] {
  return ['sh', '-c', `${AFTER_THE_SHELL} sh -c "$1" & echo $! > "$0"`, pidFile, script];
}

export class Monitor implements AsyncDisposable {
  readonly folder: string;
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  #client: MonitorClient | undefined;
  #statuses: MonitorStatus[] = [];
  #wake: (() => void) | undefined;
  #stderr = '';

  constructor(folder: string, child: ChildProcess) {
    this.folder = folder;
    this.process = child;
    this.exited = once(child, 'exit').then(([code]) => code as number | null);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => { this.#stderr += text; });
  }

  get stderr(): string {
    return this.#stderr;
  }

  file(name: string): string {
    return path.join(this.folder, name);
  }

  async client(): Promise<MonitorClient> {
    if (this.#client !== undefined) return this.#client;
    for (;;) {
      try {
        this.#client = await MonitorClient.connect(this.file('control.sock'));
        this.#statuses = [this.#client.status];
        this.#client.onStatus((status) => {
          this.#statuses.push(status);
          this.#wake?.();
        });
        return this.#client;
      } catch (error) {
        if (this.process.exitCode !== null) throw new Error(`the monitor ended with ${this.process.exitCode}: ${this.stderr}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }

  /** Waits until a status satisfies the condition. */
  async until(condition: (status: MonitorStatus) => boolean): Promise<MonitorStatus> {
    await this.client();
    for (;;) {
      const found = this.#statuses.find(condition);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => { this.#wake = resolve; });
    }
  }

  disconnect(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  exitFile(): MonitorExit {
    return parseMonitorExit(readFileSync(this.file('exit.json'), 'utf8'));
  }

  async taken(): Promise<number | null> {
    await (await this.client()).taken();
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const client = await this.client().catch(() => undefined);
      await client?.signal(9).catch(() => undefined);
      if (client !== undefined) await this.until((status) => status.exit !== undefined || status.pid === 0);
      await client?.taken().catch(() => client.quit()).catch(() => undefined);
      this.process.kill('SIGKILL');
    }
    this.disconnect();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export interface StartOptions extends MonitorOptions {
  readonly folder?: string;
  readonly build?: Build;
  /** The whole command instead of the shell "runtime". */
  readonly command?: readonly string[];
}

export function temporaryFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'dray-monitor-'));
}

export function startMonitor(argv: readonly string[], { folder = temporaryFolder(), build = staticBuild, command, ...options }: StartOptions = {}): Monitor {
  const pidFile = path.join(folder, 'pid');
  const args = monitorArguments({ control: path.join(folder, 'control.sock'), exitFile: path.join(folder, 'exit.json'), pidFile, log: path.join(folder, 'log'), ...options });
  const child = spawn(build.monitor, [...args, ...(command ?? ['sh', '-c', RUNTIME, pidFile, ...argv])], { stdio: ['ignore', 'ignore', 'pipe'], argv0: 'dray-monitor' });
  return new Monitor(folder, child);
}

export function makeFifo(file: string): string {
  execFileSync('mkfifo', [file]);
  return file;
}

/** An attach client: what it received after the 'K', and its end. */
export interface Attached {
  readonly socket: Socket;
  readonly ready: Promise<void>;
  readonly ended: Promise<Buffer>;
  received(): Buffer;
}

export function attach(file: string, { streams = 3, framed = true, paused = false }: { streams?: number; framed?: boolean; paused?: boolean } = {}): Attached {
  const socket = connect(file);
  const chunks: Buffer[] = [];
  const ready = Promise.withResolvers<undefined>();
  const ended = Promise.withResolvers<Buffer>();
  let greeted = false;
  socket.write(Buffer.concat([Buffer.from('DRAYATT1'), Buffer.from([streams, framed ? 1 : 0, 0, 0, 0, 0, 0, 0])]));
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk;
    if (!greeted) {
      if (chunk[0] !== 0x4b) ready.reject(new Error(`answered ${chunk.toString('hex')}`));
      greeted = true;
      rest = chunk.subarray(1);
      if (paused) socket.pause();
      ready.resolve(undefined);
    }
    if (rest.length > 0) chunks.push(rest);
  });
  socket.on('error', (error) => { ready.reject(error); });
  socket.on('close', () => {
    ready.reject(new Error('closed before it was answered'));
    ended.resolve(Buffer.concat(chunks));
  });
  ready.promise.catch(() => undefined);
  return { socket, ready: ready.promise, ended: ended.promise, received: () => Buffer.concat(chunks) };
}

/** Takes Docker's multiplex frames apart. */
export function demultiplex(bytes: Buffer): { readonly stdout: Buffer; readonly stderr: Buffer } {
  const parts: [Buffer[], Buffer[]] = [[], []];
  let at = 0;
  while (at < bytes.length) {
    const type = bytes.readUInt8(at);
    const size = bytes.readUInt32BE(at + 4);
    const list = type === 1 ? parts[0] : type === 2 ? parts[1] : undefined;
    if (list === undefined || at + 8 + size > bytes.length) throw new Error(`no frame at ${at}`);
    list.push(bytes.subarray(at + 8, at + 8 + size));
    at += 8 + size;
  }
  return { stdout: Buffer.concat(parts[0]), stderr: Buffer.concat(parts[1]) };
}

/** The URI of the built-in logger. */
export function loggerUri(pairs: Readonly<Record<string, string>>): string {
  return `binary:///opt/dray-logger?${new URLSearchParams(pairs).toString()}`;
}

export interface LogRecord {
  readonly log: string;
  readonly stream: string;
  readonly time: string;
  readonly attrs?: Readonly<Record<string, string>>;
}

export function readRecords(file: string): LogRecord[] {
  return readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as LogRecord);
}

export function rmFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
