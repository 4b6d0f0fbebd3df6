import { closeFd, pidfdOpen, pidfdSendSignal, WATCH, whenReady } from '@dray/libcontainer';

const SIGKILL = 9;
/** A killed process may still have to write back, or be stuck in the kernel. */
const END_TIMEOUT_MS = 10_000;

/** Kills a process and resolves when it has ended, whoever's child it is. One that has gone already is fine. */
export async function killAndWait(pid: number): Promise<void> {
  const pidfd = openPidfd(pid);
  if (pidfd === undefined) return;
  try {
    sendSignal(pidfd, SIGKILL);
    await whenReady(pidfd, WATCH.READABLE, { signal: AbortSignal.timeout(END_TIMEOUT_MS) });
  } finally {
    closeFd(pidfd);
  }
}

/** Resolves when a process has ended, which it may do before it is reaped. */
export async function whenEnded(pid: number, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
  const pidfd = openPidfd(pid);
  if (pidfd === undefined) return;
  try {
    await whenReady(pidfd, WATCH.READABLE, options);
  } finally {
    closeFd(pidfd);
  }
}

/** A descriptor for a process; `undefined` when there is none of that pid. */
export function openPidfd(pid: number): number | undefined {
  try {
    return pidfdOpen(pid);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function sendSignal(pidfd: number, signal: number): void {
  try {
    pidfdSendSignal(pidfd, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ESRCH';
}
