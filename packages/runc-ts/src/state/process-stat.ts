import { readFileSync } from 'node:fs';

/** What identifies a process, and whether it still runs. */
export interface ProcessStat {
  /** One letter, see proc(5). */
  readonly state: string;
  readonly ppid: number;
  /** Clock ticks after boot. */
  readonly startTime: number;
}

/** Reads /proc/<pid>/stat; `undefined` when there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return undefined;
    throw error;
  }
}

/** Parses the text of a stat file. The name may hold anything, so fields count from its last parenthesis. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const [state, ppid, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startTime = Number(rest[17]);
  if (state === undefined || !Number.isInteger(startTime)) return undefined;
  return { state, ppid: Number(ppid), startTime };
}

/** Whether the process that once had this pid and start time still runs: a zombie does not. */
export function isAlive(pid: number, startTime: number): boolean {
  if (pid <= 0) return false;
  const stat = readProcessStat(pid);
  return stat?.startTime === startTime && stat.state !== 'Z' && stat.state !== 'X';
}
