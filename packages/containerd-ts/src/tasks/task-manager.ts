import { isTtrpcError } from '@dray/ttrpc';
import type { Any } from '../any.ts';
import { alreadyExists, ContainerdError, errorText, isKind, notFound } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Mount } from '../snapshots/index.ts';
import { Bundle, type BundleFolders } from './bundle.ts';
import type { Exit } from './exit.ts';
import type { Kernel } from './kernel.ts';
import { readoptTasks } from './readopt.ts';
import { recoverTasks } from './recover.ts';
import type { ShimBinaries } from './shim-binary.ts';
import { deleteShim, type ShimEnvironment } from './shim-command.ts';
import type { ShimConnection } from './shim-connection.ts';
import { isConnectionLost } from './shim-connection.ts';
import { ShimPool } from './shim-pool.ts';
import { canReadopt, isShared, Task } from './task.ts';

/** What the tasks need of the rest of the daemon. */
export interface TaskManagerOptions {
  readonly folders: BundleFolders;
  readonly environment: ShimEnvironment;
  readonly binaries: ShimBinaries;
  readonly kernel: Kernel;
  readonly logger: Logger;
  /** The runtime of a container record, or undefined when there is no such record. */
  readonly findRuntime: (namespace: string, id: string) => { readonly name: string; readonly options: Any | undefined } | undefined;
  /** Told of a task whose shim died; the shim can no longer publish its end. */
  readonly onDead: (task: Task, exit: Exit & { readonly pid: number }) => void;
}

/** What a client asks for with a new task. */
export interface CreateTaskInput {
  readonly id: string;
  readonly runtime: string;
  readonly spec: Uint8Array;
  readonly rootfs: readonly Mount[];
  readonly terminal: boolean;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly options: Any | undefined;
}

/** Milliseconds that a shim without tasks gets to shut itself down. */
const SHUTDOWN_TIMEOUT_MS = 3000;
/** The exit status of a container whose end nobody saw. */
const UNKNOWN_EXIT_STATUS = 255;

/** The tasks of all namespaces. */
export class TaskManager {
  readonly options: TaskManagerOptions;
  readonly pool: ShimPool;
  readonly #tasks = new Map<string, Task>();
  readonly #creating = new Set<string>();
  #isClosed = false;

  constructor(options: TaskManagerOptions) {
    this.options = options;
    this.pool = new ShimPool({
      environment: options.environment,
      kernel: options.kernel,
      logger: options.logger,
      onLost: (connection) => {
        this.#onLost(connection);
      },
    });
  }

  /** @throws ContainerdError `not_found`, `TASK_NOT_FOUND` */
  get(namespace: string, id: string): Task {
    const task = this.#tasks.get(keyOf(namespace, id));
    if (task === undefined) throw notFound('TASK_NOT_FOUND', `task ${id} not found`);
    return task;
  }

  /** A task, or undefined. */
  find(namespace: string, id: string): Task | undefined {
    return this.#tasks.get(keyOf(namespace, id));
  }

  /** The tasks of a namespace, by id. */
  list(namespace: string): Task[] {
    return [...this.#tasks.values()].filter((task) => task.namespace === namespace).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Creates a task: bundle, shim, container. When it fails nothing of it is left.
   *
   * @throws ContainerdError `already_exists`, `TASK_EXISTS`
   */
  async create(namespace: string, input: CreateTaskInput): Promise<number> {
    const key = keyOf(namespace, input.id);
    if (this.#tasks.has(key) || this.#creating.has(key)) throw alreadyExists('TASK_EXISTS', `task ${input.id}`);
    const binary = this.options.binaries.resolve(input.runtime);
    const bundle = new Bundle(this.options.folders, namespace, input.id);
    this.#creating.add(key);
    try {
      bundle.create(input.spec);
      bundle.write('shim-binary-path', binary);
      return await this.#createInBundle(bundle, binary, input);
    } finally {
      this.#creating.delete(key);
    }
  }

  /**
   * Deletes a stopped task with everything that belongs to it.
   *
   * @throws ContainerdError `not_found`, `TASK_NOT_FOUND`
   * @throws TtrpcError `failed_precondition` while it runs
   */
  async delete(namespace: string, id: string): Promise<Exit & { readonly pid: number }> {
    const task = this.get(namespace, id);
    const deleted = await this.#deleteInShim(task);
    this.unregister(task);
    task.end(deleted);
    await this.#dismissShim(task);
    this.pool.closeLog(task.bundle);
    task.bundle.remove(this.options.kernel);
    return deleted;
  }

  /** Takes over what a former daemon left. Returns when every task is known; shims that must be replaced are replaced meanwhile. */
  async recover(): Promise<void> {
    await recoverTasks(this);
  }

  /** Makes a task known. */
  register(task: Task): void {
    this.#tasks.set(keyOf(task.namespace, task.id), task);
  }

  /** Makes a task unknown. Returns false when it was already. */
  unregister(task: Task): boolean {
    const key = keyOf(task.namespace, task.id);
    if (this.#tasks.get(key) !== task) return false;
    return this.#tasks.delete(key);
  }

  /** Cleans up after a shim that is gone for good: its `delete` command kills the container, and this daemon publishes the end. */
  async bury(task: Task): Promise<void> {
    const exit = await this.cleanUp(task.bundle, task.binary);
    const known = task.exitOf('') ?? exit;
    task.end(known);
    if (this.unregister(task)) this.options.onDead(task, { ...exit, ...known });
  }

  /** Runs a shim's `delete` command and removes the bundle. */
  async cleanUp(bundle: Bundle, binary: string): Promise<Exit & { readonly pid: number }> {
    const { logger, environment, kernel } = this.options;
    let exit: Exit & { readonly pid: number } = { pid: 0, exitStatus: UNKNOWN_EXIT_STATUS, exitedAt: nowTimestamp() };
    try {
      exit = await deleteShim(binary, bundle, environment);
    } catch (error) {
      logger.warn({ namespace: bundle.namespace, containerId: bundle.id, err: errorText(error) }, 'cannot clean up after dead shim, going on');
    }
    this.pool.closeLog(bundle);
    try {
      bundle.remove(kernel);
    } catch (error) {
      logger.error({ namespace: bundle.namespace, containerId: bundle.id, err: errorText(error) }, 'cannot remove bundle of dead shim');
    }
    return exit;
  }

  /** Lets go of all shims. Those that serve no container any more are told to end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const idle = this.pool.sharedShims().filter((connection) => !this.#isUsed(connection));
    await Promise.all(idle.map((connection) => this.#shutDown(connection, '')));
    this.pool.close();
  }

  async #createInBundle(bundle: Bundle, binary: string, input: CreateTaskInput): Promise<number> {
    let connection: ShimConnection | undefined;
    try {
      connection = await this.pool.acquire(bundle, binary, input.options);
      const { id, rootfs, terminal, stdin, stdout, stderr } = input;
      const request = { id, bundle: bundle.path, rootfs: rootfs.map((mount) => ({ ...mount, options: [...mount.options] })), terminal, stdin, stdout, stderr, options: input.options };
      const { pid } = await connection.task.create(request).catch((error: unknown) => {
        throw createFailure(error);
      });
      const task = new Task({ bundle, binary, connection });
      this.register(task);
      return pid === 0 ? await this.#pidOf(task) : pid;
    } catch (error) {
      await this.#undoCreate(bundle, binary, connection);
      throw error;
    }
  }

  async #pidOf(task: Task): Promise<number> {
    const { taskPid } = await task.call((client) => client.connect({ id: task.id }), { isRepeatable: true });
    return taskPid;
  }

  /** A shared shim has undone its own part; any other exists for this container alone and goes. */
  async #undoCreate(bundle: Bundle, binary: string, connection: ShimConnection | undefined): Promise<void> {
    if (connection !== undefined && isShared(connection) && !connection.isClosed) {
      await connection.task.delete({ id: bundle.id }).catch(() => undefined);
      this.pool.closeLog(bundle);
      bundle.remove(this.options.kernel);
      return;
    }
    if (connection !== undefined && !this.#isUsed(connection)) {
      await this.#shutDown(connection, bundle.id);
      this.pool.release(connection);
    }
    await this.cleanUp(bundle, binary);
  }

  async #deleteInShim(task: Task): Promise<Exit & { readonly pid: number }> {
    try {
      const { pid, exitStatus, exitedAt } = await task.call((client) => client.delete({ id: task.id }), { isRepeatable: true });
      return { pid, exitStatus, exitedAt };
    } catch (error) {
      // The shim was replaced after it had deleted and before it could say so.
      const exit = task.exitOf('');
      if (!isNotFound(error) || exit === undefined) throw error;
      return { pid: 0, ...exit };
    }
  }

  /** Ends the shim of a deleted task, unless it serves others. */
  async #dismissShim(task: Task): Promise<void> {
    const { connection } = task;
    if (connection !== undefined && (isShared(connection) || this.#isUsed(connection))) return;
    if (connection !== undefined) {
      await this.#shutDown(connection, task.id);
      this.pool.release(connection);
    }
    try {
      await deleteShim(task.binary, task.bundle, this.options.environment);
    } catch (error) {
      this.options.logger.debug({ namespace: task.namespace, containerId: task.id, err: errorText(error) }, 'delete command of an ended shim failed, ignoring');
    }
  }

  async #shutDown(connection: ShimConnection, id: string): Promise<void> {
    try {
      await connection.task.shutdown({ id, now: false }, { timeoutMs: SHUTDOWN_TIMEOUT_MS });
    } catch (error) {
      // A shim that ends may close the connection before it answers.
      if (!isConnectionLost(error)) this.options.logger.debug({ containerId: id, err: errorText(error) }, 'shim did not shut down, ignoring');
    }
  }

  #isUsed(connection: ShimConnection): boolean {
    return [...this.#tasks.values()].some((task) => task.connection === connection);
  }

  #onLost(connection: ShimConnection): void {
    if (this.#isClosed) return;
    const tasks = [...this.#tasks.values()].filter((task) => task.connection === connection);
    if (tasks.length === 0) return;
    this.options.logger.warn({ address: connection.address.address, tasks: tasks.length }, 'shim disconnected');
    if (canReadopt(connection)) readoptTasks(this, tasks);
    else for (const task of tasks) void this.bury(task);
  }
}

function keyOf(namespace: string, id: string): string {
  return `${namespace}\0${id}`;
}

function isNotFound(error: unknown): boolean {
  return isKind(error, 'not_found') || (error instanceof Error && 'kind' in error && error.kind === 'not_found');
}

function nowTimestamp(): { seconds: bigint; nanos: number } {
  const millis = Date.now();
  return { seconds: BigInt(Math.floor(millis / 1000)), nanos: (millis % 1000) * 1_000_000 };
}

/** What a shim answered to Create, in containerd's words; the text of an error without class ends in `unknown`. */
function createFailure(cause: unknown): unknown {
  if (!isTtrpcError(cause) || cause.code !== 'REMOTE') return cause;
  const text = cause.kind === 'unknown' && !cause.message.endsWith(': unknown') ? `${cause.message}: unknown` : cause.message;
  return new ContainerdError(`failed to create shim task: ${text}`, { kind: cause.kind, code: 'SHIM_TASK_CREATE', cause });
}
