import { JSON_TYPE_URLS, isAnyOf, packJson, timestampToNanos, unpackAny, type ContainerdConnection } from '@dray/containerd-api';
import { Metrics as MetricsV1 } from '@dray/containerd-api/cgroups-v1';
import { Metrics as MetricsV2 } from '@dray/containerd-api/cgroups-v2';
import type { Any } from '@dray/containerd-api/types';
import { openStdio, type TaskStdio } from './fifo-stdio.ts';
import { TaskProcess } from './task-process.ts';
import type { CallOptions, Labels } from './values.ts';

/** A sample of what a task uses; `cgroup` says whose files it was read from. */
export type TaskMetrics = { readonly at: Date; readonly atNanos: bigint } & (
  | { readonly cgroup: 'v1'; readonly metrics: MetricsV1 }
  | { readonly cgroup: 'v2'; readonly metrics: MetricsV2 }
  | { readonly cgroup: 'unknown'; readonly metrics: Any }
);

/** A process to start in a running container. */
export interface ExecOptions extends CallOptions {
  /** Unique within the task; made up unless given. */
  readonly execId?: string;
  /** The OCI process: args, cwd, env, user … */
  readonly process: object;
  /** Nowhere by default. */
  readonly stdio?: TaskStdio;
}

/** What runs in a container. */
export class Task extends TaskProcess {
  /** Prepares a process; `start()` then runs it. @throws ContainerdApiError already_exists, not_found */
  async exec(options: ExecOptions): Promise<TaskProcess> {
    const { execId = crypto.randomUUID(), process, stdio = { kind: 'null' }, ...call } = options;
    const { containerId } = this;
    const opened = await openStdio(stdio);
    try {
      await this.connection.tasks.exec({ containerId, execId, spec: packJson(JSON_TYPE_URLS.process, process), ...opened.paths }, call);
    } catch (error) {
      await opened.destroy();
      throw error;
    }
    return new TaskProcess(this.connection, { containerId, execId }, 0, opened);
  }

  async pause(options: CallOptions = {}): Promise<void> {
    await this.connection.tasks.pause({ containerId: this.containerId }, options);
  }

  async resume(options: CallOptions = {}): Promise<void> {
    await this.connection.tasks.resume({ containerId: this.containerId }, options);
  }

  /** Of every process in the container, on the host. */
  async pids(options: CallOptions = {}): Promise<number[]> {
    const { processes } = await this.connection.tasks.listPids({ containerId: this.containerId }, options);
    return processes.map(({ pid }) => pid);
  }

  /** Changes the limits of the running task: an OCI Linux resources object. */
  async update(resources: object, options: CallOptions & { readonly annotations?: Labels } = {}): Promise<void> {
    const { annotations = {}, ...call } = options;
    const packed = packJson(JSON_TYPE_URLS.linuxResources, resources);
    await this.connection.tasks.update({ containerId: this.containerId, resources: packed, annotations }, call);
  }

  /** One sample; undefined when the daemon has none, for instance because the task has just ended. */
  async metrics(options: CallOptions = {}): Promise<TaskMetrics | undefined> {
    const { metrics } = await this.connection.tasks.metrics({ filters: [`id==${this.containerId}`] }, options);
    const [sample] = metrics;
    return sample?.data === undefined ? undefined : toTaskMetrics(sample.data, sample.timestamp === undefined ? 0n : timestampToNanos(sample.timestamp));
  }
}

/** A task that somebody else may have created: its streams are not this process's. @internal */
export function taskWithoutStreams(connection: ContainerdConnection, containerId: string, pid: number): Task {
  return new Task(connection, { containerId, execId: '' }, pid);
}

function toTaskMetrics(data: Any, atNanos: bigint): TaskMetrics {
  const at = new Date(Number(atNanos / 1_000_000n));
  if (isAnyOf(MetricsV1, data)) return { at, atNanos, cgroup: 'v1', metrics: unpackAny(MetricsV1, data) };
  if (isAnyOf(MetricsV2, data)) return { at, atNanos, cgroup: 'v2', metrics: unpackAny(MetricsV2, data) };
  return { at, atNanos, cgroup: 'unknown', metrics: data };
}
