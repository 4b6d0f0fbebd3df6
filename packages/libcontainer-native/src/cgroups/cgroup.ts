import type { CgroupPaths } from './paths.ts';
import type { CgroupResources } from './resources.ts';
import type { CgroupStats } from './stats.ts';

/** The cgroup (or, on v1, the set of cgroups) of one container. */
export interface Cgroup {
  /** 0 when there is none: rootless without delegation. */
  readonly version: 0 | 1 | 2;
  /** Directories by controller (v2 under ""); what a runtime keeps in its state to find the cgroup again. */
  readonly paths: CgroupPaths;
  /**
   * The files into which a single-threaded process writes "0" to join. On v1 these are the `tasks` files: a thread that moves itself is not
   * made to wait for all processors, which costs about ten milliseconds with `cgroup.procs`.
   */
  readonly joinFiles: readonly string[];
  /**
   * The v2 directory to give to `clone3(CLONE_INTO_CGROUP)`, which is faster still than a write. Absent on v1.
   */
  readonly unifiedDirectory: string | undefined;
  /**
   * Makes the directories and hands the controllers down to them.
   * @throws LibcontainerError `failed_precondition` (`CGROUP_NOT_EMPTY`) if it is there already and holds processes.
   */
  create(): void;
  /** Writes limits. Device rules are applied only when `resources.devices` is given. */
  apply(resources: CgroupResources): void;
  /** The processes in it, in the order of the kernel; with those of cgroups below. */
  pids(): number[];
  /** Whether the freezer has stopped, or is stopping, the processes. */
  isFrozen(): boolean;
  /** Stops all processes; resolves when the last one is stopped. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Sends a signal to every process. For SIGKILL nothing can escape by forking. One that was deleted holds nobody. */
  signalAll(signal: number): Promise<void>;
  stats(): CgroupStats;
  exists(): boolean;
  /** Removes the directories, those below first. A missing one is fine; a busy one is tried again for about a second. */
  delete(): Promise<void>;
}

/** Loads and attaches device programs; the addon's `bpf` calls behind it. */
export interface DeviceProgramLoader {
  /** Makes `program` the device program of the cgroup at `directory`, in place of the one that was there. */
  replace(directory: string, program: Uint8Array): void;
}
