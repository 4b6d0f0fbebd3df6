import { nowNanos } from '../clock.ts';
import { invalidArgument, notFound, outOfRange } from '../errors.ts';
import { matchesAny, parseFilters, readMap } from '../filters/index.ts';
import { validateLabels, withLabel, withoutEmpty, type Labels } from '../labels.ts';
import type { LeaseStore } from '../leases/lease-store.ts';
import { integerOf, labelsOf, textOf, type Database, type Row } from '../metadata/index.ts';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';
import type { BlobFiles } from './blob-files.ts';
import { readBlob } from './blob-reader.ts';
import { parseDigest } from './digest.ts';

/** What is known of a blob in a namespace. */
export interface BlobInfo {
  readonly digest: string;
  readonly size: bigint;
  readonly labels: Labels;
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
}

/** What the stores of content need. */
export interface ContentDependencies {
  readonly database: Database;
  readonly namespaces: NamespaceStore;
  readonly leases: LeaseStore;
  readonly files: BlobFiles;
}

/** Verified blobs. The bytes are shared by all namespaces, the records are not. */
export class ContentStore {
  readonly #database: Database;
  readonly #namespaces: NamespaceStore;
  readonly #leases: LeaseStore;
  readonly #files: BlobFiles;
  /** Digests whose record is about to be written: their file must not be removed meanwhile. */
  readonly #pinned = new Map<string, number>();

  constructor(dependencies: ContentDependencies) {
    this.#database = dependencies.database;
    this.#namespaces = dependencies.namespaces;
    this.#leases = dependencies.leases;
    this.#files = dependencies.files;
  }

  /** @throws ContainerdError `not_found`, `CONTENT_NOT_FOUND` */
  info(namespace: string, digest: string): BlobInfo {
    const info = this.find(namespace, digest);
    if (info === undefined) throw missing(digest);
    return info;
  }

  /** A blob of the namespace, or undefined. */
  find(namespace: string, digest: string): BlobInfo | undefined {
    parseDigest(digest);
    const row = this.#database.prepare('SELECT * FROM blobs WHERE namespace = $namespace AND digest = $digest').get({ namespace, digest });
    return row === undefined ? undefined : toInfo(row);
  }

  /** The size of a blob that any namespace has, or undefined. */
  sizeAnywhere(digest: string): bigint | undefined {
    const row = this.#database.prepare('SELECT size FROM blobs WHERE digest = $digest LIMIT 1').get({ digest });
    return row === undefined || !this.#files.hasBlob(digest) ? undefined : integerOf(row, 'size');
  }

  /** The blobs that pass the filters, by digest. */
  list(namespace: string, filters: readonly string[]): BlobInfo[] {
    const parsed = parseFilters(filters);
    const rows = this.#database.prepare('SELECT * FROM blobs WHERE namespace = $namespace ORDER BY digest').all({ namespace });
    return rows.map(toInfo).filter((info) => matchesAny(parsed, info, readBlobField));
  }

  /** Sets labels: those the mask names (`labels`, `labels.…`), or all when it is empty. */
  update(namespace: string, input: { readonly digest: string; readonly labels: Labels }, mask: readonly string[]): BlobInfo {
    return this.#database.transaction(() => {
      const current = this.info(namespace, input.digest);
      const labels = (mask.length === 0 ? ['labels'] : mask).reduce<Labels>((all, path) => applyPath(all, input.labels, path, input.digest), current.labels);
      validateLabels(labels);
      const changed: BlobInfo = { ...current, labels, updatedAt: nowNanos() };
      this.#database
        .prepare('UPDATE blobs SET labels = $labels, updated_at = $updated_at WHERE namespace = $namespace AND digest = $digest')
        .run({ namespace, digest: input.digest, labels: JSON.stringify(labels), updated_at: changed.updatedAt });
      return changed;
    });
  }

  /** Removes a blob from the namespace, and its bytes when no other namespace has it. */
  async delete(namespace: string, digest: string): Promise<void> {
    parseDigest(digest);
    this.#database.transaction(() => {
      const deleted = this.#database.prepare('DELETE FROM blobs WHERE namespace = $namespace AND digest = $digest').run({ namespace, digest });
      if (deleted === 0) throw missing(digest);
      this.#leases.forget(namespace, { type: 'content', id: digest });
    });
    await this.removeUnreferenced([digest]);
  }

  /** Removes the bytes of those digests that no namespace has any more. */
  async removeUnreferenced(digests: Iterable<string>): Promise<void> {
    for (const digest of digests) {
      if (this.#pinned.has(digest) || this.#isReferenced(digest)) continue;
      await this.#files.removeBlob(digest);
    }
  }

  /**
   * Reads `size` bytes from `offset`, or all the rest when `size` is 0.
   *
   * @throws ContainerdError `not_found`, `CONTENT_NOT_FOUND`
   * @throws ContainerdError `out_of_range`, `OFFSET_OUT_OF_RANGE`
   */
  read(namespace: string, digest: string, range: { readonly offset: bigint; readonly size: bigint }): AsyncIterable<Uint8Array> {
    const info = this.info(namespace, digest);
    if (range.offset < 0n || range.offset > info.size) {
      throw outOfRange('OFFSET_OUT_OF_RANGE', `read past object length ${String(info.size)} bytes`);
    }
    const rest = info.size - range.offset;
    const size = range.size <= 0n ? rest : range.size;
    if (size > rest) throw outOfRange('OFFSET_OUT_OF_RANGE', `read past object length ${String(info.size)} bytes`);
    return readBlob(this.#files.blobPath(digest), Number(range.offset), Number(size));
  }

  /** The path of a blob's bytes, for the parts of this daemon that read them. */
  path(namespace: string, digest: string): string {
    this.info(namespace, digest);
    return this.#files.blobPath(digest);
  }

  /** Keeps a digest's file from being removed while its record is not written yet. */
  pin(digest: string): Disposable {
    this.#pinned.set(digest, (this.#pinned.get(digest) ?? 0) + 1);
    return {
      [Symbol.dispose]: () => {
        const count = (this.#pinned.get(digest) ?? 1) - 1;
        if (count === 0) this.#pinned.delete(digest);
        else this.#pinned.set(digest, count);
      },
    };
  }

  /** Records a blob whose file is in place; part of the caller's transaction. Returns false when the namespace had it already. */
  record(namespace: string, blob: { readonly digest: string; readonly size: bigint; readonly labels: Labels }, leaseId: string | undefined): boolean {
    validateLabels(blob.labels);
    this.#namespaces.ensure(namespace);
    const createdAt = nowNanos();
    const inserted = this.#database.prepare(INSERT).run({
      namespace,
      digest: blob.digest,
      size: blob.size,
      labels: JSON.stringify(withoutEmpty(blob.labels)),
      created_at: createdAt,
      updated_at: createdAt,
    });
    this.#leases.addCreated(namespace, leaseId, { type: 'content', id: blob.digest });
    return inserted > 0;
  }

  /** All digests that any namespace has. */
  allDigests(): Set<string> {
    return new Set(this.#database.prepare('SELECT DISTINCT digest FROM blobs').all().map((row) => textOf(row, 'digest')));
  }

  #isReferenced(digest: string): boolean {
    return this.#database.prepare('SELECT 1 FROM blobs WHERE digest = $digest LIMIT 1').get({ digest }) !== undefined;
  }
}

const INSERT = `INSERT INTO blobs (namespace, digest, size, labels, created_at, updated_at)
  VALUES ($namespace, $digest, $size, $labels, $created_at, $updated_at) ON CONFLICT DO NOTHING`;

function missing(digest: string): Error {
  return notFound('CONTENT_NOT_FOUND', `content digest ${digest}`);
}

function applyPath(current: Labels, wanted: Labels, path: string, digest: string): Labels {
  if (path === 'labels') return withoutEmpty(wanted);
  if (!path.startsWith('labels.')) throw invalidArgument('INVALID_FIELD_MASK', `cannot update ${JSON.stringify(path)} field on content info ${JSON.stringify(digest)}`);
  const key = path.slice('labels.'.length);
  return withLabel(current, key, wanted[key] ?? '');
}

function readBlobField(info: BlobInfo, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'digest':
      return info.digest;
    case 'size':
      return String(info.size);
    case 'labels':
      return readMap(info.labels, path.slice(1));
    default:
      return undefined;
  }
}

function toInfo(row: Row): BlobInfo {
  return {
    digest: textOf(row, 'digest'),
    size: integerOf(row, 'size'),
    labels: labelsOf(row),
    createdAt: integerOf(row, 'created_at'),
    updatedAt: integerOf(row, 'updated_at'),
  };
}
