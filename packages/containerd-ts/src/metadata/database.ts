import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { closeSync, fdatasync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { ContainerdError, errorText, failedPrecondition } from '../errors.ts';
import { MIGRATIONS } from './migrations.ts';

/** A row as SQLite gives it. Integers are `bigint` where the statement asked for it. */
export type Row = Record<string, SQLInputValue>;

/** A prepared statement with named parameters. */
export interface Statement {
  get(parameters?: Record<string, SQLInputValue>): Row | undefined;
  all(parameters?: Record<string, SQLInputValue>): Row[];
  /** Returns how many rows changed. */
  run(parameters?: Record<string, SQLInputValue>): number;
}

/** The store of everything that must survive the daemon. */
export interface Database extends Disposable {
  /** Prepares a statement once; the same text gives the same statement. Integers come back as `bigint`. */
  prepare(sql: string): Statement;
  /**
   * Runs one write transaction: all of it happens, or nothing. Nested calls join the outer one. The callback must not await, which is what makes each
   * transaction serial without a lock.
   */
  transaction<T>(change: () => T): T;
  /** The id of the row that was inserted last. */
  lastInsertId(): bigint;
}

/** Milliseconds after a commit at which its bytes are forced to the disk at the latest. */
const SYNC_DELAY_MS = 50;

/**
 * Opens the metadata store, creating and migrating it as needed, and keeps it locked for this process.
 *
 * The file lies in a folder of its own under the root directory. The lock is SQLite's exclusive one, which the kernel drops when the process dies, however it dies: it doubles as the lock of the root directory.
 * `synchronous=NORMAL` writes each commit to the write-ahead log without waiting for the disk, so a killed daemon loses nothing; the log is forced to
 * the disk in the background at most 50 ms later, so a power cut can lose the last moments, never consistency.
 *
 * @throws ContainerdError `failed_precondition`: `ROOT_IN_USE`, `STORE_TOO_NEW`, `STORE_UNREADABLE`
 */
export function openDatabase(path: string): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  const sqlite = openSqlite(path);
  try {
    lock(sqlite, path);
    migrate(sqlite, path);
    return new SqliteDatabase(sqlite, path);
  } catch (error) {
    sqlite.close();
    throw error;
  }
}

function openSqlite(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { enableForeignKeyConstraints: true });
  } catch (error) {
    throw unreadable(path, error);
  }
}

function lock(sqlite: DatabaseSync, path: string): void {
  try {
    sqlite.exec('PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; BEGIN EXCLUSIVE; COMMIT');
  } catch (error) {
    if (errorText(error).includes('locked')) {
      throw new ContainerdError(`root directory "${dirname(dirname(path))}" is in use by another dray-containerd`, { kind: 'failed_precondition', code: 'ROOT_IN_USE', cause: error });
    }
    throw unreadable(path, error);
  }
}

function migrate(sqlite: DatabaseSync, path: string): void {
  const version = Number(sqlite.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (version > MIGRATIONS.length) {
    throw new ContainerdError(
      `metadata store "${path}" has version ${String(version)}, this dray-containerd knows versions up to ${String(MIGRATIONS.length)}: start a newer one or use another --root`,
      { kind: 'failed_precondition', code: 'STORE_TOO_NEW' },
    );
  }
  for (const [index, sql] of MIGRATIONS.entries()) {
    if (index < version) continue;
    sqlite.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version=${String(index + 1)}; COMMIT`);
  }
}

function unreadable(path: string, cause: unknown): ContainerdError {
  return new ContainerdError(`cannot open metadata store "${path}": ${errorText(cause)}`, { kind: 'failed_precondition', code: 'STORE_UNREADABLE', cause });
}

class SqliteDatabase implements Database {
  readonly #sqlite: DatabaseSync;
  readonly #statements = new Map<string, Statement>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #walFd: number;
  #depth = 0;
  #syncTimer: NodeJS.Timeout | undefined;

  constructor(sqlite: DatabaseSync, path: string) {
    this.#sqlite = sqlite;
    this.#begin = sqlite.prepare('BEGIN IMMEDIATE');
    this.#commit = sqlite.prepare('COMMIT');
    this.#rollback = sqlite.prepare('ROLLBACK');
    // SQLite keeps no file lock on the log, so that closing this descriptor drops none.
    this.#walFd = openSync(`${path}-wal`, 'r+');
  }

  prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const prepared = this.#sqlite.prepare(sql);
    prepared.setReadBigInts(true);
    const statement: Statement = {
      get: (parameters = {}) => prepared.get(parameters),
      all: (parameters = {}) => prepared.all(parameters),
      run: (parameters = {}) => Number(prepared.run(parameters).changes),
    };
    this.#statements.set(sql, statement);
    return statement;
  }

  transaction<T>(change: () => T): T {
    if (this.#depth > 0) return change();
    this.#begin.run();
    this.#depth += 1;
    try {
      const result = change();
      if (result instanceof Promise) throw failedPrecondition('ASYNC_TRANSACTION', 'a transaction must not await');
      this.#commit.run();
      this.#syncSoon();
      return result;
    } catch (error) {
      this.#rollback.run();
      throw error;
    } finally {
      this.#depth -= 1;
    }
  }

  lastInsertId(): bigint {
    const id = this.prepare('SELECT last_insert_rowid() AS id').get()?.['id'];
    return typeof id === 'bigint' ? id : 0n;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#syncTimer);
    this.#statements.clear();
    this.#sqlite.close();
    closeSync(this.#walFd);
  }

  #syncSoon(): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      // A failure shows again at the next checkpoint, which SQLite itself reports.
      fdatasync(this.#walFd, () => undefined);
    }, SYNC_DELAY_MS).unref();
  }
}
