import { LibcontainerError } from '../errors.ts';
import type { Cgroup } from './cgroup.ts';
import { devicePolicy } from './device-rules.ts';
import type { CgroupPaths } from './paths.ts';
import type { CgroupResources } from './resources.ts';
import type { CgroupStats } from './stats.ts';

/** Stands in where no cgroup file system is mounted. Whatever needs one is refused. */
export class NoCgroup implements Cgroup {
  readonly version = 0;
  readonly paths: CgroupPaths = {};
  readonly joinFiles: readonly string[] = [];
  readonly unifiedDirectory: string | undefined = undefined;

  create(): void {
    // There is nothing to make.
  }

  apply(resources: CgroupResources): void {
    const { devices = [], ...limits } = resources;
    // The device list is checked for its form; without a device controller the container's own rights decide, as in a user namespace.
    devicePolicy(devices);
    const wanted = Object.entries(limits).find(([, value]) => Object.keys(value as object).length > 0);
    if (wanted !== undefined) throw unavailable(`cannot set ${wanted[0]} limit: cgroups are not mounted`);
  }

  pids(): number[] {
    return [];
  }

  isFrozen(): boolean {
    return false;
  }

  freeze(): Promise<void> {
    return Promise.reject(unavailable('cannot toggle freezer: cgroups not configured for container'));
  }

  thaw(): Promise<void> {
    return Promise.reject(unavailable('cannot toggle freezer: cgroups not configured for container'));
  }

  signalAll(): Promise<void> {
    return Promise.reject(unavailable('cannot signal all processes: cgroups not configured for container'));
  }

  stats(): CgroupStats {
    return {};
  }

  exists(): boolean {
    return false;
  }

  delete(): Promise<void> {
    return Promise.resolve();
  }
}

function unavailable(message: string): LibcontainerError {
  return new LibcontainerError({ kind: 'failed_precondition', code: 'NO_CGROUP', message });
}
