import { accessSync } from 'node:fs';
import { join } from 'node:path';
import type { Cgroup } from '@dray/libcontainer';
import { isAlive } from './process-stat.ts';
import type { ContainerRecord } from './record.ts';
import { EXEC_FIFO } from './store.ts';

/** Where a container is in its life. */
export type ContainerStatus = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

/** The state document of the OCI runtime specification, with runc's additions. */
export interface ContainerState {
  readonly ociVersion: string;
  readonly id: string;
  /** 0 when stopped. */
  readonly pid: number;
  readonly status: ContainerStatus;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner: string;
}

/** Looks at the container's process and cgroup, as they are now. */
export function currentStatus(record: ContainerRecord, directory: string, cgroup: Cgroup): ContainerStatus {
  if (cgroup.isFrozen()) return 'paused';
  if (!isAlive(record.init_process_pid, record.init_process_start)) return 'stopped';
  return exists(join(directory, EXEC_FIFO)) ? 'created' : 'running';
}

/** The state document for a status. */
export function stateDocument(record: ContainerRecord, status: ContainerStatus, owner = ''): ContainerState {
  return {
    ociVersion: record.config.version,
    id: record.id,
    pid: status === 'stopped' ? 0 : record.init_process_pid,
    status,
    bundle: record.dray.bundle,
    rootfs: record.config.rootfs,
    created: record.created,
    ...(Object.keys(record.dray.annotations).length === 0 ? {} : { annotations: record.dray.annotations }),
    owner,
  };
}

function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}
