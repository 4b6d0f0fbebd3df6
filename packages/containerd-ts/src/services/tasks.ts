import type { TasksServer } from '@dray/containerd-api/services/tasks';
import type { StateResponse } from '@dray/containerd-api/task';
import { TaskStatus, type Metric, type Process } from '@dray/containerd-api/types';
import type { ContainerStore } from '../containers/container-store.ts';
import { errorText, failedPrecondition, notImplemented } from '../errors.ts';
import { matchesAny, parseFilters } from '../filters/index.ts';
import { nowNanos } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { Task, TaskManager } from '../tasks/index.ts';
import { unary, type CallContext } from './call.ts';
import { toAny, toTimestamp, ZERO_TIME } from './convert.ts';

/** What the service needs. */
export interface TasksDependencies {
  readonly tasks: TaskManager;
  readonly containers: ContainerStore;
  readonly logger: Logger;
}

/** Milliseconds for a shim to tell the state of a task; after that the task is listed as unknown. */
const STATE_TIMEOUT_MS = 2000;
const REPEATABLE = { isRepeatable: true };
const ONCE = { isRepeatable: false };

/** `containerd.services.tasks.v1.Tasks` */
export function createTasksService({ tasks, containers, logger }: TasksDependencies): TasksServer {
  const taskOf = (context: CallContext, id: string): Task => tasks.get(context.namespace(), id);
  return {
    create: unary(async (request, context) => {
      const namespace = context.namespace();
      const { runtime, spec } = containers.get(namespace, request.containerId);
      if (request.checkpoint !== undefined) throw notImplemented('CHECKPOINT', 'restore from a checkpoint');
      if (spec === undefined) throw failedPrecondition('INVALID_CONTAINER', `container ${JSON.stringify(request.containerId)} has no spec`);
      const { containerId, rootfs, terminal, stdin, stdout, stderr, runtimePath } = request;
      const options = request.options ?? runtime.options;
      const input = { id: containerId, runtime: runtimePath === '' ? runtime.name : runtimePath, spec: spec.value, rootfs, terminal, stdin, stdout, stderr, options };
      return { containerId, pid: await tasks.create(namespace, input) };
    }),
    start: unary(async ({ containerId, execId }, context) => {
      const { pid } = await taskOf(context, containerId).call((shim) => shim.start({ id: containerId, execId }), ONCE);
      return { pid };
    }),
    delete: unary(async ({ containerId }, context) => {
      const { pid, exitStatus, exitedAt } = await tasks.delete(context.namespace(), containerId);
      return { id: '', pid, exitStatus, exitedAt };
    }),
    deleteProcess: unary(async ({ containerId, execId }, context) => {
      const task = taskOf(context, containerId);
      const { pid, exitStatus, exitedAt } = await task.call((shim) => shim.delete({ id: containerId, execId }), REPEATABLE);
      task.forget(execId);
      return { id: execId, pid, exitStatus, exitedAt };
    }),
    get: unary(async ({ containerId, execId }, context) => {
      const state = await taskOf(context, containerId).call((shim) => shim.state({ id: containerId, execId }), REPEATABLE);
      return { process: toProcess(state, execId === '' ? containerId : execId) };
    }),
    list: unary(async (_, context) => ({ tasks: await Promise.all(tasks.list(context.namespace()).map((task) => listed(task, logger))) })),
    kill: unary(async ({ containerId, execId, signal, all }, context) => {
      await taskOf(context, containerId).call((shim) => shim.kill({ id: containerId, execId, signal, all }), REPEATABLE);
      return {};
    }),
    exec: unary(async ({ containerId, execId, terminal, stdin, stdout, stderr, spec }, context) => {
      const task = taskOf(context, containerId);
      task.forget(execId);
      await task.call((shim) => shim.exec({ id: containerId, execId, terminal, stdin, stdout, stderr, spec }), ONCE);
      return {};
    }),
    resizePty: unary(async ({ containerId, execId, width, height }, context) => {
      await taskOf(context, containerId).call((shim) => shim.resizePty({ id: containerId, execId, width, height }), REPEATABLE);
      return {};
    }),
    closeIo: unary(async ({ containerId, execId, stdin }, context) => {
      const task = taskOf(context, containerId);
      if (stdin) await task.call((shim) => shim.closeIO({ id: containerId, execId, stdin }), REPEATABLE);
      return {};
    }),
    pause: unary(async ({ containerId }, context) => {
      await taskOf(context, containerId).call((shim) => shim.pause({ id: containerId }), ONCE);
      return {};
    }),
    resume: unary(async ({ containerId }, context) => {
      await taskOf(context, containerId).call((shim) => shim.resume({ id: containerId }), ONCE);
      return {};
    }),
    listPids: unary(async ({ containerId }, context) => {
      const { processes } = await taskOf(context, containerId).call((shim) => shim.pids({ id: containerId }), REPEATABLE);
      return { processes };
    }),
    checkpoint: unary(({ containerId }, context) => {
      taskOf(context, containerId);
      throw notImplemented('CHECKPOINT', 'checkpoint of a task');
    }),
    update: unary(async ({ containerId, resources, annotations }, context) => {
      await taskOf(context, containerId).call((shim) => shim.update({ id: containerId, resources, annotations }), REPEATABLE);
      return {};
    }),
    metrics: unary(async ({ filters }, context) => {
      const parsed = parseFilters(filters);
      const wanted = tasks.list(context.namespace()).filter((task) => matchesAny(parsed, task, readTaskField));
      const metrics = await Promise.all(wanted.map((task) => measured(task, logger)));
      return { metrics: metrics.filter((metric) => metric !== undefined) };
    }),
    wait: unary(async ({ containerId, execId }, context) => {
      const { exitStatus, exitedAt } = await taskOf(context, containerId).wait(execId);
      return { exitStatus, exitedAt };
    }),
  };
}

/** A task in a listing. One whose shim does not answer is there, with an unknown state. */
async function listed(task: Task, logger: Logger): Promise<Process> {
  try {
    return toProcess(await task.call((shim) => shim.state({ id: task.id }, { timeoutMs: STATE_TIMEOUT_MS }), ONCE), task.id);
  } catch (error) {
    logger.warn({ namespace: task.namespace, containerId: task.id, err: errorText(error) }, 'cannot get the state of a task, listing it as unknown');
    const nothing = { containerId: '', pid: 0, stdin: '', stdout: '', stderr: '', terminal: false, exitStatus: 0 };
    return { ...nothing, id: task.id, status: TaskStatus.UNKNOWN, exitedAt: ZERO_TIME };
  }
}

/** A task's metrics. One that cannot be measured is left out, as in the original. */
async function measured(task: Task, logger: Logger): Promise<Metric | undefined> {
  try {
    const { stats } = await task.call((shim) => shim.stats({ id: task.id }), ONCE);
    return { timestamp: toTimestamp(nowNanos()), id: task.id, data: toAny(stats) };
  } catch (error) {
    logger.debug({ namespace: task.namespace, containerId: task.id, err: errorText(error) }, 'cannot measure a task, leaving it out');
    return undefined;
  }
}

function toProcess(state: StateResponse, id: string): Process {
  const { pid, status, stdin, stdout, stderr, terminal, exitStatus, exitedAt } = state;
  return { containerId: '', id, pid, status, stdin, stdout, stderr, terminal, exitStatus, exitedAt: exitedAt ?? ZERO_TIME };
}

function readTaskField(task: Task, path: readonly string[]): string | undefined {
  if (path.length !== 1) return undefined;
  return path[0] === 'id' ? task.id : path[0] === 'namespace' ? task.namespace : undefined;
}
