import { type Cgroup, loadCgroup } from '@dray/libcontainer';
import { RuncError } from './errors.ts';
import type { HookState } from './hooks/run.ts';
import { namespaceUses, type NamespaceUses } from './spec/namespaces.ts';
import type { ContainerRecord } from './state/record.ts';
import { type ContainerStatus, currentStatus } from './state/status.ts';
import type { StateStore } from './state/store.ts';

/** A container as it was found on disk. */
export interface FoundContainer {
  readonly record: ContainerRecord;
  readonly directory: string;
  readonly cgroup: Cgroup;
}

/**
 * Finds a container by its id.
 * @throws RuncError `not_found` (`NO_CONTAINER`).
 */
export function findContainer(store: StateStore, id: string): FoundContainer {
  const record = store.load(id);
  return { record, directory: store.directory(id), cgroup: loadCgroup(record.cgroup_paths, { soft: record.rootless }) };
}

/** Where the container is in its life, now. */
export function statusOf({ record, directory, cgroup }: FoundContainer): ContainerStatus {
  return currentStatus(record, directory, cgroup);
}

/** The namespaces that the container was created with. */
export function usesOf({ record }: FoundContainer): NamespaceUses {
  return namespaceUses(record.dray.namespaces);
}

/** What a hook that runs in the runtime's namespaces is told. */
export function hookStateOf(record: ContainerRecord, status: HookState['status']): HookState {
  return {
    ociVersion: record.config.version,
    id: record.id,
    status,
    ...(status === 'stopped' ? {} : { pid: record.init_process_pid }),
    bundle: record.dray.bundle,
    ...(Object.keys(record.dray.annotations).length === 0 ? {} : { annotations: record.dray.annotations }),
  };
}

/** The error for a container whose init has gone. */
export function notRunning(): RuncError {
  return new RuncError({ kind: 'failed_precondition', code: 'NOT_RUNNING', message: 'container not running' });
}
