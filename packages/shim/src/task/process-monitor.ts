/** A running dray-monitor, seen from the shim: started here or by a shim that is gone. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { closeFd, MonitorClient, monitorArguments, nativeFile, parseMonitorExit, SOCK, socketpair, spawn, waitPidfd, type MonitorOptions, type MonitorStatus } from '@dray/libcontainer';
import { ShimError } from '../errors.ts';

/** How a process ended. */
export interface ProcessExit {
  readonly status: number;
  readonly atNanos: bigint;
}

/** The files of one monitor. */
export interface MonitorFiles {
  readonly control: string;
  readonly exitFile: string;
  readonly log: string;
}

/** What a process that ended unobserved is said to have ended with, as containerd says it. */
const UNKNOWN_EXIT_STATUS = 137;

export interface MonitorStart {
  readonly options: Omit<MonitorOptions, 'controlFd' | 'execFd'>;
  readonly command: readonly string[];
  /** The command's program, when it is not a file that its first word names. */
  readonly execFd?: number | undefined;
  readonly env: Readonly<Record<string, string>>;
  /** Descriptors that the command is given from number 3 on. */
  readonly fds: readonly number[];
}

/** A monitor process under way: its number, and the connection that it answers on once it is set up. */
export interface StartedMonitor {
  readonly pid: number;
  readonly pidfd: number;
  readonly connected: Promise<MonitorClient>;
}

/** Starts dray-monitor in front of a command. The control connection exists before the monitor does, so nothing is waited for or tried again. */
export function startMonitor({ options, command, execFd, env, fds }: MonitorStart): StartedMonitor {
  const [ours, theirs] = socketpair(SOCK.STREAM);
  const nothing = openSync('/dev/null', 'r+');
  try {
    const inherited = [nothing, nothing, nothing, ...fds];
    const { pid, pidfd } = spawn({
      file: nativeFile('bin/dray-monitor'),
      argv: ['dray-monitor', ...monitorArguments({ ...options, controlFd: inherited.length, ...(execFd === undefined ? {} : { execFd: inherited.length + 1 }) }), ...command],
      env,
      fds: [...inherited, theirs, ...(execFd === undefined ? [] : [execFd])],
    });
    const connected = MonitorClient.fromDescriptor(ours);
    connected.catch(() => { /* whoever awaits it sees it; a runtime that failed first is the better story */ });
    return { pid, pidfd, connected };
  } catch (error) {
    closeFd(ours);
    throw error;
  } finally {
    closeFd(theirs);
    closeSync(nothing);
  }
}

/** Reaps a monitor that is leaving. */
export async function reapMonitor({ pidfd }: { readonly pidfd: number }): Promise<void> {
  try {
    await waitPidfd(pidfd);
  } finally {
    closeFd(pidfd);
  }
}

/** What a monitor that could not do its work has said; empty when it said nothing. */
export function monitorFailure(log: string): string {
  try {
    return readFileSync(log, 'utf8').trim();
  } catch {
    return '';
  }
}

/**
 * Follows one monitor: keeps its newest status and settles `exited` once. A connection that breaks is opened again; a monitor that is gone is
 * replaced by its exit file, and without one its process is killed, since nobody holds its streams any more.
 */
export class ProcessMonitor {
  readonly #files: MonitorFiles;
  readonly #pid: number;
  readonly #exited = Promise.withResolvers<ProcessExit>();
  readonly #ioDone = Promise.withResolvers<undefined>();
  #client: MonitorClient | undefined;
  #hasExited = false;
  #isLeaving = false;
  #oomKills = 0;
  #onOom: (() => void) | undefined;

  private constructor(files: MonitorFiles, pid: number, client: MonitorClient | undefined) {
    this.#files = files;
    this.#pid = pid;
    if (client === undefined) this.#settleFromFile();
    else this.#follow(client);
  }

  /** Follows a monitor that was started here; the process is its child. */
  static async watch(files: MonitorFiles, pid: number, client: MonitorClient): Promise<ProcessMonitor> {
    if (client.status.pid !== pid) await client.watch(pid);
    return new ProcessMonitor(files, pid, client);
  }

  /** Finds the monitor of a process that another shim started. A monitor that is gone is fine. */
  static async readopt(files: MonitorFiles, pid: number): Promise<ProcessMonitor> {
    const client = await connectIfThere(files.control);
    if (client?.status.pid === 0) await client.watch(pid);
    return new ProcessMonitor(files, pid, client);
  }

  /** Ends a monitor whose process was never named, with whatever its command left; one that is not there is fine. */
  static async abandon(files: MonitorFiles): Promise<void> {
    const client = await connectIfThere(files.control);
    if (client === undefined) return;
    if (client.status.pid === 0) {
      await client.quit();
      return;
    }
    const monitor = new ProcessMonitor(files, client.status.pid, client);
    await monitor.signal(9).catch(() => { /* it has ended already */ });
    await monitor.exited;
    await monitor.release();
  }

  /** Settles when the process has ended; never rejects. */
  get exited(): Promise<ProcessExit> {
    return this.#exited.promise;
  }

  /** Calls back whenever the kernel has killed a process of the watched cgroup for want of memory. */
  onOom(listener: () => void): void {
    this.#onOom = listener;
    if (this.#oomKills > 0) listener();
  }

  async watchOom(version: 1 | 2, folder: string): Promise<void> {
    await this.#client?.watchOom(version, folder);
  }

  async resize(width: number, height: number): Promise<void> {
    await this.#client?.resize(width, height);
  }

  async closeStdin(): Promise<void> {
    await this.#client?.closeStdin();
  }

  /** @throws ShimError `not_found` PROCESS_FINISHED */
  async signal(signal: number): Promise<void> {
    try {
      if (this.#client === undefined) throw finished();
      await this.#client.signal(signal);
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'MONITOR_CLOSED')) throw finished();
      throw error;
    }
  }

  /** Waits until the process's output is where it belongs, at most this long. */
  async drain(timeoutMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => { resolve(undefined); }, timeoutMs);
    await Promise.race([this.#ioDone.promise, promise]);
    clearTimeout(timer);
  }

  /** The exit is in safe hands: lets the monitor go. It has closed everything when this resolves. */
  async release(): Promise<void> {
    this.#isLeaving = true;
    await this.#client?.taken();
    this.#client = undefined;
  }

  #follow(client: MonitorClient): void {
    this.#client = client;
    client.onStatus((status) => { this.#take(status); });
    this.#take(client.status);
    void client.closed.then(() => this.#onClosed());
  }

  #take(status: MonitorStatus): void {
    if (status.oomKills > this.#oomKills) {
      this.#oomKills = status.oomKills;
      this.#onOom?.();
    }
    if (status.exit !== undefined) this.#settle(status.exit);
    if (status.isIoDone) this.#ioDone.resolve(undefined);
  }

  #settle(exit: ProcessExit): void {
    this.#hasExited = true;
    this.#exited.resolve(exit);
  }

  async #onClosed(): Promise<void> {
    this.#client = undefined;
    if (this.#isLeaving) return;
    const client = await connectIfThere(this.#files.control);
    if (client === undefined) this.#settleFromFile();
    else this.#follow(client);
  }

  #settleFromFile(): void {
    this.#ioDone.resolve(undefined);
    if (this.#hasExited) return;
    const exit = readExitFile(this.#files.exitFile, this.#pid);
    if (exit === undefined) killOrphan(this.#pid);
    this.#settle(exit ?? { status: UNKNOWN_EXIT_STATUS, atNanos: BigInt(Date.now()) * 1_000_000n });
  }
}

function finished(): ShimError {
  return new ShimError('not_found', 'PROCESS_FINISHED', 'process already finished');
}

async function connectIfThere(control: string): Promise<MonitorClient | undefined> {
  try {
    return await MonitorClient.connect(control);
  } catch {
    // No socket, nobody behind it, or a stranger: in each case there is no monitor of ours.
    return undefined;
  }
}

/** What a monitor left behind; undefined when it left nothing about this process. */
export function readExitFile(file: string, pid: number): ProcessExit | undefined {
  try {
    const exit = parseMonitorExit(readFileSync(file, 'utf8'));
    return exit.pid === pid || pid === 0 ? { status: exit.exitStatus, atNanos: exit.exitedAtNanos } : undefined;
  } catch {
    return undefined;
  }
}

/** A process whose monitor was killed runs without streams and unobserved; it is ended, as the original ends what its shim leaves. */
function killOrphan(pid: number): void {
  if (pid <= 1) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone, which is what was wanted.
  }
}

