import { readFileSync } from 'node:fs';
import { errorText } from '../errors.ts';
import { CAPABILITY_READOPT, readBootstrapFile } from './bootstrap.ts';
import { findBundles, type Bundle } from './bundle.ts';
import type { ShimConnection } from './shim-connection.ts';
import { readoptTasks } from './readopt.ts';
import { Task } from './task.ts';
import type { TaskManager } from './task-manager.ts';

/** Milliseconds for a shim to say what it has. */
const LOAD_TIMEOUT_MS = 5000;

/** Connects to the shims of all bundles that a former daemon left. */
export async function recoverTasks(manager: TaskManager): Promise<void> {
  const lost: Task[] = [];
  await Promise.all(
    findBundles(manager.options.folders).map(async (bundle) => {
      const task = await recover(manager, bundle);
      if (task !== undefined) lost.push(task);
    }),
  );
  readoptTasks(manager, lost);
}

/** Takes one bundle over. Returns the task when its shim has to be replaced first. */
async function recover(manager: TaskManager, bundle: Bundle): Promise<Task | undefined> {
  const { logger, findRuntime } = manager.options;
  const binary = readBinary(manager, bundle);
  const address = readBootstrapFile(bundle);
  if (binary === undefined || findRuntime(bundle.namespace, bundle.id) === undefined) {
    logger.warn({ namespace: bundle.namespace, containerId: bundle.id }, 'bundle without container, removing');
    await manager.cleanUp(bundle, binary ?? 'containerd-shim-runc-v2');
    return undefined;
  }
  try {
    if (address === undefined) throw new Error('bundle does not say where its shim is');
    const connection = await manager.pool.connect(bundle, binary, address);
    manager.pool.readLog(bundle);
    await adopt(manager, bundle, binary, connection);
    return undefined;
  } catch (error) {
    logger.warn({ namespace: bundle.namespace, containerId: bundle.id, err: errorText(error) }, 'cannot reach shim of a former daemon');
    const placeholder = Promise.reject<ShimConnection>(error instanceof Error ? error : new Error(String(error)));
    const task = new Task({ bundle, binary, connection: placeholder });
    manager.register(task);
    if (address?.capabilities.includes(CAPABILITY_READOPT) === true) return task;
    await manager.bury(task);
    return undefined;
  }
}

/** Registers a task whose shim answers, or cleans up when the shim has no process of it. */
async function adopt(manager: TaskManager, bundle: Bundle, binary: string, connection: ShimConnection): Promise<void> {
  await connection.task.state({ id: bundle.id }, { timeoutMs: LOAD_TIMEOUT_MS });
  manager.register(new Task({ bundle, binary, connection }));
  manager.options.logger.info({ namespace: bundle.namespace, containerId: bundle.id }, 'task taken over');
}

/** The shim's binary as the bundle names it, else as the container's runtime does. */
function readBinary(manager: TaskManager, bundle: Bundle): string | undefined {
  try {
    return readFileSync(bundle.file('shim-binary-path'), 'utf8').trim();
  } catch {
    const runtime = manager.options.findRuntime(bundle.namespace, bundle.id);
    return runtime === undefined ? undefined : manager.options.binaries.resolve(runtime.name);
  }
}
