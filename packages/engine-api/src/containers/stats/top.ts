/** `GET /containers/{id}/top`: the processes of a container as `ps` shows them. */
import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { EngineApiError, invalid } from '../../errors.ts';

/** The answer. */
export interface TopView {
  Titles: string[];
  Processes: string[][];
}

const EF_TITLES = ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'];

/** Lists processes: `-ef` from /proc, anything else by the host's `ps`. @throws EngineApiError when ps refuses its arguments or shows no PID */
export async function listProcesses(pids: readonly number[], psArgs: string): Promise<TopView> {
  const args = psArgs.trim() === '' ? ['-ef'] : psArgs.trim().split(/\s+/);
  if (args.length === 1 && args[0] === '-ef') return listFromProc(pids);
  return listByPs(pids, args);
}

async function listFromProc(pids: readonly number[]): Promise<TopView> {
  const [uptime, users] = await Promise.all([readFile('/proc/uptime', 'utf8'), readFile('/etc/passwd', 'utf8').catch(() => '')]);
  const bootMs = Date.now() - Number(uptime.split(' ')[0]) * 1000;
  const names = new Map(users.split('\n').map((line) => line.split(':')).map(([name = '', , uid = '']) => [uid, name]));
  const rows = await Promise.all([...pids].sort((a, b) => a - b).map((pid) => processRow(pid, { bootMs, nowMs: Date.now(), names })));
  return { Titles: EF_TITLES, Processes: rows.filter((row) => row !== undefined) };
}

interface Surroundings {
  readonly bootMs: number;
  readonly nowMs: number;
  readonly names: ReadonlyMap<string, string>;
}

/** `undefined` for a process that has ended meanwhile. */
async function processRow(pid: number, around: Surroundings): Promise<string[] | undefined> {
  try {
    const [stat, status, commandLine] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'), readFile(`/proc/${pid}/status`, 'utf8'), readFile(`/proc/${pid}/cmdline`, 'utf8'),
    ]);
    const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1] ?? '0';
    return efRow(parseProcStat(stat), { uid: around.names.get(uid) ?? uid, commandLine, tty: await ttyOf(pid, stat), around });
  } catch {
    return undefined;
  }
}

/** The fields of `/proc/<pid>/stat` that `ps -ef` shows. */
export interface ProcStat {
  readonly pid: number;
  readonly name: string;
  readonly ppid: number;
  readonly ttyNumber: number;
  readonly cpuTicks: number;
  readonly startTicks: number;
}

/** Parses the line; the name in it may hold blanks and parentheses. */
export function parseProcStat(text: string): ProcStat {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).trim().split(' ');
  const at = (index: number): number => Number(fields[index] ?? 0);
  return { pid: Number(text.slice(0, open)), name: text.slice(open + 1, close), ppid: at(1), ttyNumber: at(4), cpuTicks: at(11) + at(12), startTicks: at(19) };
}

const TICKS_PER_SECOND = 100;

function efRow(stat: ProcStat, extra: { uid: string; commandLine: string; tty: string; around: Surroundings }): string[] {
  const { around } = extra;
  const seconds = Math.floor(stat.cpuTicks / TICKS_PER_SECOND);
  const startMs = around.bootMs + (stat.startTicks / TICKS_PER_SECOND) * 1000;
  const aliveSeconds = Math.max(1, (around.nowMs - startMs) / 1000);
  const percent = Math.min(99, Math.floor((seconds * 100) / aliveSeconds));
  const command = extra.commandLine.replace(/\0+$/, '').replaceAll('\0', ' ') || `[${stat.name}]`;
  return [extra.uid, String(stat.pid), String(stat.ppid), String(percent), startText(startMs, around.nowMs), extra.tty, cpuTime(seconds), command];
}

function startText(startMs: number, nowMs: number): string {
  const start = new Date(startMs);
  const isToday = new Date(nowMs).toDateString() === start.toDateString();
  if (isToday || nowMs - startMs < 24 * 3600 * 1000) return `${String(start.getHours()).padStart(2, '0')}:${String(start.getMinutes()).padStart(2, '0')}`;
  const month = start.toLocaleString('en-US', { month: 'short' });
  return new Date(nowMs).getFullYear() === start.getFullYear() ? `${month}${String(start.getDate()).padStart(2, '0')}` : String(start.getFullYear());
}

function cpuTime(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

async function ttyOf(pid: number, stat: string): Promise<string> {
  const number = parseProcStat(stat).ttyNumber;
  if (number === 0) return '?';
  const link = await readlink(`/proc/${pid}/fd/0`).catch(() => '');
  return link.startsWith('/dev/') ? link.slice('/dev/'.length) : `pts/${number & 0xff}`;
}

const runFile = promisify(execFile);

async function listByPs(pids: readonly number[], args: readonly string[]): Promise<TopView> {
  let output: string;
  try {
    output = (await runFile('ps', [...args], { maxBuffer: 16 * 1024 * 1024 })).stdout;
  } catch (err) {
    const detail = err instanceof Error && 'stderr' in err && typeof err.stderr === 'string' ? err.stderr.trim() : String(err);
    throw new EngineApiError('internal', 'PS_FAILED', `error running ps: ${detail}`, { cause: err });
  }
  return parsePs(output, pids);
}

/** Keeps the lines of the container's processes. @throws EngineApiError when there is no PID column */
export function parsePs(output: string, pids: readonly number[]): TopView {
  const [heading = '', ...lines] = output.split('\n');
  const titles = heading.trim().split(/\s+/);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn === -1) throw invalid('Couldn\'t find PID field in ps output', 'NO_PID_COLUMN');
  const wanted = new Set(pids.map(String));
  const rows = lines.map((line) => splitColumns(line, titles.length)).filter((fields) => wanted.has(fields[pidColumn] ?? ''));
  return { Titles: titles, Processes: rows };
}

function splitColumns(line: string, count: number): string[] {
  const fields = line.trim().split(/\s+/);
  return fields.length <= count ? fields : [...fields.slice(0, count - 1), fields.slice(count - 1).join(' ')];
}
