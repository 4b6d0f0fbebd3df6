import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ContainerdConnection } from '@dray/containerd-api';
import type { Any } from '@dray/containerd-api/types';
import { openStdio, type TaskStdio } from './fifo-stdio.ts';
import { Task, taskWithoutStreams } from './task.ts';
import { toProcessState, type ProcessState, type TaskProcess } from './task-process.ts';
import { expectField, fromContentDescriptor, fromSnapshotMount, type CallOptions, type ContentDescriptor, type ExitStatus, type SnapshotMount } from './values.ts';

/** How a task is created. */
export interface TaskOptions extends CallOptions {
  /** Nowhere by default. */
  readonly stdio?: TaskStdio;
  /** What to mount as the root, as a snapshotter says; nothing when the spec's root is mounted already. */
  readonly rootfs?: readonly SnapshotMount[];
  /** Options of the runtime for this task (see `packAny`). */
  readonly runtimeOptions?: Any;
  /** A checkpoint to restore. */
  readonly checkpoint?: ContentDescriptor;
}

/** How a task is run to its end. */
export interface RunOptions extends Omit<TaskOptions, 'stdio'> {
  /** Becomes the process's input; without it there is none. */
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Gets the process's output, and is not ended. */
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  readonly hasTerminal?: boolean;
}

/** containerd's tasks. */
export class TasksClient {
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection) {
    this.#connection = connection;
  }

  /** Prepares a container's task; `start()` then runs it. @throws ContainerdApiError not_found, already_exists, or of the runtime */
  async create(containerId: string, options: TaskOptions = {}): Promise<Task> {
    const { stdio = { kind: 'null' }, rootfs = [], runtimeOptions, checkpoint, ...call } = options;
    const opened = await openStdio(stdio);
    try {
      const { pid } = await this.#connection.tasks.create(
        {
          containerId,
          rootfs: rootfs.map(fromSnapshotMount),
          ...opened.paths,
          ...(runtimeOptions === undefined ? {} : { options: runtimeOptions }),
          ...(checkpoint === undefined ? {} : { checkpoint: fromContentDescriptor(checkpoint) }),
        },
        call,
      );
      return new Task(this.#connection, { containerId, execId: '' }, pid, opened);
    } catch (error) {
      await opened.destroy();
      throw error;
    }
  }

  /** The task of a container, whoever created it. @throws ContainerdApiError not_found */
  async get(containerId: string, options: CallOptions = {}): Promise<Task> {
    const { pid } = expectField((await this.#connection.tasks.get({ containerId }, options)).process, 'process');
    return taskWithoutStreams(this.#connection, containerId, pid);
  }

  async list(options: CallOptions = {}): Promise<ProcessState[]> {
    return (await this.#connection.tasks.list({}, options)).tasks.map(toProcessState);
  }

  /**
   * Creates, starts, waits for and deletes a container's task; the container stays. When the signal aborts, the task is killed.
   * @example
   * const { code } = await client.tasks.run('web', { rootfs: await client.snapshots().mounts('web'), stdout: process.stdout });
   */
  async run(containerId: string, options: RunOptions = {}): Promise<ExitStatus> {
    const { stdin, stdout, stderr, hasTerminal = false, ...create } = options;
    const task = await this.create(containerId, { ...create, stdio: { kind: 'streams', hasStdin: stdin !== undefined, hasTerminal } });
    return runToEnd(task, { stdin, stdout, stderr, signal: options.signal });
  }
}

/** Starts a prepared process, moves its bytes, and deletes it when it has ended. */
async function runToEnd(
  process: TaskProcess,
  io: { stdin: RunOptions['stdin']; stdout: Writable | undefined; stderr: Writable | undefined; signal: AbortSignal | undefined },
): Promise<ExitStatus> {
  const call = io.signal === undefined ? {} : { signal: io.signal };
  try {
    const copies = Promise.all([copyOut(process.stdout, io.stdout), copyOut(process.stderr, io.stderr)]);
    const exited = process.wait(call);
    // Each is awaited below, unless an earlier step fails; that failure is then the one to report.
    copies.catch(() => undefined);
    exited.catch(() => undefined);
    await process.start(call);
    copyIn(io.stdin, process.stdin);
    const exit = await exited;
    await process.delete();
    await copies;
    return exit;
  } catch (error) {
    await process.destroy();
    throw error;
  }
}

async function copyOut(source: Readable | undefined, sink: Writable | undefined): Promise<void> {
  if (source === undefined) return;
  if (sink === undefined) source.resume();
  else await pipeline(source, sink, { end: false });
}

/** A process that ends before its input does is no error: it has read what it wanted. */
function copyIn(source: RunOptions['stdin'], sink: Writable | undefined): void {
  if (source === undefined || sink === undefined) return;
  const readable = source instanceof Uint8Array ? Readable.from([source]) : Readable.from(source);
  pipeline(readable, sink).catch(() => undefined);
}
