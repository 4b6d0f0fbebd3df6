/** What a shim asks of an OCI runtime. Two implementations: any runtime's command, and runc-ts as a library. */
import type { ProcessMonitor } from '../task/process-monitor.ts';
import type { MonitorOptions } from '@dray/libcontainer';

/** How the monitor of a new process is to be set up; the runtime adds what it needs itself. */
export type MonitorSetup = Omit<MonitorOptions, 'controlFd' | 'pidFile'>;

/** A process that was made, and the monitor that is its parent. */
export interface MonitoredProcess {
  readonly pid: number;
  readonly monitor: ProcessMonitor;
}

export interface CreateContainer {
  readonly bundle: string;
  readonly monitor: MonitorSetup;
}

export interface ExecInContainer {
  readonly bundle: string;
  readonly execId: string;
  /** An OCI process document as JSON. */
  readonly process: string;
  readonly monitor: MonitorSetup;
}

/**
 * One container's runtime. Failures of `create`, `start` and `exec` reject with the runtime's own message; the caller puts "OCI runtime … failed" in
 * front. A failed `create` or `exec` leaves neither a process nor a monitor.
 */
export interface OciRuntime {
  create: (request: CreateContainer) => Promise<MonitoredProcess>;
  start: () => Promise<void>;
  exec: (request: ExecInContainer) => Promise<MonitoredProcess>;
  /** Signals the first process, or all. @throws ShimError `not_found` PROCESS_FINISHED when there is none any more */
  kill: (signal: number, options: { readonly all: boolean }) => Promise<void>;
  /** Removes what is left; one that is not there is fine. `force` kills it first. */
  delete: (options: { readonly force: boolean }) => Promise<void>;
  pause: () => Promise<void>;
  resume: () => Promise<void>;
  /** The OCI resources document as JSON. */
  update: (resources: string) => Promise<void>;
  /** Whether the container's own program has been started. */
  isStarted: () => Promise<boolean>;
  /** Pids of all processes, in the caller's pid namespace. */
  pids: () => Promise<readonly number[]>;
}
