import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { nowNanos } from '../clock.ts';
import { alreadyExists, invalidArgument, notFound } from '../errors.ts';
import { matchesAny, parseFilters } from '../filters/index.ts';
import { integerOf, textOf, type Row } from '../metadata/index.ts';
import type { BlobFiles } from './blob-files.ts';
import type { ContentDependencies, ContentStore } from './content-store.ts';
import { checkOffset, HashingFile, lockedRef, verify, type CommitOptions, type IngestStatus } from './ingest.ts';

/** How a client opens an ingest. */
export interface OpenIngestOptions {
  readonly ref: string;
  /** The size announced, 0 when unknown. */
  readonly total: bigint;
  /** The digest announced, empty when unknown. */
  readonly expected: string;
  readonly leaseId: string | undefined;
}

/** Nanoseconds for which an ingest outside any lease is kept. */
const UNLEASED_LIFETIME_NANOS = 24n * 60n * 60n * 1_000_000_000n;

/** Content that is arriving. One writer per ref; a writer that goes away leaves bytes with which the next one goes on. */
export class IngestStore {
  readonly #dependencies: ContentDependencies;
  readonly #content: ContentStore;
  readonly #files: BlobFiles;
  /** The refs that are open, with the time since when. */
  readonly #open = new Map<string, number>();

  constructor(dependencies: ContentDependencies, content: ContentStore) {
    this.#dependencies = dependencies;
    this.#content = content;
    this.#files = dependencies.files;
  }

  /**
   * Opens or resumes an ingest.
   *
   * @throws ContainerdError `already_exists`, `CONTENT_EXISTS` when the namespace has the expected digest
   * @throws ContainerdError `unavailable`, `REF_LOCKED` when another writer has it open
   */
  async open(namespace: string, options: OpenIngestOptions): Promise<IngestWriter> {
    if (options.ref === '') throw invalidArgument('INVALID_REF', 'ref must not be empty');
    if (options.expected !== '' && this.#content.find(namespace, options.expected) !== undefined) {
      this.#leaseExisting(namespace, options);
      throw alreadyExists('CONTENT_EXISTS', `content ${options.expected}`);
    }
    const lock = this.#lock(namespace, options.ref);
    try {
      const record = this.#record(namespace, options);
      const file = await HashingFile.open(this.#files.ingestPath(record.directory), record.expected);
      const sharedSize = file.offset === 0n && options.expected !== '' ? this.#content.sizeAnywhere(options.expected) : undefined;
      return new IngestWriter({ ...this.#dependencies, content: this.#content, namespace, record, file, lock, leaseId: options.leaseId, sharedSize });
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** @throws ContainerdError `not_found`, `INGEST_NOT_FOUND` */
  status(namespace: string, ref: string): IngestStatus {
    const row = this.#dependencies.database.prepare('SELECT * FROM ingests WHERE namespace = $namespace AND ref = $ref').get({ namespace, ref });
    if (row === undefined) throw missing(ref);
    return this.#toStatus(toRecord(row));
  }

  /** The ingests that pass the filters, by ref. */
  list(namespace: string, filters: readonly string[]): IngestStatus[] {
    const parsed = parseFilters(filters);
    const rows = this.#dependencies.database.prepare('SELECT * FROM ingests WHERE namespace = $namespace ORDER BY ref').all({ namespace });
    return rows.map((row) => this.#toStatus(toRecord(row))).filter((status) => matchesAny(parsed, status, (one, path) => (path[0] === 'ref' ? one.ref : undefined)));
  }

  /** Drops an ingest and its bytes. */
  async abort(namespace: string, ref: string): Promise<void> {
    const { database, leases } = this.#dependencies;
    const directory = database.transaction(() => {
      const row = database.prepare('SELECT * FROM ingests WHERE namespace = $namespace AND ref = $ref').get({ namespace, ref });
      if (row === undefined) throw missing(ref);
      database.prepare('DELETE FROM ingests WHERE namespace = $namespace AND ref = $ref').run({ namespace, ref });
      leases.forget(namespace, { type: 'ingests', id: ref });
      return textOf(row, 'directory');
    });
    await this.#files.removeIngest(directory);
  }

  /** The file names of all ingests. */
  allFiles(): Set<string> {
    return new Set(this.#dependencies.database.prepare('SELECT directory FROM ingests').all().map((row) => textOf(row, 'directory')));
  }

  #lock(namespace: string, ref: string): Disposable {
    const key = `${namespace}\0${ref}`;
    const since = this.#open.get(key);
    if (since !== undefined) throw lockedRef(ref, since);
    this.#open.set(key, Date.now());
    return { [Symbol.dispose]: () => this.#open.delete(key) };
  }

  /** Finds the ingest or begins it. */
  #record(namespace: string, options: OpenIngestOptions): IngestRecord {
    const { database, namespaces, leases } = this.#dependencies;
    return database.transaction(() => {
      const row = database.prepare('SELECT * FROM ingests WHERE namespace = $namespace AND ref = $ref').get({ namespace, ref: options.ref });
      const startedAt = nowNanos();
      const record: IngestRecord =
        row !== undefined
          ? toRecord(row)
          : { ref: options.ref, directory: randomBytes(16).toString('hex'), total: options.total, expected: options.expected, startedAt };
      if (row === undefined) {
        namespaces.ensure(namespace);
        const expiresAt = options.leaseId === undefined ? startedAt + UNLEASED_LIFETIME_NANOS : 0n;
        database.prepare(INSERT).run({ namespace, ref: record.ref, directory: record.directory, total: record.total, expected: record.expected, started_at: startedAt, expires_at: expiresAt });
      }
      leases.addCreated(namespace, options.leaseId, { type: 'ingests', id: options.ref });
      return record;
    });
  }

  #leaseExisting(namespace: string, options: OpenIngestOptions): void {
    const { database, leases } = this.#dependencies;
    database.transaction(() => {
      leases.addCreated(namespace, options.leaseId, { type: 'content', id: options.expected });
    });
  }

  #toStatus(record: IngestRecord): IngestStatus {
    const stat = statSync(this.#files.ingestPath(record.directory), { bigint: true, throwIfNoEntry: false });
    return { ref: record.ref, offset: stat?.size ?? 0n, total: record.total, expected: record.expected, startedAt: record.startedAt, updatedAt: stat?.mtimeNs ?? record.startedAt };
  }
}

interface IngestRecord {
  readonly ref: string;
  readonly directory: string;
  readonly total: bigint;
  readonly expected: string;
  readonly startedAt: bigint;
}

interface WriterOptions extends ContentDependencies {
  readonly content: ContentStore;
  readonly namespace: string;
  readonly record: IngestRecord;
  readonly file: HashingFile;
  readonly lock: Disposable;
  readonly leaseId: string | undefined;
  readonly sharedSize: bigint | undefined;
}

/**
 * The one writer of an open ingest. Another namespace may have the expected blob already: then the writer stands at its end from the beginning, and a
 * commit attaches the blob without a byte sent; writing from 0 makes it an ordinary ingest.
 */
export class IngestWriter {
  readonly #options: WriterOptions;
  #sharedSize: bigint | undefined;
  #updatedAt: bigint;
  #isClosed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#sharedSize = options.sharedSize;
    this.#updatedAt = nowNanos();
  }

  /** The state of the ingest. */
  status(): IngestStatus {
    const { ref, total, expected, startedAt } = this.#options.record;
    return { ref, total, expected, startedAt, offset: this.#sharedSize ?? this.#options.file.offset, updatedAt: this.#updatedAt };
  }

  /** The digest of the bytes received so far. */
  digest(): string {
    return this.#sharedSize === undefined ? this.#options.file.digest() : this.#options.record.expected;
  }

  /**
   * Writes at an offset, which must be the end; 0 starts again.
   *
   * @throws ContainerdError `out_of_range`, `OFFSET_OUT_OF_RANGE`
   */
  async write(offset: bigint, data: Uint8Array): Promise<void> {
    if (offset === 0n && this.status().offset > 0n) {
      this.#sharedSize = undefined;
      await this.#options.file.truncate();
    }
    checkOffset(this.status().offset, offset);
    await this.#options.file.write(data);
    this.#updatedAt = nowNanos();
  }

  /**
   * Verifies the bytes and makes them a blob. The ingest is gone afterwards, also when the namespace has the blob already.
   *
   * @throws ContainerdError `failed_precondition`: `SIZE_MISMATCH`, `DIGEST_MISMATCH`; the ingest remains
   * @throws ContainerdError `already_exists`, `CONTENT_EXISTS`
   */
  async commit(wanted: CommitOptions): Promise<{ readonly digest: string; readonly size: bigint }> {
    const { content, record, file, files } = this.#options;
    const actual = { size: this.status().offset, digest: this.digest() };
    verify(record.ref, actual, { ...wanted, digest: wanted.digest === '' ? record.expected : wanted.digest });
    using _pin = content.pin(actual.digest);
    this.#isClosed = true;
    using _lock = this.#options.lock;
    if (this.#sharedSize !== undefined || files.hasBlob(actual.digest)) {
      await file.close();
      await files.removeIngest(record.directory);
    } else {
      await files.promote(file.take(), record.directory, actual.digest);
    }
    this.#finish(actual, wanted);
    return actual;
  }

  /** Closes the writer. The bytes stay for the next one. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#options.file.close();
    this.#options.lock[Symbol.dispose]();
  }

  #finish(actual: { readonly digest: string; readonly size: bigint }, wanted: CommitOptions): void {
    const { database, leases, content, namespace, record, leaseId } = this.#options;
    const isNew = database.transaction(() => {
      database.prepare('DELETE FROM ingests WHERE namespace = $namespace AND ref = $ref').run({ namespace, ref: record.ref });
      leases.forget(namespace, { type: 'ingests', id: record.ref });
      return content.record(namespace, { digest: actual.digest, size: actual.size, labels: wanted.labels }, leaseId);
    });
    if (!isNew) throw alreadyExists('CONTENT_EXISTS', `content ${actual.digest}`);
  }
}

const INSERT = `INSERT INTO ingests (namespace, ref, directory, total, expected, started_at, expires_at)
  VALUES ($namespace, $ref, $directory, $total, $expected, $started_at, $expires_at)`;

function missing(ref: string): Error {
  return notFound('INGEST_NOT_FOUND', `ingest ref ${JSON.stringify(ref)}`);
}

function toRecord(row: Row): IngestRecord {
  return {
    ref: textOf(row, 'ref'),
    directory: textOf(row, 'directory'),
    total: integerOf(row, 'total'),
    expected: textOf(row, 'expected'),
    startedAt: integerOf(row, 'started_at'),
  };
}
