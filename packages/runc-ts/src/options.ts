import type { CgroupResources, Spawner } from '@dray/libcontainer';

/** One line of the runtime's log. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warning' | 'error';
  readonly message: string;
}

/** Options of {@link createRuntime}. */
export interface RuntimeOptions {
  /** Where states are kept; a tmpfs. Default `/run/runc`. */
  readonly root?: string;
  /** Gets warnings; silent by default. */
  readonly log?: (entry: LogEntry) => void;
  /** Use systemd's cgroup driver. Refused: this runtime writes cgroups itself. */
  readonly systemdCgroup?: boolean;
  /** Forgive errors of permission on cgroups. Default: when the process is not root. */
  readonly rootless?: boolean;
  /** Starts `dray-init`; the default starts it as a child of this process. */
  readonly spawner?: Spawner;
}

/** Descriptors that become 0, 1 and 2 of a process. */
export type Stdio = readonly [stdin: number, stdout: number, stderr: number];

/** What `create` and `exec` have in common. */
export interface StartOptions {
  /** Default: this process's own. With a terminal they only serve until the pty takes their place. */
  readonly stdio?: Stdio;
  /** A listening unix socket that gets the pty's master; needed with a terminal, refused without. */
  readonly consoleSocket?: string;
  /** Written with the process's pid, whole, before the call resolves. */
  readonly pidFile?: string;
  /** Descriptors for the process from 3 on. */
  readonly preserveFds?: readonly number[];
  /** How many of `preserveFds` are sockets that systemd activated: sets `LISTEN_PID`. */
  readonly listenFds?: number;
  /** Overrides the runtime's. */
  readonly spawner?: Spawner;
}

/** Options of `create` and `run`. */
export interface CreateOptions extends StartOptions {
  /** The bundle's directory. */
  readonly bundle: string;
  /** The configuration, parsed; default: `config.json` of the bundle. */
  readonly spec?: unknown;
  /** Use MS_MOVE in place of pivot_root, for a rootfs on a ramdisk. */
  readonly noPivot?: boolean;
  /** Keep the caller's session keyring. */
  readonly noNewKeyring?: boolean;
}

/** Options of `exec`. */
export interface ExecOptions extends StartOptions {
  /** The `process` object of the specification, parsed. */
  readonly process: unknown;
  /** Start it even though the container is paused; it will stop at once. */
  readonly ignorePaused?: boolean;
}

/** Options of `kill`. */
export interface KillOptions {
  /** Signal every process of the container, not only its init. */
  readonly all?: boolean;
}

/** Options of `delete`. */
export interface DeleteOptions {
  /** Kill a running container first; a missing one is no error. */
  readonly force?: boolean;
}

/** New limits; those that are absent stay. */
export type UpdateResources = CgroupResources;
