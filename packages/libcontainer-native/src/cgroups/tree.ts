import { setTimeout as sleep } from 'node:timers/promises';
import { type CgroupKernel, errnoCode, ifExists } from './kernel.ts';

const SIGKILL = 9;
const DELETE_TRIES = 10;
const DELETE_DELAY_MS = 2;

/** The processes in a cgroup directory and those below it. */
export function pidsBelow(kernel: CgroupKernel, directory: string): number[] {
  const text = ifExists(() => kernel.read(`${directory}/cgroup.procs`)) ?? '';
  const own = text.split('\n').filter((line) => line !== '').map(Number);
  return [...own, ...subdirectories(kernel, directory).flatMap((name) => pidsBelow(kernel, `${directory}/${name}`))];
}

/** Makes a directory, with its parents only if they are missing. Answers the ones made, topmost first; nothing if it was there. */
export function makeDirectories(kernel: CgroupKernel, directory: string): string[] {
  try {
    kernel.mkdir(directory);
    return [directory];
  } catch (error) {
    if (errnoCode(error) === 'EEXIST') return [];
    if (errnoCode(error) !== 'ENOENT' || parent(directory) === directory) throw error;
  }
  const made = makeDirectories(kernel, parent(directory));
  try {
    kernel.mkdir(directory);
  } catch (error) {
    if (errnoCode(error) !== 'EEXIST') throw error;
    return made;
  }
  return [...made, directory];
}

/** Removes a cgroup and those below it. Processes that are on their way out keep a directory busy for a moment. */
export async function removeTree(kernel: CgroupKernel, directory: string): Promise<void> {
  let delayMs = DELETE_DELAY_MS;
  for (let tries = 1; ; tries++) {
    try {
      removeNow(kernel, directory);
      return;
    } catch (error) {
      if (errnoCode(error) !== 'EBUSY' || tries === DELETE_TRIES) throw error;
    }
    await sleep(delayMs);
    delayMs = Math.min(delayMs * 2, 200);
  }
}

/** Sends a signal to each process; a process that is gone already does not count. SIGKILL is repeated until nobody is left to be found. */
export function signalEach(kernel: CgroupKernel, pids: readonly number[], signal: number): void {
  for (const pid of pids) {
    try {
      kernel.kill(pid, signal);
    } catch (error) {
      if (errnoCode(error) !== 'ESRCH') throw error;
    }
  }
}

/** Whether a signal ends a process without its consent, so that a frozen one must be woken to die. */
export function isKill(signal: number): boolean {
  return signal === SIGKILL;
}

/** The directory above. */
export function parent(directory: string): string {
  return directory.slice(0, Math.max(1, directory.lastIndexOf('/')));
}

function removeNow(kernel: CgroupKernel, directory: string): void {
  try {
    kernel.rmdir(directory);
    return;
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return;
    // A cgroup with cgroups below is EBUSY as well.
    if (errnoCode(error) !== 'EBUSY' && errnoCode(error) !== 'ENOTEMPTY') throw error;
  }
  for (const name of subdirectories(kernel, directory)) removeNow(kernel, `${directory}/${name}`);
  try {
    kernel.rmdir(directory);
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error;
  }
}

function subdirectories(kernel: CgroupKernel, directory: string): string[] {
  return ifExists(() => kernel.directories(directory)) ?? [];
}
