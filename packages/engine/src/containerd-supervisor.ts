import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Logger, connectContainerd } from '@dray/engine-api';
import { WATCH, closeFd, pidfdOpen, whenReady } from '@dray/libcontainer';
import { EngineError, isEngineError, messageOf } from './errors.ts';
import { isRunning, readPid } from './process-files.ts';
import { programs } from './programs.ts';

/** How long containerd may take to serve. */
const START_TIMEOUT_MS = 15_000;
const HEALTH_RETRY_MS = 10;
const HEALTH_TIMEOUT_MS = 3000;
/** How long containerd may take to end before it is killed. */
const STOP_TIMEOUT_MS = 10_000;
const RESTART_DELAY_MS_MIN = 100;
const RESTART_DELAY_MS_MAX = 10_000;
/** A containerd that ran this long did not fail at its start. */
const STABLE_MS = 10_000;
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const LOG_TAIL_BYTES = 2048;
const SERVING = 1;

/** How to keep a containerd. */
export interface SupervisorOptions {
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly isDebug: boolean;
  readonly logger: Logger;
}

/**
 * Keeps a `dray-containerd` of the daemon's own: a process for itself that outlives a killed daemon, is found again by its pid file, and is started again
 * when it dies.
 */
export class ContainerdSupervisor {
  readonly #options: SupervisorOptions;
  readonly #folder: string;
  readonly #stopping = new AbortController();
  #pid = 0;
  #watching: Promise<void> = Promise.resolve();

  private constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#folder = path.join(options.execRoot, 'containerd');
  }

  /** Starts containerd, or finds it running, and waits until it serves. @throws EngineError CONTAINERD */
  static async start(options: SupervisorOptions): Promise<ContainerdSupervisor> {
    const supervisor = new ContainerdSupervisor(options);
    fs.mkdirSync(supervisor.#folder, { recursive: true, mode: 0o711 });
    supervisor.#writeConfig();
    supervisor.#linkPrograms();
    await supervisor.#adoptOrSpawn();
    supervisor.#watching = supervisor.#watch();
    return supervisor;
  }

  /** containerd's socket. */
  get address(): string {
    return path.join(this.#folder, 'containerd.sock');
  }

  /** containerd's process. */
  get pid(): number {
    return this.#pid;
  }

  async #adoptOrSpawn(): Promise<void> {
    const pid = readPid(this.#pidFile);
    if (pid !== undefined && isRunning(pid, this.#configFile)) {
      this.#pid = pid;
      if (await isServing(this.address, AbortSignal.timeout(START_TIMEOUT_MS))) {
        this.#options.logger.info({ pid }, 'containerd is still running');
        return;
      }
      this.#options.logger.warn({ pid }, 'containerd is running but does not answer, killing it');
      await this.#kill(pid);
    }
    await this.#spawn();
  }

  get #configFile(): string {
    return path.join(this.#folder, 'containerd.toml');
  }

  get #pidFile(): string {
    return path.join(this.#folder, 'containerd.pid');
  }

  get #logFile(): string {
    return path.join(this.#folder, 'containerd.log');
  }

  #writeConfig(): void {
    const { dataRoot, isDebug } = this.#options;
    const quote = (text: string): string => JSON.stringify(text);
    const text = [
      'version = 2', `root = ${quote(path.join(dataRoot, 'containerd/daemon'))}`, `state = ${quote(path.join(this.#folder, 'daemon'))}`,
      'disabled_plugins = ["io.containerd.grpc.v1.cri"]', '', '[grpc]', `  address = ${quote(this.address)}`, '  uid = 0', '  gid = 0', '', '[debug]', `  level = ${quote(isDebug ? 'debug' : 'info')}`, '',
    ].join('\n');
    fs.writeFileSync(`${this.#configFile}.tmp`, text, { mode: 0o600 });
    fs.renameSync(`${this.#configFile}.tmp`, this.#configFile);
  }

  /** containerd looks for shims in its PATH. */
  #linkPrograms(): void {
    const folder = path.join(this.#options.execRoot, 'bin');
    fs.mkdirSync(folder, { recursive: true, mode: 0o711 });
    const link = path.join(folder, 'containerd-shim-dray-v2');
    fs.rmSync(link, { force: true });
    fs.symlinkSync(programs().shim, link);
  }

  async #spawn(): Promise<void> {
    if ((fs.statSync(this.#logFile, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) fs.renameSync(this.#logFile, `${this.#logFile}.1`);
    const log = fs.openSync(this.#logFile, 'a', 0o600);
    const logStart = fs.fstatSync(log).size;
    const { NOTIFY_SOCKET: _notify, LISTEN_FDS: _fds, LISTEN_PID: _listenPid, ...environment } = process.env;
    // The command `node` means the Node that runs here, also for the shims that containerd starts.
    const PATH = [path.join(this.#options.execRoot, 'bin'), path.dirname(process.execPath), process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'].join(':');
    const child = spawn(process.execPath, [programs().containerd, '--config', this.#configFile], { detached: true, stdio: ['ignore', log, log], cwd: '/', env: { ...environment, PATH } });
    fs.closeSync(log);
    const died = new AbortController();
    child.once('error', (error) => died.abort(error));
    child.once('exit', (code, signal) => died.abort(new EngineError('unavailable', 'CONTAINERD', `containerd exited ${signal ?? code ?? ''}: ${this.#logTail(logStart)}`)));
    child.unref();
    if (child.pid !== undefined) {
      this.#pid = child.pid;
      fs.writeFileSync(`${this.#pidFile}.tmp`, String(child.pid));
      fs.renameSync(`${this.#pidFile}.tmp`, this.#pidFile);
    }
    const signal = AbortSignal.any([died.signal, AbortSignal.timeout(START_TIMEOUT_MS), this.#stopping.signal]);
    if (await isServing(this.address, signal)) {
      this.#options.logger.info({ pid: this.#pid, address: this.address }, 'started new containerd process');
      return;
    }
    this.#stopping.signal.throwIfAborted();
    const reason: unknown = died.signal.reason;
    if (isEngineError(reason)) throw reason;
    await this.#kill(this.#pid);
    throw new EngineError('unavailable', 'CONTAINERD', `failed to start containerd: ${died.signal.aborted ? messageOf(reason) : `timeout waiting for containerd to start: ${this.#logTail(logStart)}`}`);
  }

  #logTail(start: number): string {
    const text = fs.readFileSync(this.#logFile).subarray(start);
    return text.subarray(Math.max(0, text.length - LOG_TAIL_BYTES)).toString('utf8').trim();
  }

  /** Starts containerd again whenever it ends, with growing pauses where it does not last. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    const isStopping = (): boolean => signal.aborted;
    let delayMs = RESTART_DELAY_MS_MIN;
    while (!isStopping()) {
      const startedAt = performance.now();
      await untilEnded(this.#pid, signal);
      if (isStopping()) return;
      delayMs = performance.now() - startedAt >= STABLE_MS ? RESTART_DELAY_MS_MIN : Math.min(delayMs * 2, RESTART_DELAY_MS_MAX);
      this.#options.logger.warn({ pid: this.#pid, delayMs }, 'containerd has ended, starting it again');
      try {
        await this.#spawn();
      } catch (error) {
        if (isStopping()) return;
        this.#options.logger.error({ err: error }, 'cannot start containerd again');
        await sleep(delayMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
      }
    }
  }

  /** Ends containerd and stops looking after it. Containers do not mind. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
    if (isRunning(this.#pid, this.#configFile)) await this.#kill(this.#pid);
    fs.rmSync(this.#pidFile, { force: true });
    fs.rmSync(this.address, { force: true });
  }

  async #kill(pid: number): Promise<void> {
    for (const name of ['SIGTERM', 'SIGKILL'] as const) {
      try {
        process.kill(pid, name);
      } catch {
        return; // it has ended
      }
      await untilEnded(pid, AbortSignal.timeout(STOP_TIMEOUT_MS));
      if (!isRunning(pid, this.#configFile)) return;
    }
  }
}

/** Waits until a process ends or the signal aborts. */
async function untilEnded(pid: number, signal: AbortSignal): Promise<void> {
  let pidfd: number;
  try {
    pidfd = pidfdOpen(pid);
  } catch {
    return; // it has ended
  }
  try {
    await whenReady(pidfd, WATCH.READABLE, { signal });
  } catch {
    // aborted: the caller looks at its signal
  } finally {
    closeFd(pidfd);
  }
}

/** Waits until containerd says that it serves; false when the signal aborts before. */
export async function isServing(address: string, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if (fs.existsSync(address)) {
      const connection = await connectContainerd(address);
      try {
        const { status } = await connection.health.check({ service: '' }, { signal: AbortSignal.any([signal, AbortSignal.timeout(HEALTH_TIMEOUT_MS)]) });
        if (status === SERVING) return true;
      } catch {
        // not yet
      } finally {
        await connection.close();
      }
    }
    await sleep(HEALTH_RETRY_MS);
  }
  return false;
}
