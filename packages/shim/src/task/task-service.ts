/** containerd's task service: requests to operations on containers, results to responses. The same for versions 2 and 3. */
import { isAnyOf, packAny, timestampFromNanos, zeroTimestamp } from '@dray/containerd-api';
import { Options, ProcessDetails } from '@dray/containerd-api/runc-options';
import type { TaskV3Definition } from '@dray/containerd-api/task';
import { TaskStatus, type Any } from '@dray/containerd-api/types';
import type { TtrpcHandlers } from '@dray/ttrpc';
import { ShimError } from '../errors.ts';
import type { RuntimeRecord } from '../state/task-record.ts';
import { readMetrics } from './cgroup-metrics.ts';
import { TaskContainer, type ContainerHost } from './task-container.ts';
import type { TaskProcess } from './task-process.ts';

/** The handlers that both versions of the service are registered with. */
export type TaskHandlers = TtrpcHandlers<typeof TaskV3Definition>;

/** What a container or exec may be called: it becomes part of paths. */
const IDENTIFIER = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/;
const IDENTIFIER_LENGTH_MAX = 76;
const DEFAULT_RUNTIME_ROOT = '/run/containerd/runc';
const UINT32 = 0xffff_ffff;

/** The containers of one shim process, and what containerd may ask about them. */
export class TaskService {
  readonly containers: Map<string, TaskContainer> = new Map<string, TaskContainer>();
  readonly #creating = new Set<string>();
  readonly #host: ContainerHost;
  readonly #onShutdown: () => void;

  /** `onShutdown` is called when containerd asks an empty shim to end. */
  constructor(host: ContainerHost, { onShutdown }: { readonly onShutdown: () => void }) {
    this.#host = host;
    this.#onShutdown = onShutdown;
  }

  /** Whether there is nothing to serve. */
  get isEmpty(): boolean {
    return this.containers.size === 0 && this.#creating.size === 0;
  }

  handlers(): TaskHandlers {
    return {
      create: (request) => this.#create(request),
      start: async ({ id, execId }) => ({ pid: await this.#find(id).start(execId) }),
      delete: ({ id, execId }) => this.#delete(id, execId),
      state: ({ id, execId }) => this.#state(this.#find(id), execId),
      wait: async ({ id, execId }) => {
        const exit = await this.#find(id).process(execId).exited;
        return { exitStatus: exit.status, exitedAt: timestampFromNanos(exit.atNanos) };
      },
      kill: async ({ id, execId, signal, all }) => {
        await this.#find(id).kill(execId, signal, all);
        return {};
      },
      exec: ({ id, execId, terminal, stdin, stdout, stderr, spec }) => this.#exec(id, execId, { terminal, stdin, stdout, stderr }, spec),
      resizePty: async ({ id, execId, width, height }) => {
        await this.#find(id).resize(execId, width, height);
        return {};
      },
      closeIO: async ({ id, execId, stdin }) => {
        const container = this.#find(id);
        container.process(execId);
        if (stdin) await container.closeStdin(execId);
        return {};
      },
      pids: ({ id }) => this.#pids(id),
      pause: async ({ id }) => {
        await this.#find(id).pause();
        return {};
      },
      resume: async ({ id }) => {
        await this.#find(id).resume();
        return {};
      },
      update: async ({ id, resources }) => {
        await this.#find(id).update(documentOf(resources, 'resources'));
        return {};
      },
      stats: ({ id }) => ({ stats: this.#stats(this.#find(id)) }),
      checkpoint: () => {
        throw new ShimError('not_implemented', 'NOT_IMPLEMENTED', 'checkpoint');
      },
      connect: ({ id }) => ({ shimPid: process.pid, taskPid: this.containers.get(id)?.init.pid ?? 0, version: '' }),
      shutdown: () => {
        if (this.isEmpty) this.#onShutdown();
        return {};
      },
    };
  }

  #find(id: string): TaskContainer {
    const container = this.containers.get(id);
    if (container === undefined) throw new ShimError('not_found', 'NO_CONTAINER', 'container not created');
    return container;
  }

  async #create(request: Parameters<NonNullable<TaskHandlers['create']>>[0]): Promise<{ pid: number }> {
    const { id, bundle, rootfs, terminal, stdin, stdout, stderr, checkpoint, options } = request;
    requireIdentifier(id);
    if (checkpoint !== '') throw new ShimError('not_implemented', 'NOT_IMPLEMENTED', 'restore from a checkpoint');
    if (!bundle.startsWith('/')) throw new ShimError('invalid_argument', 'BAD_REQUEST', `bundle ${JSON.stringify(bundle)} is no absolute path`);
    if (this.#creating.has(id) || this.containers.has(id)) throw new ShimError('already_exists', 'CONTAINER_EXISTS', `container ${id}`);
    this.#creating.add(id);
    try {
      const container = await TaskContainer.create(this.#host, { id, bundle, rootfs, stdio: { terminal, stdin, stdout, stderr }, runtime: runtimeOf(options, this.#host.namespace) });
      this.containers.set(id, container);
      return { pid: container.init.pid };
    } finally {
      this.#creating.delete(id);
    }
  }

  async #delete(id: string, execId: string): Promise<{ pid: number; exitStatus: number; exitedAt: ReturnType<typeof zeroTimestamp> }> {
    const { pid, exit } = await this.#find(id).delete(execId);
    if (execId === '') this.containers.delete(id);
    return { pid, exitStatus: exit.status, exitedAt: timestampFromNanos(exit.atNanos) };
  }

  #state(container: TaskContainer, execId: string): ReturnType<typeof stateOf> {
    return stateOf(container, container.process(execId));
  }

  async #exec(id: string, execId: string, stdio: TaskProcess['stdio'], spec: Any | undefined): Promise<object> {
    requireIdentifier(execId);
    const document = documentOf(spec, 'spec');
    const parsed: unknown = parseJson(document, 'spec');
    if (typeof parsed !== 'object' || parsed === null) throw new ShimError('invalid_argument', 'BAD_REQUEST', 'spec is no process');
    await this.#find(id).addExec(execId, { stdio, spec: JSON.stringify({ ...parsed, terminal: stdio.terminal }) });
    return {};
  }

  async #pids(id: string): Promise<{ processes: { pid: number; info?: Any }[] }> {
    const pids = await this.#find(id).pids();
    return { processes: pids.map(({ pid, execId }) => (execId === undefined ? { pid } : { pid, info: packAny(ProcessDetails, { execId }) })) };
  }

  #stats(container: TaskContainer): Any {
    if (container.init.exit !== undefined) throw new ShimError('not_found', 'PROCESS_FINISHED', 'cgroup does not exist');
    return readMetrics(container.init.pid);
  }
}

function requireIdentifier(id: string): void {
  if (id.length > IDENTIFIER_LENGTH_MAX || !IDENTIFIER.test(id)) {
    throw new ShimError('invalid_argument', 'BAD_REQUEST', `identifier ${JSON.stringify(id.slice(0, 200))} must match ${IDENTIFIER.source} with at most ${IDENTIFIER_LENGTH_MAX} characters`);
  }
}

function documentOf(any: Any | undefined, what: string): string {
  if (any === undefined) throw new ShimError('invalid_argument', 'BAD_REQUEST', `${what} is missing`);
  return Buffer.from(any.value).toString();
}

function parseJson(document: string, what: string): unknown {
  try {
    return JSON.parse(document);
  } catch (error) {
    throw new ShimError('invalid_argument', 'BAD_REQUEST', `${what} is no JSON`, error);
  }
}

/** The runtime that the task's options ask for; options of other types are for other shims and say nothing here. */
export function runtimeOf(options: Any | undefined, namespace: string): RuntimeRecord {
  const decoded = options !== undefined && isAnyOf(Options, options) ? Options.decode(options.value) : Options.fromPartial({});
  const { binaryName, root, systemdCgroup, noPivotRoot, noNewKeyring, ioUid, ioGid } = decoded;
  return {
    binary: binaryName === 'runc-ts' ? '' : binaryName,
    root: `${root === '' ? DEFAULT_RUNTIME_ROOT : root}/${namespace}`,
    systemdCgroup, noPivotRoot, noNewKeyring, ioUid: ioUid & UINT32, ioGid: ioGid & UINT32,
  };
}

function statusOf(container: TaskContainer, { phase }: TaskProcess): TaskStatus {
  if (phase === 'stopped') return TaskStatus.STOPPED;
  if (phase !== 'running') return TaskStatus.CREATED;
  return container.isPaused ? TaskStatus.PAUSED : TaskStatus.RUNNING;
}

function stateOf(container: TaskContainer, target: TaskProcess): {
  id: string; bundle: string; pid: number; status: TaskStatus; stdin: string; stdout: string; stderr: string; terminal: boolean; exitStatus: number; exitedAt: ReturnType<typeof zeroTimestamp>; execId: string;
} {
  const { stdio, exit, pid, id } = target;
  return {
    ...stdio, pid, id: id === '' ? container.id : id, bundle: container.bundle, status: statusOf(container, target), execId: id,
    exitStatus: exit?.status ?? 0, exitedAt: exit === undefined ? zeroTimestamp() : timestampFromNanos(exit.atNanos),
  };
}
