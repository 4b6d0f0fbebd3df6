import { LibcontainerError, errnoKind, errnoName, errnoText, systemError } from '../errors.ts';
import { check, native } from '../native.ts';
import { closeFd } from '../fs/at.ts';
import { WATCH, whenReady } from './watch.ts';

export interface SpawnOptions {
  /** A path (the PATH is not searched), or a descriptor, e.g. of a sealed memfd. */
  readonly file: string | { readonly fd: number };
  /** With argv[0]. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The child's descriptor i is this process's fds[i]; it gets no other. */
  readonly fds: readonly number[];
  readonly cwd?: string;
  /** Make it the leader of a new session. */
  readonly setsid?: boolean;
  /** Signal that it gets when the calling *thread* ends. */
  readonly pdeathsig?: number;
}

export interface SpawnedProcess {
  readonly pid: number;
  /** Refers to this very process whatever happens to its number; close it with `closeFd`. Readable once the process has ended. */
  readonly pidfd: number;
}

/**
 * Starts a program. Its signals are reset and unblocked. The call returns when the program has been executed, so a program that cannot be is
 * an error here. The caller must reap the process with `waitPid`.
 *
 * @throws LibcontainerError whose `code` is the errno name, `syscall` and `step` what failed in the child
 */
export function spawn({ file, argv, env, fds, cwd, setsid, pdeathsig }: SpawnOptions): SpawnedProcess {
  const answer = native().spawn({
    ...(typeof file === 'string' ? { file } : { fileFd: file.fd }),
    argv,
    env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    fds,
    ...(cwd === undefined ? {} : { cwd }),
    ...(setsid === undefined ? {} : { setsid }),
    ...(pdeathsig === undefined ? {} : { pdeathsig }),
  });
  if (!('errno' in answer)) return answer;
  const { errno, step } = answer;
  const name = typeof file === 'string' ? file : (argv[0] ?? '');
  throw new LibcontainerError({ kind: errnoKind(errno), code: errnoName(errno), message: `cannot start ${JSON.stringify(name)}: ${step}: ${errnoText(errno)}`, errno, syscall: step, step, path: name });
}

/** How a process ended: by `exit(code)` or by a signal (number). */
export type ExitStatus = { readonly code: number; readonly signal?: undefined } | { readonly signal: number; readonly code?: undefined };

const P_PID = 1;
const P_PIDFD = 3;
const W = { NOHANG: 1, EXITED: 4 } as const;
const CLD_EXITED = 1;
const SIGINFO_BYTES = 128;

/**
 * Waits for a child (or, with `setChildSubreaper`, an orphaned descendant) to end, and reaps it.
 *
 * @throws LibcontainerError `ECHILD` when it ended and is not a child of this process, `ESRCH` when there is no such process; the signal's reason on abort, when it
 * is not reaped
 */
export async function waitPid(pid: number, options: { readonly signal?: AbortSignal } = {}): Promise<ExitStatus> {
  const early = reap(P_PID, pid);
  if (early !== undefined) return early;
  const pidfd = pidfdOpen(pid);
  try {
    return await waitPidfd(pidfd, options);
  } finally {
    closeFd(pidfd);
  }
}

/** The same by pidfd, which stays the caller's. */
export async function waitPidfd(pidfd: number, options: { readonly signal?: AbortSignal } = {}): Promise<ExitStatus> {
  await whenReady(pidfd, WATCH.READABLE, options);
  const status = reap(P_PIDFD, pidfd);
  if (status === undefined) throw new LibcontainerError({ kind: 'internal', code: 'NOT_ENDED', message: 'cannot reap process: its pidfd is readable but it has not ended' });
  return status;
}

/** Undefined: still running. */
function reap(idType: number, id: number): ExitStatus | undefined {
  const info = Buffer.alloc(SIGINFO_BYTES);
  check(native().waitid(idType, id, info, W.EXITED | W.NOHANG), 'waitid');
  if (info.readInt32LE(16) === 0) return undefined;
  const status = info.readInt32LE(24);
  return info.readInt32LE(8) === CLD_EXITED ? { code: status } : { signal: status };
}

/** A descriptor for a process. @throws LibcontainerError `not_found` `ESRCH` when there is no such process */
export function pidfdOpen(pid: number): number {
  return check(native().pidfdOpen(pid, 0), 'pidfd_open');
}

/** Sends a signal to the very process a pidfd stands for; 0 only asks whether it is there. @throws LibcontainerError `ESRCH` when it has ended */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  check(native().pidfdSendSignal(pidfd, signal), 'pidfd_send_signal');
}

/** A duplicate of another process's descriptor (Linux 5.6). */
export function pidfdGetFd(pidfd: number, fd: number): number {
  return check(native().pidfdGetfd(pidfd, fd), 'pidfd_getfd');
}

/** Whether orphaned descendants become children of this process. */
export function setChildSubreaper(isSubreaper: boolean): void {
  check(native().setChildSubreaper(isSubreaper ? 1 : 0), 'prctl');
}

/** Whether this process can be traced and dumped by its owner. */
export function setDumpable(isDumpable: boolean): void {
  check(native().setDumpable(isDumpable ? 1 : 0), 'prctl');
}

/** The calling thread's name in ps, at most 15 bytes. */
export function setThreadName(name: string): void {
  check(native().setThreadName(name), 'prctl');
}

/** Whether a capability is in the bounding set; undefined: the kernel does not know it. */
export function hasBoundingCapability(capability: number): boolean | undefined {
  const result = native().readBoundingCapability(capability);
  return result < 0 ? undefined : result === 1;
}

export interface OwnCapabilities {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
}

const CAPABILITY_VERSION_3 = 0x20080522;

/** The capabilities of this process; bit n is capability n. */
export function ownCapabilities(): OwnCapabilities {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION_3, 0);
  const data = Buffer.alloc(24);
  check(native().capget(header, data), 'capget');
  const mask = (index: number): bigint => BigInt(data.readUInt32LE(index * 4)) | (BigInt(data.readUInt32LE(12 + index * 4)) << 32n);
  return { effective: mask(0), permitted: mask(1), inheritable: mask(2) };
}

export interface Rlimit {
  /** 2^64-1 is RLIM_INFINITY. */
  readonly soft: bigint;
  readonly hard: bigint;
}

/** Reads a resource limit of a process (0: this one), and sets it when `next` is given. @returns what it was */
export function prlimit(pid: number, resource: number, next?: Rlimit): Rlimit {
  const previous = Buffer.alloc(16);
  let wanted: Buffer | null = null;
  if (next !== undefined) {
    wanted = Buffer.alloc(16);
    wanted.writeBigUInt64LE(next.soft, 0);
    wanted.writeBigUInt64LE(next.hard, 8);
  }
  check(native().prlimit(pid, resource, wanted, previous), 'prlimit');
  return { soft: previous.readBigUInt64LE(0), hard: previous.readBigUInt64LE(8) };
}

/** Sets the CPUs a process (0: the calling thread) may run on: a bit mask in bytes, little-endian. */
export function setCpuAffinity(pid: number, mask: Uint8Array): void {
  check(native().schedSetaffinity(pid, mask), 'sched_setaffinity');
}

/**
 * bpf(2). `attribute` is the union bpf_attr of the command; each pair of `pointers` stores the address of bytes at an offset of it. What the kernel
 * writes into the attribute and the bytes is there afterwards.
 *
 * @returns the result, for many commands a descriptor
 * @throws LibcontainerError with the errno name as `code`
 */
export function bpf(command: number, attribute: Uint8Array, pointers: readonly (readonly [offset: number, bytes: Uint8Array])[] = []): number {
  const result = native().bpf(command, attribute, pointers);
  if (result < 0) throw systemError(-result, 'bpf');
  return result;
}
