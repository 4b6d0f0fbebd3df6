import { type Cgroup, cgroupLayout, type CgroupStats } from '@dray/libcontainer';
import { findContainer, type FoundContainer, notRunning, statusOf } from './container.ts';
import { createContainer } from './create.ts';
import { deleteContainer } from './delete.ts';
import { isRuncError, RuncError } from './errors.ts';
import { execInContainer } from './exec.ts';
import { features, type Features } from './features.ts';
import { killContainer } from './kill.ts';
import type { CreateOptions, DeleteOptions, ExecOptions, KillOptions, LogEntry, RuntimeOptions, UpdateResources } from './options.ts';
import { ownerOf } from './owner.ts';
import { defaultSpec, type DefaultSpecOptions } from './spec/default-spec.ts';
import { decodeResources } from './spec/load.ts';
import { startContainer } from './start.ts';
import { type ContainerState, stateDocument } from './state/status.ts';
import { openStore, type StateStore } from './state/store.ts';
import { mergeResources } from './update.ts';

/** A process that was started. */
export interface StartedProcess {
  /** As the caller's pid namespace counts. */
  readonly pid: number;
}

/** What {@link Runtime.list} says about a directory of the root. */
export type ListedContainer = { readonly kind: 'container'; readonly state: ContainerState } | { readonly kind: 'broken'; readonly id: string; readonly error: Error };

/** An OCI runtime over one root directory. It keeps nothing in memory: every call looks at the disk and the kernel. */
export interface Runtime {
  /** Makes a container; its init waits for `start`. */
  create(id: string, options: CreateOptions): Promise<StartedProcess>;
  /** Lets a created container's program run. */
  start(id: string): Promise<void>;
  /** Create and start; a container that cannot be started is deleted. */
  run(id: string, options: CreateOptions): Promise<StartedProcess>;
  state(id: string): ContainerState;
  list(): ListedContainer[];
  /** `signal` is a number, see `parseSignal`. */
  kill(id: string, signal: number, options?: KillOptions): Promise<void>;
  delete(id: string, options?: DeleteOptions): Promise<void>;
  /** Starts one more process in a container; resolves when its program runs. */
  exec(id: string, options: ExecOptions): Promise<StartedProcess>;
  /** The pids of the container's processes. */
  ps(id: string): number[];
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Changes limits. Device rules are left as they are. */
  update(id: string, resources: UpdateResources): void;
  stats(id: string): CgroupStats;
  /** The container's cgroup, for those who watch its events. */
  cgroup(id: string): Cgroup;
  features(): Features;
  /** A configuration to begin with. */
  spec(options?: DefaultSpecOptions): object;
}

/** Where states are kept when nothing else is said. */
export const DEFAULT_ROOT = '/run/runc';

/**
 * Opens a runtime. Nothing is made until the first container is.
 * @example
 * const runtime = createRuntime({ root: '/run/my-containers' });
 * const { pid } = await runtime.run('hello', { bundle: '/bundles/hello' });
 */
export function createRuntime(options: RuntimeOptions = {}): Runtime {
  const store = openStore(options.root ?? DEFAULT_ROOT);
  const log = options.log ?? ((): void => undefined);
  return new DiskRuntime(store, log, options);
}

class DiskRuntime implements Runtime {
  readonly #store: StateStore;
  readonly #log: (entry: LogEntry) => void;
  readonly #options: RuntimeOptions;

  constructor(store: StateStore, log: (entry: LogEntry) => void, options: RuntimeOptions) {
    this.#store = store;
    this.#log = log;
    this.#options = options;
  }

  async create(id: string, options: CreateOptions): Promise<StartedProcess> {
    const record = await createContainer(id, options, {
      store: this.#store,
      log: this.#log,
      systemdCgroup: this.#options.systemdCgroup ?? false,
      isRootless: this.#options.rootless ?? process.geteuid?.() !== 0,
      spawner: this.#options.spawner,
    });
    return { pid: record.init_process_pid };
  }

  start(id: string): Promise<void> {
    return startContainer(this.#find(id));
  }

  async run(id: string, options: CreateOptions): Promise<StartedProcess> {
    const started = await this.create(id, options);
    try {
      await this.start(id);
    } catch (error) {
      await this.delete(id, { force: true });
      throw error;
    }
    return started;
  }

  state(id: string): ContainerState {
    const container = this.#find(id);
    return stateDocument(container.record, statusOf(container));
  }

  list(): ListedContainer[] {
    return this.#store.ids().map((id) => {
      try {
        const container = this.#find(id);
        return { kind: 'container', state: stateDocument(container.record, statusOf(container), ownerOf(container.directory)) };
      } catch (error) {
        return { kind: 'broken', id, error: error instanceof Error ? error : new Error(String(error)) };
      }
    });
  }

  kill(id: string, signal: number, options: KillOptions = {}): Promise<void> {
    return killContainer(this.#find(id), signal, options);
  }

  async delete(id: string, { force = false }: DeleteOptions = {}): Promise<void> {
    const container = this.#findToDelete(id, force);
    if (container === undefined) return;
    await deleteContainer(container, { force, store: this.#store, log: this.#log });
  }

  async exec(id: string, options: ExecOptions): Promise<StartedProcess> {
    const pid = await execInContainer(this.#find(id), options, { log: this.#log, spawner: this.#options.spawner });
    return { pid };
  }

  ps(id: string): number[] {
    return this.#find(id).cgroup.pids();
  }

  async pause(id: string): Promise<void> {
    const container = this.#find(id);
    const status = statusOf(container);
    if (status !== 'running' && status !== 'created') throw notRunning();
    await container.cgroup.freeze();
  }

  async resume(id: string): Promise<void> {
    const container = this.#find(id);
    if (statusOf(container) !== 'paused') throw wrongState('container not paused');
    await container.cgroup.thaw();
  }

  update(id: string, resources: UpdateResources): void {
    const container = this.#find(id);
    if (statusOf(container) === 'stopped') throw notRunning();
    const merged = mergeResources(container.record.dray.resources, decodeResources(resources));
    const { devices: _devices, ...limits } = merged;
    container.cgroup.apply(limits);
    this.#store.save({ ...container.record, dray: { ...container.record.dray, resources: merged } });
  }

  stats(id: string): CgroupStats {
    return this.#find(id).cgroup.stats();
  }

  cgroup(id: string): Cgroup {
    return this.#find(id).cgroup;
  }

  features(): Features {
    return features();
  }

  spec(options: DefaultSpecOptions = {}): object {
    return defaultSpec({ cgroupNamespace: cgroupLayout().mode === 'v2', ...options });
  }

  #find(id: string): FoundContainer {
    return findContainer(this.#store, id);
  }

  /** With `force` a directory without a state is what a runtime left that was killed while it created; it is removed. */
  #findToDelete(id: string, force: boolean): FoundContainer | undefined {
    try {
      return this.#find(id);
    } catch (error) {
      if (!force || !isRuncError(error) || error.code !== 'NO_CONTAINER') throw error;
      if (this.#store.has(id)) this.#store.remove(id);
      return undefined;
    }
  }
}

function wrongState(message: string): RuncError {
  return new RuncError({ kind: 'failed_precondition', code: 'WRONG_STATE', message });
}
