import { accessSync, closeSync, constants, mkdirSync, openSync, readdirSync, readFileSync, rmdirSync, writeSync } from 'node:fs';
import { errnoKind, errnoName, errnoText, LibcontainerError } from '../errors.ts';

/** The few file operations that cgroups are made of. Paths are absolute; failures are Node's errors with a `code`. */
export interface CgroupKernel {
  read(path: string): string;
  /** Writes to an existing control file in one write(2). */
  write(path: string, value: string): void;
  /** One write(2) per value on one descriptor. */
  writeEach(path: string, values: readonly string[]): void;
  mkdir(path: string): void;
  rmdir(path: string): void;
  /** Names of the sub-directories. */
  directories(path: string): string[];
  exists(path: string): boolean;
  kill(pid: number, signal: number): void;
}

/** The running kernel. Calls are synchronous: control files answer from memory. */
export function nodeCgroupKernel(): CgroupKernel {
  return {
    read: (path) => readFileSync(path, 'utf8'),
    write: (path, value) => {
      writeValues(path, [value]);
    },
    writeEach: writeValues,
    mkdir: (path) => {
      mkdirSync(path, 0o755);
    },
    rmdir: rmdirSync,
    directories: (path) => readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name),
    exists: (path) => {
      try {
        accessSync(path);
        return true;
      } catch {
        return false;
      }
    },
    kill: (pid, signal) => {
      process.kill(pid, signal);
    },
  };
}

function writeValues(path: string, values: readonly string[]): void {
  if (values.length === 0) return;
  // Never created, never truncated: a control file exists or the controller is missing.
  const fd = openSync(path, constants.O_WRONLY);
  try {
    for (const value of values) writeValue(fd, path, value);
  } finally {
    closeSync(fd);
  }
}

/** What the kernel refuses is told with the value, in runc's words. */
function writeValue(fd: number, path: string, value: string): void {
  try {
    writeSync(fd, value);
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? -error.errno : 0;
    if (errno === 0) throw error;
    const message = `failed to write ${JSON.stringify(value)}: write ${path}: ${errnoText(errno)}`;
    throw new LibcontainerError({ kind: errnoKind(errno), code: errnoName(errno), message, errno, syscall: 'write', path, cause: error });
  }
}

/** The `code` of a system call error, for example `ENOENT`. */
export function errnoCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Runs `read`, answers `undefined` when the file or directory is not there. */
export function ifExists<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (errnoCode(error) === 'ENOENT' || errnoCode(error) === 'ENODEV') return undefined;
    throw error;
  }
}
