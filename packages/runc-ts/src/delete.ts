import { type FoundContainer, hookStateOf, statusOf, usesOf } from './container.ts';
import { RuncError } from './errors.ts';
import { runHooks } from './hooks/run.ts';
import type { LogEntry } from './options.ts';
import { killAndWait } from './process-end.ts';
import { hasOwnPids } from './spec/validate.ts';
import { isAlive } from './state/process-stat.ts';
import type { StateStore } from './state/store.ts';

const SIGKILL = 9;

/**
 * Removes a stopped or created container, or with `force` any: its processes, cgroups and state, then the poststop hooks run.
 * @throws RuncError `failed_precondition` (`WRONG_STATE`) for a running container.
 */
export async function deleteContainer(container: FoundContainer, { force, store, log }: { readonly force: boolean; readonly store: StateStore; readonly log: (entry: LogEntry) => void }): Promise<void> {
  const { record, cgroup } = container;
  const status = statusOf(container);
  if (status !== 'stopped' && status !== 'created' && !force) {
    throw new RuncError({ kind: 'failed_precondition', code: 'WRONG_STATE', message: `cannot delete container ${record.id} that is not stopped: ${status}` });
  }
  await endProcesses(container);
  await cgroup.delete();
  store.remove(record.id);
  try {
    await runHooks(record.dray.hooks.poststop ?? [], hookStateOf(record, 'stopped'));
  } catch (error) {
    // The container has gone; there is nothing left that a failure could stop.
    log({ level: 'warning', message: error instanceof Error ? error.message : String(error) });
  }
}

async function endProcesses(container: FoundContainer): Promise<void> {
  const { record, cgroup } = container;
  if (cgroup.isFrozen()) await cgroup.thaw();
  if (isAlive(record.init_process_pid, record.init_process_start)) await killAndWait(record.init_process_pid);
  // Others outlive the init only where it does not hold their pid namespace.
  if (!hasOwnPids(usesOf(container)) && cgroup.exists()) await cgroup.signalAll(SIGKILL);
}
