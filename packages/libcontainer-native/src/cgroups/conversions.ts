import { LibcontainerError } from '../errors.ts';

/** cgroup v1's cpu.shares as cgroup v2's cpu.weight, by the curve that runc, crun and the kernel's documentation agree on since 2025: 1024 is 100. */
export function cpuWeight(shares: number): number {
  if (shares === 0) return 0;
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** blkio.weight (10…1000) as io.weight (1…10000). */
export function ioWeight(weight: number): number {
  return weight === 0 ? 0 : 1 + Math.trunc(((weight - 10) * 9999) / 990);
}

/**
 * The value of memory.swap.max for limits in the sense of v1 (swap includes memory); `undefined` leaves it alone.
 * @throws LibcontainerError `invalid_argument` (`INVALID_RESOURCES`) in runc's words.
 */
export function swapMax(memory: number, memoryAndSwap: number): number | undefined {
  if (memory === -1 && memoryAndSwap === 0) return -1;
  if (memoryAndSwap === -1) return -1;
  if (memoryAndSwap === 0) return undefined;
  if (memory === 0 || memory === -1) throw invalid('unable to set swap limit without memory limit');
  if (memory < 0) throw invalid(`invalid memory value: ${memory}`);
  if (memoryAndSwap < memory) throw invalid('memory+swap limit should be >= memory limit');
  return memoryAndSwap - memory;
}

/** "max" for -1. */
export function limitWord(value: number): string {
  return value === -1 ? 'max' : String(value);
}

/** An error about resources that cannot be. */
export function invalid(message: string): LibcontainerError {
  return new LibcontainerError({ kind: 'invalid_argument', code: 'INVALID_RESOURCES', message });
}
