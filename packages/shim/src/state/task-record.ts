/**
 * What a shim keeps of one container in its bundle, so that another shim process can take it over. One file: every change appends the whole record
 * as a line, and the last line that has its end counts, so that a shim may be killed at any byte. Replacing the file each time would make some file
 * systems (ext4) write it to disk at once. The monitors keep what happens meanwhile.
 */
import { closeSync, fstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ShimError } from '../errors.ts';

/** The version of the file's format. Another one is refused. */
export const TASK_RECORD_VERSION = 1;
const FILE_NAME = 'dray-task.json';

/** Where a process's streams go: the URIs of the request. */
export interface Stdio {
  readonly terminal: boolean;
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a process has been through; `starting` is on disk only while the runtime is at work. */
export type ProcessPhase = 'creating' | 'created' | 'starting' | 'running' | 'stopped';

/** One process of a container. */
export interface ProcessRecord {
  /** The exec's id; empty for the container's first process. */
  readonly id: string;
  readonly phase: ProcessPhase;
  readonly pid: number;
  readonly stdio: Stdio;
  /** Of an exec: the OCI process document. */
  readonly spec: string;
  /** How it ended, once that is known here. */
  readonly exit: { readonly status: number; readonly atNanos: string } | undefined;
  /** Whether containerd has been told of the exit. */
  readonly isExitPublished: boolean;
}

/** Which runtime made the container, and how. */
export interface RuntimeRecord {
  /** Empty: the built-in one. */
  readonly binary: string;
  /** Folder of the runtime's own state, with the namespace. */
  readonly root: string;
  readonly systemdCgroup: boolean;
  readonly noPivotRoot: boolean;
  readonly noNewKeyring: boolean;
  readonly ioUid: number;
  readonly ioGid: number;
}

/** One container. */
export interface TaskRecord {
  readonly version: typeof TASK_RECORD_VERSION;
  readonly id: string;
  readonly namespace: string;
  readonly group: string;
  readonly runtime: RuntimeRecord;
  /** Whether something was mounted on the bundle's rootfs. */
  readonly hasRootfsMount: boolean;
  readonly isPaused: boolean;
  readonly init: ProcessRecord;
  readonly execs: readonly ProcessRecord[];
}

/** A file of this size is replaced by one with the newest line alone. */
const FILE_BYTES_MAX = 256 * 1024;

/** Writes a container's record. */
export function writeTaskRecord(bundle: string, record: TaskRecord): void {
  const file = path.join(bundle, FILE_NAME);
  // The line end in front ends a line that a killed shim has left unfinished.
  const line = `\n${JSON.stringify(record)}\n`;
  const fd = openSync(file, 'a', 0o600);
  try {
    if (fstatSync(fd).size < FILE_BYTES_MAX) {
      writeFileSync(fd, line);
      return;
    }
  } finally {
    closeSync(fd);
  }
  writeFileSync(`${file}.tmp`, line, { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

/** Takes a container's record away: no shim knows it any more. */
export function removeTaskRecord(bundle: string): void {
  rmSync(path.join(bundle, FILE_NAME), { force: true });
}

/**
 * Reads the record in a bundle; undefined when there is none.
 * @throws ShimError `internal` STATE_FILE for a record that this version does not understand
 */
export function readTaskRecord(bundle: string): TaskRecord | undefined {
  let text: string;
  try {
    text = readFileSync(path.join(bundle, FILE_NAME), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
  const newest = newestLine(text);
  return newest === undefined ? undefined : parseTaskRecord(newest);
}

/** Undefined: the first write was cut short, so that nothing was begun yet. */
function newestLine(text: string): string | undefined {
  return text.slice(0, text.lastIndexOf('\n') + 1).split('\n').findLast((line) => line !== '');
}

type Fields = Readonly<Record<string, unknown>>;

function bad(what: string): ShimError {
  return new ShimError('internal', 'STATE_FILE', `cannot understand the container's record: ${what}`);
}

function object(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(`${what} is no object`);
  return value as Fields;
}

function text(fields: Fields, key: string): string {
  const value = fields[key];
  if (typeof value !== 'string') throw bad(`${key} is no string`);
  return value;
}

function count(fields: Fields, key: string): number {
  const value = fields[key];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw bad(`${key} is no count`);
  return value;
}

function flag(fields: Fields, key: string): boolean {
  const value = fields[key];
  if (typeof value !== 'boolean') throw bad(`${key} is no boolean`);
  return value;
}

function parsePhase(value: string): ProcessPhase {
  switch (value) {
    case 'creating': case 'created': case 'starting': case 'running': case 'stopped': return value;
    default: throw bad(`phase ${JSON.stringify(value)}`);
  }
}

function parseExit(value: unknown): ProcessRecord['exit'] {
  if (value === undefined) return undefined;
  const fields = object(value, 'exit');
  const atNanos = text(fields, 'atNanos');
  if (!/^\d{1,20}$/.test(atNanos)) throw bad('atNanos is no number');
  return { status: count(fields, 'status'), atNanos };
}

function parseProcess(value: unknown): ProcessRecord {
  const fields = object(value, 'process');
  const stdio = object(fields['stdio'], 'stdio');
  return {
    id: text(fields, 'id'),
    phase: parsePhase(text(fields, 'phase')),
    pid: count(fields, 'pid'),
    stdio: { terminal: flag(stdio, 'terminal'), stdin: text(stdio, 'stdin'), stdout: text(stdio, 'stdout'), stderr: text(stdio, 'stderr') },
    spec: text(fields, 'spec'),
    exit: parseExit(fields['exit']),
    isExitPublished: flag(fields, 'isExitPublished'),
  };
}

function parseRuntime(value: unknown): RuntimeRecord {
  const fields = object(value, 'runtime');
  return {
    binary: text(fields, 'binary'), root: text(fields, 'root'), systemdCgroup: flag(fields, 'systemdCgroup'), noPivotRoot: flag(fields, 'noPivotRoot'),
    noNewKeyring: flag(fields, 'noNewKeyring'), ioUid: count(fields, 'ioUid'), ioGid: count(fields, 'ioGid'),
  };
}

/**
 * Reads the text of a record.
 * @throws ShimError `internal` STATE_FILE
 */
export function parseTaskRecord(json: string): TaskRecord {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw bad('it is no JSON');
  }
  const fields = object(value, 'the record');
  if (fields['version'] !== TASK_RECORD_VERSION) throw bad(`version ${JSON.stringify(fields['version'])}, want ${TASK_RECORD_VERSION}`);
  const execs = fields['execs'];
  if (!Array.isArray(execs)) throw bad('execs is no list');
  return {
    version: TASK_RECORD_VERSION, id: text(fields, 'id'), namespace: text(fields, 'namespace'), group: text(fields, 'group'),
    runtime: parseRuntime(fields['runtime']), hasRootfsMount: flag(fields, 'hasRootfsMount'), isPaused: flag(fields, 'isPaused'), init: parseProcess(fields['init']), execs: execs.map(parseProcess),
  };
}
