/** Ends a container that no shim serves any more. */
import path from 'node:path';
import { createOciRuntime } from '../runtime/create-runtime.ts';
import { removeTaskRecord, type TaskRecord } from '../state/task-record.ts';
import { ProcessMonitor, readExitFile } from './process-monitor.ts';
import { unmountRootfs } from './rootfs.ts';
import { TaskProcess } from './task-process.ts';

/**
 * Kills what runs, removes the runtime's state, the monitors, the rootfs mount and the record.
 * @returns how the first process ended, undefined when nobody knows
 */
export async function cleanUp(bundle: string, record: TaskRecord): Promise<{ readonly pid: number; readonly exitStatus: number; readonly exitedAtNanos: bigint } | undefined> {
  const runtime = await createOciRuntime({ id: record.id, bundle, runtime: record.runtime, warn: () => { /* the command prints nothing but its answer */ } });
  await runtime.delete({ force: true });
  const init = TaskProcess.fromRecord(record.init);
  for (const each of [...record.execs.map((exec) => TaskProcess.fromRecord(exec)), init]) await ProcessMonitor.abandon(each.files(bundle));
  const exit = readExitFile(init.files(bundle).exitFile, init.pid);
  if (record.hasRootfsMount) unmountRootfs(path.join(bundle, 'rootfs'));
  removeTaskRecord(bundle);
  return exit === undefined ? undefined : { pid: record.init.pid, exitStatus: exit.status, exitedAtNanos: exit.atNanos };
}
