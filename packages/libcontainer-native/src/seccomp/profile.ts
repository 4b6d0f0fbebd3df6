/**
 * The `linux.seccomp` object of an OCI runtime configuration.
 * @see https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config-linux.md#seccomp
 */
export interface SeccompProfile {
  readonly defaultAction: string;
  /** The errno that a default action of `SCMP_ACT_ERRNO` answers with; EPERM when absent. Also the message of `SCMP_ACT_TRACE`. */
  readonly defaultErrnoRet?: number;
  /** `SCMP_ARCH_*` names; the machine's own architecture is always part of the filter. */
  readonly architectures?: readonly string[];
  /** `SECCOMP_FILTER_FLAG_*` names. Absent means runc's default (`SPEC_ALLOW`), an empty list means no flags. */
  readonly flags?: readonly string[];
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompRule[];
}

/** One entry of {@link SeccompProfile.syscalls}: the same action for each of its names. */
export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
}

/** A condition on one argument of a system call. */
export interface SeccompArg {
  readonly index: number;
  readonly value: number | bigint;
  readonly valueTwo?: number | bigint;
  readonly op: string;
}

/** The seccomp actions by their OCI names, as the upper 16 bits of a filter's return value. */
export const SECCOMP_ACTIONS: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0x0000_0000,
  SCMP_ACT_KILL_THREAD: 0x0000_0000,
  SCMP_ACT_KILL_PROCESS: 0x8000_0000,
  SCMP_ACT_TRAP: 0x0003_0000,
  SCMP_ACT_ERRNO: 0x0005_0000,
  SCMP_ACT_NOTIFY: 0x7fc0_0000,
  SCMP_ACT_TRACE: 0x7ff0_0000,
  SCMP_ACT_LOG: 0x7ffc_0000,
  SCMP_ACT_ALLOW: 0x7fff_0000,
};

/** The argument operators of the specification. */
export const SECCOMP_OPERATORS: readonly string[] = [
  'SCMP_CMP_NE',
  'SCMP_CMP_LT',
  'SCMP_CMP_LE',
  'SCMP_CMP_EQ',
  'SCMP_CMP_GE',
  'SCMP_CMP_GT',
  'SCMP_CMP_MASKED_EQ',
];

/** The flags of seccomp(2) by their OCI names. */
export const SECCOMP_FLAGS: Readonly<Record<string, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 1 << 0,
  SECCOMP_FILTER_FLAG_LOG: 1 << 1,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 1 << 2,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 1 << 5,
};

/** `SECCOMP_FILTER_FLAG_NEW_LISTENER`: added when a rule notifies a listener. */
export const SECCOMP_FILTER_FLAG_NEW_LISTENER: number = 1 << 3;
