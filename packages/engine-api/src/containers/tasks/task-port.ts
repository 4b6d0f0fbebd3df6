/** containerd as the container engine needs it: plain types, promises, errors of our own. */

/** A mount as containerd describes it. */
export interface RootfsMount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** How a process ended. */
export interface ProcessExit {
  readonly code: number;
  /** Nanoseconds since 1970. */
  readonly atNanos: bigint;
}

/** A container's record in containerd. */
export interface TaskRecord {
  readonly id: string;
  readonly imageName: string;
  /** The OCI specification's JSON. */
  readonly spec: string;
  readonly runtime: string;
  /** An OCI runtime's path for shims that take one; empty for the shim's own. */
  readonly runtimeBinary: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Where a process's streams go. Empty means nowhere. */
export interface ProcessIo {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly isTerminal: boolean;
}

/** What containerd knows of a process. */
export interface TaskInfo {
  readonly id: string;
  readonly pid: number;
  readonly status: 'unknown' | 'created' | 'running' | 'stopped' | 'paused' | 'pausing';
  readonly exit: ProcessExit | undefined;
}

/** What happened to a task. */
export type TaskEvent =
  | { readonly kind: 'exit'; readonly containerId: string; readonly execId: string | undefined; readonly pid: number; readonly exit: ProcessExit }
  | { readonly kind: 'oom'; readonly containerId: string };

/** Counters of a cgroup, in the encoding of its version. */
export interface TaskMetrics {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** The calls. Each rejects with an EngineApiError whose `kind` is containerd's and whose message is containerd's own. */
export interface TaskPort {
  /** Makes a container's writable snapshot on top of `parent` (empty: on nothing), kept until it is removed. */
  prepareSnapshot(key: string, parent: string): Promise<RootfsMount[]>;
  /** A read-only look at a committed snapshot. */
  viewSnapshot(key: string, parent: string): Promise<RootfsMount[]>;
  commitSnapshot(name: string, key: string, labels?: Readonly<Record<string, string>>): Promise<void>;
  hasSnapshot(name: string): Promise<boolean>;
  /** Keeps a committed snapshot as long as an image (by its id, the digest of its configuration) is kept. */
  keepSnapshotWithImage(name: string, imageId: string): Promise<void>;
  snapshotMounts(key: string): Promise<RootfsMount[]>;
  /** Nothing there is no error. */
  removeSnapshot(key: string): Promise<void>;
  /** Bytes the snapshot itself holds, and its parent's name. */
  snapshotUsage(key: string): Promise<{ sizeBytes: number; parent: string }>;

  /** Writes the record, over an old one. */
  putRecord(record: TaskRecord, snapshotKey: string): Promise<void>;
  /** Nothing there is no error. */
  deleteRecord(id: string): Promise<void>;

  create(id: string, rootfs: readonly RootfsMount[], io: ProcessIo): Promise<number>;
  start(id: string, execId?: string): Promise<number>;
  /** Settles when the process has ended, also across containerd's restarts; rejects `not_found` when it is not there. */
  wait(id: string, execId: string | undefined, signal: AbortSignal): Promise<ProcessExit>;
  /** Lets go of an ended task. Nothing there is `undefined`. */
  delete(id: string): Promise<ProcessExit | undefined>;
  deleteExec(id: string, execId: string): Promise<ProcessExit | undefined>;
  get(id: string, execId?: string): Promise<TaskInfo | undefined>;
  list(): Promise<TaskInfo[]>;
  kill(id: string, signal: number, options?: { execId?: string; all?: boolean }): Promise<void>;
  exec(id: string, execId: string, process: string, io: ProcessIo): Promise<void>;
  resize(id: string, execId: string | undefined, size: { width: number; height: number }): Promise<void>;
  closeStdin(id: string, execId?: string): Promise<void>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  pids(id: string): Promise<number[]>;
  metrics(id: string): Promise<TaskMetrics | undefined>;
  update(id: string, resources: string): Promise<void>;
  /**
   * What happens to tasks, until `signal` aborts. `onConnected` is called each time the stream is there (again): events before that may have been missed, so
   * the state must be compared.
   */
  events(signal: AbortSignal, onConnected: () => void): AsyncIterable<TaskEvent>;
}
