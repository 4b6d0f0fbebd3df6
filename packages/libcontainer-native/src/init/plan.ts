/**
 * What `dray-init` is told to do: one container process, described without policy. TypeScript decides everything that can be decided
 * before the clone; the static binary carries the plan out in a fixed order.
 *
 * Order for `kind: 'create'`:
 *  1. first stage, with the runtime's rights: opens `cgroupProcs`, `execFifo`, the console socket, joins namespaces, writes `oomScoreAdj`
 *     and time offsets, clones init with the new namespaces, moves it into the cgroups, writes the id mappings, reports its pid, exits;
 *  2. init: setsid, session keyring, cgroup namespace, hostname and domainname, loopback up, propagation of "/", rootfs bind, `mounts` in
 *     order, `devices`, `links`, → `hooksWanted` round trip → createContainer hooks → pivot;
 *  3. inside the rootfs: propagation of the new "/", stdio that is the host's /dev/null is reopened, cwd is made, console, late read-only
 *     remounts, umask, LSM label, sysctls, `readonlyPaths`, `maskedPaths`, no_new_privs, scheduler, I/O priority, personality;
 *  4. the process: rlimits, seccomp (without no_new_privs), chdir, bounding set, ids, capabilities, look-up of `args[0]`, seccomp (with
 *     no_new_privs), ready → exec fifo → startContainer hooks → close of every other descriptor → exec.
 * `kind: 'exec'` joins namespaces and cgroups and does only the process part; it has no fifo, mounts or hooks.
 */
export interface InitPlan {
  readonly kind: 'create' | 'exec';
  readonly namespaces?: PlanNamespaces;
  /** For a new user namespace. Written by the first stage with the runtime's rights. */
  readonly userMappings?: UserMappings;
  /** Offsets of a new time namespace. */
  readonly timeOffsets?: { readonly monotonic?: TimeOffset; readonly boottime?: TimeOffset };
  /**
   * Absolute paths of the files that put a process into its cgroups: v1 `tasks` (one per hierarchy), v2 `cgroup.procs`. The first stage opens
   * them; init, which has one thread, writes "0" into each before it does anything else. Measured: "0" into v1's `tasks` takes 20 µs per
   * hierarchy; a pid, or `cgroup.procs`, makes the kernel wait for every processor (8 to 30 ms for the first).
   */
  readonly cgroupProcs?: readonly string[];
  /** -1000…1000; lowering without CAP_SYS_RESOURCE is reported as a warning. */
  readonly oomScoreAdj?: number;
  /** Brings `lo` up: wanted whenever the network namespace is new. */
  readonly loopbackUp?: boolean;
  /** Needed when a mount namespace is created; without one only `path` with `pivot: 'chroot'` makes sense. */
  readonly rootfs?: PlanRootfs;
  readonly mounts?: readonly MountOperation[];
  readonly devices?: readonly PlanDevice[];
  /** Symbolic links made after the mounts and devices; an existing link is left, except `/dev/ptmx`, which is replaced. */
  readonly links?: readonly PlanLink[];
  /** Hidden: a directory by an empty read-only tmpfs, anything else by the container's own verified `/dev/null`. Missing paths are skipped. */
  readonly maskedPaths?: readonly string[];
  /** Bound over themselves and made read-only. Missing paths are skipped. */
  readonly readonlyPaths?: readonly string[];
  readonly hostname?: string;
  readonly domainname?: string;
  /** Names in dotted or slash form, as sysctl(8) takes them. Written through the runtime's own procfs, never the container's. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** A terminal: a pty of the container's devpts becomes stdio and the controlling terminal. */
  readonly console?: PlanConsole;
  /** A FIFO that init opens for writing, and so waits at, until somebody opens it for reading (`start`). One byte is written. */
  readonly execFifo?: string;
  /** Init reports that the mounts are done and waits: the runtime runs prestart and createRuntime hooks there. */
  readonly hooksWanted?: boolean;
  /** Hooks that must run inside the container's namespaces. */
  readonly createContainerHooks?: PlanHooks;
  readonly startContainerHooks?: PlanHooks;
  readonly process: PlanProcess;
}

export type NamespaceType = 'user' | 'pid' | 'mount' | 'network' | 'ipc' | 'uts' | 'cgroup' | 'time';

export interface PlanNamespaces {
  /** Made new for this process. */
  readonly create?: readonly NamespaceType[];
  /** Joined by the path of a namespace file. */
  readonly join?: readonly { readonly type: NamespaceType; readonly path: string }[];
  /**
   * Joined all at once from another process, by a pidfd of the calling process (not closed). Leave out types that are the caller's own:
   * the kernel refuses to join one's own user namespace.
   */
  readonly joinPidfd?: { readonly pidfd: number; readonly types: readonly NamespaceType[] };
}

export interface IdMapping {
  readonly containerId: number;
  readonly hostId: number;
  readonly size: number;
}

export interface UserMappings {
  readonly uid: readonly IdMapping[];
  readonly gid: readonly IdMapping[];
  /** `deny` is what the kernel demands of an unprivileged writer of gid_map. Default `allow`. */
  readonly setgroups?: 'allow' | 'deny';
}

export interface TimeOffset {
  /** May be negative. */
  readonly secs: bigint;
  /** 0…999999999. */
  readonly nanosecs: number;
}

export interface PlanRootfs {
  /** Absolute host path of a directory. */
  readonly path: string;
  readonly readonly?: boolean;
  /** MS_* propagation of "/" while the mounts are made; default `MS_SLAVE | MS_REC`. */
  readonly propagation?: number;
  /** MS_* propagation applied to the new "/" after the pivot (shared and unbindable need it). */
  readonly propagationAfterPivot?: number;
  /** `pivot`: pivot_root(".", "."). `move`: MS_MOVE and chroot. `chroot`: chroot alone. Default `pivot`. */
  readonly pivot?: 'pivot' | 'move' | 'chroot';
}

/**
 * One mount. The target is resolved inside the rootfs by openat2(RESOLVE_IN_ROOT) and made if it is missing; the mount is attached to that
 * descriptor, so that nobody can exchange the path in between. proc and sysfs refuse a target behind a symbolic link.
 */
export interface MountOperation {
  /** Path inside the rootfs, absolute. */
  readonly target: string;
  /** Device, label or, for a bind, the host path. */
  readonly source?: string;
  /** Filesystem type; ignored for binds. */
  readonly fstype?: string;
  /** MS_*. MS_BIND (with MS_REC) makes a bind; its other flags are applied to the top mount only. */
  readonly flags?: number;
  /** MS_* that the user cleared by name ("rw", "suid", …). For binds: failing to clear one that is locked is an error. */
  readonly clearFlags?: number;
  /** Filesystem options. A tmpfs without `mode=` gets the mode of the directory it covers. */
  readonly data?: string;
  /** MS_SHARED, MS_SLAVE, MS_PRIVATE, MS_UNBINDABLE, each with or without MS_REC; applied one by one after the mount. */
  readonly propagation?: readonly number[];
  /** MOUNT_ATTR_* set and cleared on the whole tree (rro, rnosuid, …). */
  readonly recursiveSet?: number;
  readonly recursiveClear?: number;
  /** What to make if the target is missing. Default: `file` for a bind of something that is not a directory, else `directory`. */
  readonly createTarget?: 'directory' | 'file' | 'never';
  /** A tmpfs that starts as a copy of the directory it covers. */
  readonly copyUp?: boolean;
  /** Mounted read-write and made read-only after the pivot (tmpfs with "ro", /dev). */
  readonly readonlyLate?: boolean;
  /** A host path to bind instead when the mount fails with EPERM or EBUSY (cgroup2 in a user namespace). */
  readonly fallbackBind?: string;
}

export interface PlanDevice {
  /** Path inside the rootfs. */
  readonly path: string;
  readonly type: 'c' | 'b' | 'p';
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bound from this host path instead of made (in a user namespace mknod is refused); type and numbers are verified. */
  readonly bindFrom?: string;
}

export interface PlanLink {
  /** Where the link is, inside the rootfs. */
  readonly path: string;
  /** What it says. */
  readonly target: string;
}

export interface PlanConsole {
  /** Unix stream socket that gets one message with the pty's master (SCM_RIGHTS). Connected before the pivot. */
  readonly socketPath: string;
  readonly width?: number;
  readonly height?: number;
  /** Bind the slave over /dev/console; default true for `create`, never done for `exec`. */
  readonly bindConsole?: boolean;
}

export interface PlanHook {
  readonly path: string;
  /** With argv[0]; default `[path]`. */
  readonly args?: readonly string[];
  /** `NAME=value`; exactly these. */
  readonly env?: readonly string[];
  /** After this time the hook is killed, which is an error. Default: no limit. */
  readonly timeoutMs?: number;
}

export interface PlanHooks {
  readonly hooks: readonly PlanHook[];
  /** The state JSON for stdin, cut where init's pid (as it sees itself) belongs: written as `before` + pid + `after`. */
  readonly state: { readonly before: string; readonly after: string };
}

export interface PlanRlimit {
  /** RLIMIT_* number, see `RLIMITS`. */
  readonly resource: number;
  /** 2^64-1 is RLIM_INFINITY. Raising without CAP_SYS_RESOURCE is reported as a warning. */
  readonly soft: bigint;
  readonly hard: bigint;
}

/** Bit n is capability n. */
export interface CapabilityMasks {
  readonly bounding: bigint;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly ambient: bigint;
}

export interface PlanSeccomp {
  /** `struct sock_filter[]`, 8 bytes each in host order. */
  readonly program: Uint8Array;
  /** SECCOMP_FILTER_FLAG_*. With NEW_LISTENER (8) init reports the listener and waits until the runtime has taken it. */
  readonly flags?: number;
}

export interface PlanProcess {
  /** args[0] is looked up in the PATH of `env`, inside the container. */
  readonly args: readonly string[];
  /** `NAME=value`. HOME is added from the container's /etc/passwd, else "/", when absent or empty. */
  readonly env: readonly string[];
  /** Absolute path; made with mode 0755 if it is missing. Default "/". */
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly additionalGids?: readonly number[];
  /** False when setgroups is denied in the user namespace. Default true. */
  readonly setgroups?: boolean;
  /** Default 0o022. */
  readonly umask?: number;
  /** Absent: left as they are. */
  readonly capabilities?: CapabilityMasks;
  readonly noNewPrivileges?: boolean;
  readonly seccomp?: PlanSeccomp;
  readonly rlimits?: readonly PlanRlimit[];
  /** Name of a new session keyring, e.g. "_ses.<id>". Absent: the runtime's keyring is kept. */
  readonly sessionKeyring?: string;
  /** Written to /proc/self/attr: AppArmor as "exec NAME". */
  readonly lsmLabel?: { readonly module: 'apparmor' | 'selinux'; readonly label: string };
  readonly scheduler?: PlanScheduler;
  /** ioprio_set value: class << 13 | level. */
  readonly ioPriority?: number;
  /** personality(2) value. */
  readonly personality?: number;
  /** CPUs to run on, as a bit mask in bytes, little-endian. Absent: reset to all. */
  readonly cpuAffinity?: Uint8Array;
  /** Adds `LISTEN_PID=<own pid>`. */
  readonly listenPid?: boolean;
}

/** sched_setattr(2) */
export interface PlanScheduler {
  readonly policy: number;
  readonly flags?: bigint;
  readonly nice?: number;
  readonly priority?: number;
  readonly runtime?: bigint;
  readonly deadline?: bigint;
  readonly period?: bigint;
}

/** The devices every Linux container has (OCI runtime spec, "Default Devices"), without /dev/console and /dev/ptmx. */
export const DEFAULT_DEVICES: readonly PlanDevice[] = [
  ['null', 1, 3], ['zero', 1, 5], ['full', 1, 7], ['random', 1, 8], ['urandom', 1, 9], ['tty', 5, 0],
].map(([name, major, minor]) => ({ path: `/dev/${name as string}`, type: 'c', major: major as number, minor: minor as number, mode: 0o666, uid: 0, gid: 0 }));

/** The symbolic links every Linux container has in /dev. */
export const DEFAULT_LINKS: readonly PlanLink[] = [
  { path: '/dev/fd', target: '/proc/self/fd' },
  { path: '/dev/stdin', target: '/proc/self/fd/0' },
  { path: '/dev/stdout', target: '/proc/self/fd/1' },
  { path: '/dev/stderr', target: '/proc/self/fd/2' },
  { path: '/dev/ptmx', target: 'pts/ptmx' },
];

/** RLIMIT_* numbers by their OCI names (Linux, generic architectures). */
export const RLIMITS: Readonly<Record<string, number>> = {
  RLIMIT_CPU: 0, RLIMIT_FSIZE: 1, RLIMIT_DATA: 2, RLIMIT_STACK: 3, RLIMIT_CORE: 4, RLIMIT_RSS: 5, RLIMIT_NPROC: 6, RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8, RLIMIT_AS: 9, RLIMIT_LOCKS: 10, RLIMIT_SIGPENDING: 11, RLIMIT_MSGQUEUE: 12, RLIMIT_NICE: 13, RLIMIT_RTPRIO: 14, RLIMIT_RTTIME: 15,
};
