/** One process of a container: what it has been through, and its monitor. */
import path from 'node:path';
import type { ProcessPhase, ProcessRecord, Stdio } from '../state/task-record.ts';
import type { MonitorSetup } from '../runtime/oci-runtime.ts';
import type { MonitorFiles, ProcessExit, ProcessMonitor } from './process-monitor.ts';

/** A process and its history. Only the container that owns it changes it. */
export class TaskProcess {
  /** The exec's id; empty for the container's first process. */
  readonly id: string;
  readonly stdio: Stdio;
  readonly spec: string;
  phase: ProcessPhase;
  pid = 0;
  exit: ProcessExit | undefined;
  isExitPublished = false;
  monitor: ProcessMonitor | undefined;
  /** While the runtime starts it: settles when its start has been announced or has failed. */
  starting: Promise<unknown> | undefined;
  readonly #exited = Promise.withResolvers<ProcessExit>();
  readonly #announced = Promise.withResolvers<undefined>();

  constructor({ id, stdio, spec = '', phase }: { readonly id: string; readonly stdio: Stdio; readonly spec?: string; readonly phase: ProcessPhase }) {
    this.id = id;
    this.stdio = stdio;
    this.spec = spec;
    this.phase = phase;
  }

  static fromRecord(record: ProcessRecord): TaskProcess {
    const process = new TaskProcess(record);
    process.pid = record.pid;
    if (record.exit !== undefined) process.setExit({ status: record.exit.status, atNanos: BigInt(record.exit.atNanos) });
    if (record.isExitPublished) process.setAnnounced();
    process.isExitPublished = record.isExitPublished;
    return process;
  }

  toRecord(): ProcessRecord {
    const { id, phase, pid, stdio, spec, isExitPublished } = this;
    return { id, phase, pid, stdio, spec, isExitPublished, exit: this.exit === undefined ? undefined : { status: this.exit.status, atNanos: String(this.exit.atNanos) } };
  }

  /** Settles when the process has ended. */
  get exited(): Promise<ProcessExit> {
    return this.#exited.promise;
  }

  /** Settles when its exit was handed to the publisher. */
  get announced(): Promise<unknown> {
    return this.#announced.promise;
  }

  setExit(exit: ProcessExit): void {
    this.exit = exit;
    this.phase = 'stopped';
    this.#exited.resolve(exit);
  }

  setAnnounced(): void {
    this.#announced.resolve(undefined);
  }

  files(bundle: string): MonitorFiles {
    const name = this.id === '' ? 'init' : `exec-${this.id}`;
    return { control: path.join(bundle, `${name}.monitor`), exitFile: path.join(bundle, `${name}.exit`), log: path.join(bundle, `${name}.monitor.log`) };
  }

  /** How its monitor is to be set up. */
  monitorSetup(bundle: string, { consoleSocket, ...common }: Pick<MonitorSetup, 'id' | 'namespace' | 'ioUid' | 'ioGid'> & { readonly consoleSocket: string }): MonitorSetup {
    const { terminal, stdin, stdout, stderr } = this.stdio;
    return { ...this.files(bundle), stdin, stdout, stderr, ...common, ...(terminal ? { consoleSocket } : {}) };
  }
}
