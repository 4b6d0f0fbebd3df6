import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RuncError } from '../errors.ts';
import { parseJson } from '../spec/load.ts';
import { validateId } from '../spec/validate.ts';
import type { ContainerRecord } from './record.ts';

/** The name of the file that says that a container waits for `start`. */
export const EXEC_FIFO = 'exec.fifo';
const STATE_FILE = 'state.json';

/** The directory tree of one runtime root: `<root>/<id>/state.json`, laid out as runc's. */
export interface StateStore {
  readonly root: string;
  /** The container's directory. */
  directory(id: string): string;
  /**
   * Makes a container's directory.
   * @throws RuncError `already_exists` (`CONTAINER_EXISTS`).
   */
  reserve(id: string): string;
  /**
   * @throws RuncError `not_found` (`NO_CONTAINER`), `unknown` (`STATE_UNREADABLE`).
   */
  load(id: string): ContainerRecord;
  /** Writes the record whole or not at all. */
  save(record: ContainerRecord): void;
  remove(id: string): void;
  /** The ids of all directories, readable or not. */
  ids(): string[];
  /** Whether a container of that id is (or was half) made. */
  has(id: string): boolean;
}

/** Opens a root; it is made when the first container is. */
export function openStore(root: string): StateStore {
  const directory = (id: string): string => join(root, id);
  return {
    root,
    directory,
    reserve: (id) => reserve(root, directory(id)),
    load: (id) => load(id, directory(id)),
    save: (record) => {
      save(directory(record.id), record);
    },
    remove: (id) => {
      rmSync(directory(id), { recursive: true, force: true });
    },
    ids: () => listDirectories(root),
    has: (id) => statSync(directory(id), { throwIfNoEntry: false }) !== undefined,
  };
}

function reserve(root: string, directory: string): string {
  try {
    mkdirSync(directory, 0o711);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw existsOr(error);
    mkdirSync(root, { recursive: true, mode: 0o711 });
    try {
      mkdirSync(directory, 0o711);
    } catch (second) {
      throw existsOr(second);
    }
  }
  return directory;
}

function existsOr(error: unknown): unknown {
  return hasCode(error, 'EEXIST') ? new RuncError({ kind: 'already_exists', code: 'CONTAINER_EXISTS', message: 'container with given ID already exists', cause: error }) : error;
}

function load(id: string, directory: string): ContainerRecord {
  validateId(id);
  let text: string;
  try {
    text = readFileSync(join(directory, STATE_FILE), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) throw noContainer(error);
    throw new RuncError({ kind: 'unknown', code: 'STATE_UNREADABLE', message: `cannot read the state of container "${id}"`, cause: error });
  }
  const value = parseJson(text);
  if (!isRecord(value)) throw new RuncError({ kind: 'unknown', code: 'STATE_UNREADABLE', message: `the state of container "${id}" is not one that this runtime wrote` });
  return value;
}

/** The error for a container that is not there, in runc's words. */
export function noContainer(cause?: unknown): RuncError {
  return new RuncError({ kind: 'not_found', code: 'NO_CONTAINER', message: 'container does not exist', cause });
}

/** The rename makes the write whole; a crash of the machine takes the containers and, on its tmpfs, the root with it, so nothing is synced. */
function save(directory: string, record: ContainerRecord): void {
  const temporary = join(directory, `.${STATE_FILE}.${process.pid}`);
  writeFileSync(temporary, JSON.stringify(record, keepBigIntegers), { mode: 0o600 });
  renameSync(temporary, join(directory, STATE_FILE));
}

function keepBigIntegers(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? rawJson(String(value)) : value;
}

/** `JSON.rawJSON` is in Node 24, not yet in TypeScript's library. */
const rawJson = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON;

function listDirectories(root: string): string[] {
  try {
    return readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name).sort();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function isRecord(value: unknown): value is ContainerRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { id, dray, cgroup_paths: paths } = value as { readonly id?: unknown; readonly dray?: { readonly version?: unknown }; readonly cgroup_paths?: unknown };
  return typeof id === 'string' && typeof paths === 'object' && typeof dray === 'object' && dray.version === 1;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
