import { constants } from 'node:os';
import { closeFd, pidfdSendSignal } from '@dray/libcontainer';
import { type FoundContainer, notRunning, statusOf, usesOf } from './container.ts';
import { RuncError } from './errors.ts';
import { openPidfd } from './process-end.ts';
import { hasOwnPids } from './spec/validate.ts';
import { isAlive } from './state/process-stat.ts';

const SIGKILL = 9;
const SIGNAL_MAX = 64;
const REALTIME: Readonly<Record<string, number>> = { RTMIN: 34, RTMAX: 64 };

/**
 * Signals a container's init, or all of its processes.
 * @throws RuncError `failed_precondition` (`NOT_RUNNING`).
 */
export async function killContainer(container: FoundContainer, signal: number, { all = false }: { readonly all?: boolean } = {}): Promise<void> {
  // Without a pid namespace of its own, the death of init does not take the others along.
  const everyone = all || (signal === SIGKILL && !hasOwnPids(usesOf(container)));
  if (everyone && container.cgroup.exists()) {
    await container.cgroup.signalAll(signal);
    return;
  }
  if (statusOf(container) === 'stopped') throw notRunning();
  signalInit(container, signal);
  // A frozen process does not die until it is woken.
  if (signal === SIGKILL && container.cgroup.isFrozen()) await container.cgroup.thaw();
}

/** Signals the init if it is still the process of the record. */
export function signalInit({ record }: FoundContainer, signal: number): void {
  const pidfd = openPidfd(record.init_process_pid);
  if (pidfd === undefined) throw notRunning();
  try {
    if (!isAlive(record.init_process_pid, record.init_process_start)) throw notRunning();
    pidfdSendSignal(pidfd, signal);
  } finally {
    closeFd(pidfd);
  }
}

/**
 * The number of a signal given as a number, `TERM`, `sigterm` or `RTMIN+3`.
 * @throws RuncError `invalid_argument` (`UNKNOWN_SIGNAL`), in runc's words.
 */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    // runc takes any number and leaves it to the kernel.
    const number = Number(text);
    if (number <= SIGNAL_MAX) return number;
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const signals: Readonly<Record<string, number>> = constants.signals;
  if (Object.hasOwn(signals, `SIG${name}`)) return signals[`SIG${name}`] ?? 0;
  const realtime = /^(RTMIN|RTMAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realtime?.[1] !== undefined) {
    const number = (REALTIME[realtime[1]] ?? 0) + Number(`${realtime[2] ?? ''}${realtime[3] ?? 0}`);
    if (number >= 34 && number <= SIGNAL_MAX) return number;
  }
  throw new RuncError({ kind: 'invalid_argument', code: 'UNKNOWN_SIGNAL', message: `unknown signal "${text}"` });
}
