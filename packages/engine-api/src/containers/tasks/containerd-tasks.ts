/** The task port over containerd's gRPC API. */
import { setTimeout as delay } from 'node:timers/promises';
import { JSON_TYPE_URLS, packAny, timestampToNanos } from '@dray/containerd-api';
import { TaskExit, TaskOOM } from '@dray/containerd-api/events';
import { Options as RuncOptions } from '@dray/containerd-api/runc-options';
import type { Any, Envelope, Process, Timestamp } from '@dray/containerd-api/types';
import type { Containerd } from '../../containerd.ts';
import { errorKind, messageOf } from '../../errors.ts';
import type { ProcessExit, ProcessIo, RootfsMount, TaskEvent, TaskInfo, TaskMetrics, TaskPort, TaskRecord } from './task-port.ts';

/** What the port needs. */
export interface ContainerdTasksOptions {
  /** A connection in the containers' namespace. */
  readonly containerd: Containerd;
  readonly namespace: string;
  readonly snapshotter: string;
}

const KEEP_LABEL = 'containerd.io/gc.root';
/** How long a call is tried again while containerd is away: as long as its restart may take. */
const RETRY_MS_MAX = 15_000;
const RETRY_DELAY_MS = 50;

/** Calls containerd over clients that stay open. Calls wait for a containerd that restarts. */
export class ContainerdTasks implements TaskPort {
  readonly #containerd: Containerd;
  readonly #namespace: string;
  readonly #snapshotter: string;

  constructor(options: ContainerdTasksOptions) {
    this.#containerd = options.containerd;
    this.#namespace = options.namespace;
    this.#snapshotter = options.snapshotter;
  }

  async prepareSnapshot(key: string, parent: string): Promise<RootfsMount[]> {
    const request = { snapshotter: this.#snapshotter, key, parent, labels: { [KEEP_LABEL]: new Date().toISOString() } };
    return (await this.#call(() => this.#containerd.snapshots.prepare(request))).mounts;
  }

  async viewSnapshot(key: string, parent: string): Promise<RootfsMount[]> {
    const request = { snapshotter: this.#snapshotter, key, parent, labels: { [KEEP_LABEL]: new Date().toISOString() } };
    return (await this.#call(() => this.#containerd.snapshots.view(request))).mounts;
  }

  async commitSnapshot(name: string, key: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#call(() => this.#containerd.snapshots.commit({ snapshotter: this.#snapshotter, name, key, labels: { ...labels }, parent: '' }));
  }

  async hasSnapshot(name: string): Promise<boolean> {
    return (await optional(this.#call(() => this.#containerd.snapshots.stat({ snapshotter: this.#snapshotter, key: name })))) !== undefined;
  }

  async keepSnapshotWithImage(name: string, imageId: string): Promise<void> {
    const label = `containerd.io/gc.ref.snapshot.${this.#snapshotter}/dray-init`;
    const info = { digest: imageId, labels: { [label]: name }, size: 0n, createdAt: undefined, updatedAt: undefined };
    await this.#call(() => this.#containerd.content.update({ info, updateMask: [`labels.${label}`] }));
  }

  async snapshotMounts(key: string): Promise<RootfsMount[]> {
    return (await this.#call(() => this.#containerd.snapshots.mounts({ snapshotter: this.#snapshotter, key }))).mounts;
  }

  async removeSnapshot(key: string): Promise<void> {
    await optional(this.#call(() => this.#containerd.snapshots.remove({ snapshotter: this.#snapshotter, key })));
  }

  async snapshotUsage(key: string): Promise<{ sizeBytes: number; parent: string }> {
    const [usage, stat] = await Promise.all([
      this.#call(() => this.#containerd.snapshots.usage({ snapshotter: this.#snapshotter, key })),
      this.#call(() => this.#containerd.snapshots.stat({ snapshotter: this.#snapshotter, key })),
    ]);
    return { sizeBytes: Number(usage.size), parent: stat.info?.parent ?? '' };
  }

  async putRecord(record: TaskRecord, snapshotKey: string): Promise<void> {
    const container = {
      id: record.id, labels: { ...record.labels }, image: record.imageName, snapshotter: this.#snapshotter, snapshotKey,
      runtime: { name: record.runtime, options: runtimeOptions(record) }, spec: { typeUrl: JSON_TYPE_URLS.spec, value: Buffer.from(record.spec) },
      createdAt: undefined, updatedAt: undefined, extensions: {}, sandbox: '',
    };
    try {
      await this.#call(() => this.#containerd.containers.create({ container }));
    } catch (err) {
      if (errorKind(err) !== 'already_exists') throw err;
      await this.deleteRecord(record.id);
      await this.#call(() => this.#containerd.containers.create({ container }));
    }
  }

  async deleteRecord(id: string): Promise<void> {
    await optional(this.#call(() => this.#containerd.containers.delete({ id })));
  }

  async create(id: string, rootfs: readonly RootfsMount[], io: ProcessIo): Promise<number> {
    const request = {
      containerId: id, rootfs: rootfs.map((mount) => ({ ...mount, target: '', options: [...mount.options] })), stdin: io.stdin, stdout: io.stdout,
      stderr: io.stderr, terminal: io.isTerminal, checkpoint: undefined, options: undefined, runtimePath: '', taskApiAddress: '', taskApiVersion: 0,
    };
    try {
      return (await this.#call(() => this.#containerd.tasks.create(request))).pid;
    } catch (err) {
      // A task of a run that was not cleared away (the daemon was killed between its exit and its deletion) makes room.
      if (errorKind(err) !== 'already_exists') throw err;
      const old = await this.get(id);
      if (old !== undefined && old.status !== 'stopped') throw err;
      await this.delete(id);
      return (await this.#call(() => this.#containerd.tasks.create(request))).pid;
    }
  }

  async start(id: string, execId = ''): Promise<number> {
    return (await this.#call(() => this.#containerd.tasks.start({ containerId: id, execId }))).pid;
  }

  async wait(id: string, execId: string | undefined, signal: AbortSignal): Promise<ProcessExit> {
    for (;;) {
      try {
        const answer = await this.#call(() => this.#containerd.tasks.wait({ containerId: id, execId: execId ?? '' }, { signal }), signal);
        return exitOf(answer.exitStatus, answer.exitedAt);
      } catch (err) {
        signal.throwIfAborted();
        if (errorKind(err) !== 'unavailable' && errorKind(err) !== 'canceled') throw err;
        await delay(RETRY_DELAY_MS, undefined, { signal });
      }
    }
  }

  async delete(id: string): Promise<ProcessExit | undefined> {
    const answer = await optional(this.#call(() => this.#containerd.tasks.delete({ containerId: id })));
    return answer && exitOf(answer.exitStatus, answer.exitedAt);
  }

  async deleteExec(id: string, execId: string): Promise<ProcessExit | undefined> {
    const answer = await optional(this.#call(() => this.#containerd.tasks.deleteProcess({ containerId: id, execId })));
    return answer && exitOf(answer.exitStatus, answer.exitedAt);
  }

  async get(id: string, execId = ''): Promise<TaskInfo | undefined> {
    const answer = await optional(this.#call(() => this.#containerd.tasks.get({ containerId: id, execId })));
    return answer?.process && infoOf(answer.process);
  }

  async list(): Promise<TaskInfo[]> {
    return (await this.#call(() => this.#containerd.tasks.list({ filter: '' }))).tasks.map(infoOf);
  }

  async kill(id: string, signal: number, options: { execId?: string; all?: boolean } = {}): Promise<void> {
    await this.#call(() => this.#containerd.tasks.kill({ containerId: id, execId: options.execId ?? '', signal, all: options.all ?? false }));
  }

  async exec(id: string, execId: string, process: string, io: ProcessIo): Promise<void> {
    const spec = { typeUrl: JSON_TYPE_URLS.process, value: Buffer.from(process) };
    await this.#call(() => this.#containerd.tasks.exec({ containerId: id, execId, stdin: io.stdin, stdout: io.stdout, stderr: io.stderr, terminal: io.isTerminal, spec }));
  }

  async resize(id: string, execId: string | undefined, size: { width: number; height: number }): Promise<void> {
    await this.#call(() => this.#containerd.tasks.resizePty({ containerId: id, execId: execId ?? '', ...size }));
  }

  async closeStdin(id: string, execId = ''): Promise<void> {
    await this.#call(() => this.#containerd.tasks.closeIo({ containerId: id, execId, stdin: true }));
  }

  async pause(id: string): Promise<void> {
    await this.#call(() => this.#containerd.tasks.pause({ containerId: id }));
  }

  async resume(id: string): Promise<void> {
    await this.#call(() => this.#containerd.tasks.resume({ containerId: id }));
  }

  async pids(id: string): Promise<number[]> {
    return (await this.#call(() => this.#containerd.tasks.listPids({ containerId: id }))).processes.map((process) => process.pid);
  }

  async metrics(id: string): Promise<TaskMetrics | undefined> {
    return (await this.#call(() => this.#containerd.tasks.metrics({ filters: [`id==${id}`] }))).metrics[0]?.data;
  }

  async update(id: string, resources: string): Promise<void> {
    await this.#call(() => this.#containerd.tasks.update({ containerId: id, resources: { typeUrl: JSON_TYPE_URLS.linuxResources, value: Buffer.from(resources) }, annotations: {} }));
  }

  async *events(signal: AbortSignal, onConnected: () => void): AsyncGenerator<TaskEvent, void, void> {
    const filters = ['/tasks/exit', '/tasks/oom'].map((topic) => `namespace==${this.#namespace},topic==${JSON.stringify(topic)}`);
    while (!signal.aborted) {
      try {
        await this.#containerd.waitUntilReady({ signal });
        const envelopes = this.#containerd.events.subscribe({ filters }, { signal });
        onConnected();
        for await (const envelope of envelopes) {
          const event = eventOf(envelope);
          if (event) yield event;
        }
      } catch (err) {
        if (isAborted(signal)) return;
        if (!STREAM_ENDS.includes(errorKind(err) ?? 'internal')) throw err;
      }
      await delay(RETRY_DELAY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One call, tried again for a while when containerd cannot be reached. */
  async #call<Response>(attempt: () => Promise<Response>, signal?: AbortSignal): Promise<Response> {
    const until = Date.now() + RETRY_MS_MAX;
    for (;;) {
      try {
        return await attempt();
      } catch (err) {
        if (!isConnectionLost(err) || Date.now() > until || signal?.aborted === true) throw err;
        await delay(RETRY_DELAY_MS);
      }
    }
  }
}

/** A look that the type checker does not remember. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** How an event stream ends when containerd goes away, in any of the ways gRPC reports that. */
const STREAM_ENDS: readonly string[] = ['unavailable', 'canceled', 'internal', 'unknown', 'aborted'];

/** Unavailable because of the connection, not because containerd says so about a shim of its own. */
function isConnectionLost(err: unknown): boolean {
  return errorKind(err) === 'unavailable' && !/ttrpc|shim/i.test(messageOf(err));
}

async function optional<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (err) {
    if (errorKind(err) === 'not_found') return undefined;
    throw err;
  }
}

function runtimeOptions(record: TaskRecord): Any | undefined {
  return record.runtimeBinary === '' ? undefined : packAny(RuncOptions, { binaryName: record.runtimeBinary });
}

function exitOf(code: number, at: Timestamp | undefined): ProcessExit {
  return { code, atNanos: at === undefined ? 0n : timestampToNanos(at) };
}

const STATUSES = ['unknown', 'created', 'running', 'stopped', 'paused', 'pausing'] as const;

function infoOf(process: Process): TaskInfo {
  const status = (STATUSES as readonly (TaskInfo['status'] | undefined)[])[process.status] ?? 'unknown';
  return { id: process.id, pid: process.pid, status, exit: status === 'stopped' ? exitOf(process.exitStatus, process.exitedAt) : undefined };
}

function eventOf(envelope: Envelope): TaskEvent | undefined {
  const value = envelope.event?.value;
  if (!value) return undefined;
  if (envelope.topic === '/tasks/exit') {
    const event = TaskExit.decode(value);
    const execId = event.id === event.containerId ? undefined : event.id;
    return { kind: 'exit', containerId: event.containerId, execId, pid: event.pid, exit: exitOf(event.exitStatus, event.exitedAt) };
  }
  return envelope.topic === '/tasks/oom' ? { kind: 'oom', containerId: TaskOOM.decode(value).containerId } : undefined;
}
