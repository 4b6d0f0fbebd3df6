/** Drives any OCI runtime by its command line, with go-runc's arguments. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MonitorClient, MonitorStatus } from '@dray/libcontainer';
import { errorText, ShimError } from '../errors.ts';
import type { RuntimeRecord } from '../state/task-record.ts';
import { monitorFailure, ProcessMonitor, reapMonitor, startMonitor, type MonitorFiles } from '../task/process-monitor.ts';
import { readRuntimeError } from './runtime-log.ts';
import type { CreateContainer, ExecInContainer, MonitoredProcess, MonitorSetup, OciRuntime } from './oci-runtime.ts';

/** A runtime says far less; more is cut off. */
const OUTPUT_BYTES_MAX = 1 << 20;

export interface CommandRuntimeOptions {
  readonly id: string;
  readonly bundle: string;
  readonly runtime: RuntimeRecord;
  /** Gets what the runtime went on in spite of. */
  readonly warn: (message: string) => void;
}

/** An OCI runtime's command, for one container. */
export class CommandRuntime implements OciRuntime {
  readonly #id: string;
  readonly #bundle: string;
  readonly #runtime: RuntimeRecord;

  constructor({ id, bundle, runtime }: CommandRuntimeOptions) {
    this.#id = id;
    this.#bundle = bundle;
    this.#runtime = runtime;
  }

  create({ bundle, monitor }: CreateContainer): Promise<MonitoredProcess> {
    const pidFile = path.join(bundle, 'init.pid');
    const args = ['create', '--bundle', bundle, '--pid-file', pidFile, ...consoleArguments(monitor)];
    if (this.#runtime.noPivotRoot) args.push('--no-pivot');
    if (this.#runtime.noNewKeyring) args.push('--no-new-keyring');
    return this.#runMonitored([...args, this.#id], pidFile, monitor);
  }

  async start(): Promise<void> {
    await this.#run(['start', this.#id]);
  }

  async exec({ bundle, execId, process: spec, monitor }: ExecInContainer): Promise<MonitoredProcess> {
    const folder = mkdtempSync(path.join(process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), 'runc-process'));
    try {
      const pidFile = path.join(bundle, `${execId}.pid`);
      writeFileSync(path.join(folder, 'process.json'), spec, { mode: 0o600 });
      return await this.#runMonitored(['exec', '--process', path.join(folder, 'process.json'), ...consoleArguments(monitor), '--detach', '--pid-file', pidFile, this.#id], pidFile, monitor);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async kill(signal: number, { all }: { readonly all: boolean }): Promise<void> {
    try {
      await this.#run(['kill', ...(all ? ['--all'] : []), this.#id, String(signal)]);
    } catch (error) {
      if (/process already finished|container not running|no such process|does not exist/i.test(errorText(error))) throw new ShimError('not_found', 'PROCESS_FINISHED', 'process already finished', error);
      throw error;
    }
  }

  async delete({ force }: { readonly force: boolean }): Promise<void> {
    try {
      await this.#run(['delete', ...(force ? ['--force'] : []), this.#id]);
    } catch (error) {
      if (!errorText(error).includes('does not exist')) throw error;
    }
  }

  async pause(): Promise<void> {
    await this.#run(['pause', this.#id]);
  }

  async resume(): Promise<void> {
    await this.#run(['resume', this.#id]);
  }

  async update(resources: string): Promise<void> {
    await this.#run(['update', '--resources=-', this.#id], resources);
  }

  async isStarted(): Promise<boolean> {
    const state: unknown = JSON.parse(await this.#run(['state', this.#id]));
    return typeof state === 'object' && state !== null && 'status' in state && state.status !== 'created' && state.status !== 'creating';
  }

  async pids(): Promise<readonly number[]> {
    const pids: unknown = JSON.parse(await this.#run(['ps', '--format', 'json', this.#id]));
    return Array.isArray(pids) ? pids.filter((pid): pid is number => Number.isInteger(pid)) : [];
  }

  get #logFile(): string {
    return path.join(this.#bundle, 'log.json');
  }

  #globalArguments(): string[] {
    const args = ['--root', this.#runtime.root, '--log', this.#logFile, '--log-format', 'json'];
    if (this.#runtime.systemdCgroup) args.push('--systemd-cgroup');
    return args;
  }

  /** The command's own failure text, as the original reports it: the last error of its log, else what it printed. */
  #failure(printed: string): ShimError {
    return new ShimError('unknown', 'RUNTIME', readRuntimeError(this.#logFile) || printed || 'exit status 1');
  }

  #run(args: readonly string[], input?: string): Promise<string> {
    rmSync(this.#logFile, { force: true });
    return new Promise((resolve, reject) => {
      const child = execFile(this.#runtime.binary, [...this.#globalArguments(), ...args], { env: runtimeEnvironment(), maxBuffer: OUTPUT_BYTES_MAX }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(this.#failure(`${error.code === 'ENOENT' ? error.message : `exit status ${String(error.code ?? error.signal)}`}: ${stderr.trim()}`));
      });
      child.stdin?.on('error', () => { /* a runtime that does not read its input says why by its status */ });
      child.stdin?.end(input ?? '');
    });
  }

  /** Runs `create` or `exec` under a monitor and finds the process by its pid file. */
  async #runMonitored(args: readonly string[], pidFile: string, setup: MonitorSetup): Promise<MonitoredProcess> {
    rmSync(this.#logFile, { force: true });
    const files: MonitorFiles = { control: setup.control ?? '', exitFile: setup.exitFile ?? '', log: setup.log ?? '' };
    const started = startMonitor({ options: { ...setup, pidFile }, command: [this.#runtime.binary, ...this.#globalArguments(), ...args], env: runtimeEnvironment(), fds: [] });
    void reapMonitor(started);
    try {
      const client = await started.connected;
      await commandEnded(client);
      const pid = Number(readFileSync(pidFile, 'utf8'));
      return { pid, monitor: await ProcessMonitor.watch(files, pid, client) };
    } catch (error) {
      throw this.#failure(monitorFailure(files.log) || errorText(error));
    }
  }
}

function consoleArguments({ consoleSocket }: MonitorSetup): string[] {
  return consoleSocket === undefined ? [] : ['--console-socket', consoleSocket];
}

/** What runtimes and loggers inherit. systemd's socket is containerd's own, not the container's. */
export function runtimeEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[0] !== 'NOTIFY_SOCKET'));
}

/** Resolves when the monitor's command has succeeded; rejects when it has not, or the monitor is gone. */
async function commandEnded(client: MonitorClient): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const look = ({ commandStatus }: MonitorStatus): void => {
    if (commandStatus === 0) resolve(undefined);
    else if (commandStatus !== undefined) reject(new ShimError('unknown', 'RUNTIME', `exit status ${commandStatus}`));
  };
  client.onStatus(look);
  look(client.status);
  void client.closed.then(() => { reject(new ShimError('unknown', 'MONITOR', 'the monitor ended')); });
  await promise;
}
