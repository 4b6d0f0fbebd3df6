import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { type CapabilityMasks, compileSeccomp, parseCapabilities, type PlanProcess, type PlanRlimit, type PlanScheduler, RLIMITS, type SeccompProfile } from '@dray/libcontainer';
import { invalidSpec } from '../errors.ts';
import type { CapabilitiesSpec, ProcessSpec, RlimitSpec, SchedulerSpec } from './types.ts';

/** What a process needs from its container. */
export interface ProcessContext {
  readonly seccomp: SeccompProfile | undefined;
  readonly personality: { readonly domain: string; readonly flags?: readonly string[] } | undefined;
  /** Name of a new session keyring; absent keeps the caller's. */
  readonly sessionKeyring: string | undefined;
  /** False when the container's user namespace forbids setgroups(2). */
  readonly setgroups: boolean;
  /** Adds `LISTEN_PID`. */
  readonly listenPid: boolean;
  readonly warn: (message: string) => void;
}

const ID_MAX = 0x7fff_ffff;
const CAPABILITY_SETS = ['bounding', 'effective', 'permitted', 'inheritable', 'ambient'] as const;
const PERSONALITIES: Readonly<Record<string, number>> = { LINUX: 0, LINUX32: 8 };
const POLICIES: Readonly<Record<string, number>> = { SCHED_OTHER: 0, SCHED_FIFO: 1, SCHED_RR: 2, SCHED_BATCH: 3, SCHED_ISO: 4, SCHED_IDLE: 5, SCHED_DEADLINE: 6 };
const SCHEDULER_FLAGS: Readonly<Record<string, bigint>> = {
  SCHED_FLAG_RESET_ON_FORK: 1n, SCHED_FLAG_RECLAIM: 2n, SCHED_FLAG_DL_OVERRUN: 4n, SCHED_FLAG_KEEP_POLICY: 8n, SCHED_FLAG_KEEP_PARAMS: 16n,
  SCHED_FLAG_UTIL_CLAMP_MIN: 32n, SCHED_FLAG_UTIL_CLAMP_MAX: 64n,
};
const IO_CLASSES: Readonly<Record<string, number>> = { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 };

/**
 * Refuses a process that cannot be started, before anything is made.
 * @throws RuncError `invalid_argument` in runc's words.
 */
export function validateProcess(process: ProcessSpec | undefined): asserts process is ProcessSpec {
  if (process === undefined) throw invalidSpec('process property must not be empty');
  if (process.cwd === '') throw invalidSpec('Cwd property must not be empty');
  if (!posix.isAbsolute(process.cwd)) throw invalidSpec('Cwd must be an absolute path');
  if ((process.args ?? []).length === 0) throw invalidSpec('args must not be empty');
  if ((process.selinuxLabel ?? '') !== '' && !existsSync('/sys/fs/selinux/enforce')) {
    throw invalidSpec('selinux label is specified in config, but selinux is disabled or not supported');
  }
}

/** Compiles a process to its part of the plan. */
export function planProcess(process: ProcessSpec, context: ProcessContext): PlanProcess {
  const { user } = process;
  const ids = [user.uid, user.gid, ...(user.additionalGids ?? [])];
  if (ids.some((id) => id > ID_MAX)) throw invalidSpec('unable to start container process: unable to setup user: uids and gids must be in range 0-2147483647');
  const seccomp = seccompOf(context.seccomp);
  const lsmLabel = labelOf(process);
  return {
    args: process.args ?? [],
    env: environment(process.env ?? []),
    cwd: process.cwd,
    uid: user.uid,
    gid: user.gid,
    setgroups: context.setgroups,
    umask: user.umask ?? 0o022,
    capabilities: capabilityMasks(process.capabilities ?? {}, context.warn),
    noNewPrivileges: process.noNewPrivileges ?? false,
    rlimits: (process.rlimits ?? []).map(planRlimit),
    ...(user.additionalGids === undefined ? {} : { additionalGids: user.additionalGids }),
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(context.sessionKeyring === undefined ? {} : { sessionKeyring: context.sessionKeyring }),
    ...(lsmLabel === undefined ? {} : { lsmLabel }),
    ...(process.scheduler === undefined ? {} : { scheduler: planScheduler(process.scheduler) }),
    ...(process.ioPriority === undefined ? {} : { ioPriority: ioPriority(process.ioPriority) }),
    ...(context.personality === undefined ? {} : { personality: personality(context.personality) }),
    ...(context.listenPid ? { listenPid: true } : {}),
  };
}

/**
 * A profile without a default action and without rules means "no filter", as runc reads it.
 */
function seccompOf(profile: SeccompProfile | undefined): PlanProcess['seccomp'] {
  if (profile === undefined || (profile.defaultAction === '' && (profile.syscalls ?? []).length === 0)) return undefined;
  const { program, flags } = compileSeccomp(profile);
  return { program, flags };
}

/** Of two values for one name the later wins; the first one's place is kept. */
function environment(env: readonly string[]): string[] {
  const values = new Map<string, string>();
  for (const pair of env) {
    const equals = pair.indexOf('=');
    if (equals <= 0 || pair.includes('\0')) throw invalidSpec(`unable to start container process: error during container init: invalid environment variable: ${JSON.stringify(pair)}`);
    values.set(pair.slice(0, equals), pair);
  }
  return [...values.values()];
}

/** Unknown names are left out with a warning, as a newer image may name what this kernel does not have. */
function capabilityMasks(capabilities: CapabilitiesSpec, warn: (message: string) => void): CapabilityMasks {
  const parsed = CAPABILITY_SETS.map((set) => parseCapabilities(capabilities[set] ?? []));
  const unknown = [...new Set(parsed.flatMap((each) => each.unknown))].sort();
  if (unknown.length > 0) warn(`ignoring unknown or unavailable capabilities: [${unknown.join(' ')}]`);
  const [bounding = 0n, effective = 0n, permitted = 0n, inheritable = 0n, ambient = 0n] = parsed.map((each) => each.mask);
  // The kernel raises only ambient capabilities that are permitted and inheritable; the originals drop the others without a word.
  return { bounding, effective, permitted, inheritable, ambient: ambient & permitted & inheritable };
}

function planRlimit({ type, soft, hard }: RlimitSpec): PlanRlimit {
  const resource = Object.hasOwn(RLIMITS, type) ? RLIMITS[type] : undefined;
  if (resource === undefined) throw invalidSpec(`wrong rlimit value: ${type}`);
  return { resource, soft, hard };
}

function labelOf({ apparmorProfile = '', selinuxLabel = '' }: ProcessSpec): PlanProcess['lsmLabel'] {
  if (selinuxLabel !== '') return { module: 'selinux', label: selinuxLabel };
  if (apparmorProfile === '') return undefined;
  if (!isApparmorEnabled()) throw invalidSpec('unable to start container process: error during container init: unable to apply apparmor profile: apparmor: config provided but apparmor not supported');
  return { module: 'apparmor', label: apparmorProfile };
}

function isApparmorEnabled(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
  } catch {
    // No such module: the kernel has no AppArmor.
    return false;
  }
}

function planScheduler({ policy, flags = [], nice, priority, runtime, deadline, period }: SchedulerSpec): PlanScheduler {
  const number = Object.hasOwn(POLICIES, policy) ? POLICIES[policy] : undefined;
  if (number === undefined) throw invalidSpec(`invalid scheduler policy: ${policy}`);
  if (nice !== undefined && (nice < -20 || nice > 19)) throw invalidSpec(`invalid scheduler.nice: ${nice}`);
  if (priority !== undefined && priority !== 0 && policy !== 'SCHED_FIFO' && policy !== 'SCHED_RR') {
    throw invalidSpec('scheduler.priority can only be specified for SchedFIFO or SchedRR policy');
  }
  if (policy !== 'SCHED_DEADLINE' && [runtime, deadline, period].some((value) => value !== undefined && value !== 0)) {
    throw invalidSpec('scheduler runtime/deadline/period can only be specified for SchedDeadline policy');
  }
  const bits = flags.reduce((sum, flag) => {
    const bit = Object.hasOwn(SCHEDULER_FLAGS, flag) ? SCHEDULER_FLAGS[flag] : undefined;
    if (bit === undefined) throw invalidSpec(`invalid scheduler flag: ${flag}`);
    return sum | bit;
  }, 0n);
  return {
    policy: number,
    flags: bits,
    nice: nice ?? 0,
    priority: priority ?? 0,
    runtime: BigInt(runtime ?? 0),
    deadline: BigInt(deadline ?? 0),
    period: BigInt(period ?? 0),
  };
}

function ioPriority({ class: name, priority }: { class: string; priority: number }): number {
  const number = Object.hasOwn(IO_CLASSES, name) ? IO_CLASSES[name] : undefined;
  if (number === undefined) throw invalidSpec(`invalid ioPriority.Class: ${JSON.stringify(name)}`);
  if (priority < 0 || priority > 7) throw invalidSpec('ioPriority.Priority should be between 0 and 7');
  return (number << 13) | priority;
}

function personality({ domain, flags = [] }: { domain: string; flags?: readonly string[] }): number {
  const number = Object.hasOwn(PERSONALITIES, domain) ? PERSONALITIES[domain] : undefined;
  if (number === undefined) throw invalidSpec(`invalid personality domain ${JSON.stringify(domain)}`);
  if (flags.length > 0) throw invalidSpec('unsupported personality flags');
  return number;
}
