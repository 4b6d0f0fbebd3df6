import fs from 'node:fs';
import path from 'node:path';
import { EngineError, systemCode } from './errors.ts';

/**
 * Writes the pid file, unless the process in it runs still.
 * @throws EngineError ALREADY_RUNNING
 */
export function writePidFile(file: string): Disposable {
  const pid = readPid(file);
  if (pid !== undefined && pid !== process.pid && isRunning(pid, 'drayd')) {
    throw new EngineError('failed_precondition', 'ALREADY_RUNNING', `failed to start daemon, ensure docker is not running or delete ${file}: process with PID ${pid} is still running`);
  }
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(`${file}.tmp`, String(process.pid), { mode: 0o644 });
  fs.renameSync(`${file}.tmp`, file);
  return { [Symbol.dispose]: () => fs.rmSync(file, { force: true }) };
}

/** The process id in a file, or undefined. */
export function readPid(file: string): number | undefined {
  try {
    const pid = Number(fs.readFileSync(file, 'utf8').trim());
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether a process runs whose command line holds `word`. */
export function isRunning(pid: number, word: string): boolean {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word) && !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false; // there is no such process
  }
}

/** The id of a group, or undefined. */
export function groupId(name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name);
  const line = fs.readFileSync('/etc/group', 'utf8').split('\n').find((entry) => entry.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(':')[2]);
}
