import { setTimeout as sleep } from 'node:timers/promises';
import { isTtrpcError } from '@dray/ttrpc';
import { errorText } from '../errors.ts';
import type { ShimConnection } from './shim-connection.ts';
import type { Task } from './task.ts';
import type { TaskManager } from './task-manager.ts';

/** Pauses before each attempt to start a shim again. */
const ATTEMPT_DELAYS_MS: readonly number[] = [0, 200, 1000, 3000];
/** Milliseconds for a new shim to say whether it knows a container. */
const STATE_TIMEOUT_MS = 2000;

/** Replaces a shim that died and can be replaced. Calls to its tasks wait meanwhile; tasks that no shim takes over are buried. */
export function readoptTasks(manager: TaskManager, tasks: readonly Task[]): void {
  // The tasks go one after the other: the first start brings the shim back, which then mostly knows the others.
  let before: Promise<unknown> = Promise.resolve();
  for (const task of tasks) {
    const connection = before.then(() => readopt(manager, task));
    task.reconnect(connection);
    connection.then(
      (opened) => {
        task.reconnect(opened);
      },
      (error: unknown) => {
        manager.options.logger.error({ namespace: task.namespace, containerId: task.id, err: errorText(error) }, 'no shim takes the task over');
        void manager.bury(task);
      },
    );
    before = connection.catch(() => undefined);
  }
}

async function readopt(manager: TaskManager, task: Task): Promise<ShimConnection> {
  let failure: unknown;
  for (const delayMs of ATTEMPT_DELAYS_MS) {
    await sleep(delayMs);
    try {
      return await reconnect(manager, task);
    } catch (error) {
      failure = error;
      manager.options.logger.warn({ namespace: task.namespace, containerId: task.id, err: errorText(error) }, 'cannot replace shim yet');
    }
  }
  throw failure;
}

async function reconnect(manager: TaskManager, task: Task): Promise<ShimConnection> {
  const { pool, options } = manager;
  const running = pool.findShared(task.namespace, task.binary);
  if (running !== undefined && (await knows(running, task))) return running;
  const started = await pool.start(task.bundle, task.binary, options.findRuntime(task.namespace, task.id)?.options);
  await started.task.state({ id: task.id }, { timeoutMs: STATE_TIMEOUT_MS });
  return started;
}

async function knows(connection: ShimConnection, task: Task): Promise<boolean> {
  try {
    await connection.task.state({ id: task.id }, { timeoutMs: STATE_TIMEOUT_MS });
    return true;
  } catch (error) {
    if (isTtrpcError(error) && error.kind === 'not_found') return false;
    throw error;
  }
}
