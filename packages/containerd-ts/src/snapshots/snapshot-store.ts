import { nowNanos } from '../clock.ts';
import { alreadyExists, failedPrecondition, invalidArgument, notFound } from '../errors.ts';
import { matchesAny, parseFilters } from '../filters/index.ts';
import { validateLabels, withLabel, withoutEmpty, type Labels } from '../labels.ts';
import type { LeaseStore } from '../leases/lease-store.ts';
import { integerOf, labelsOf, optionalIntegerOf, textOf, type Database, type Row } from '../metadata/index.ts';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';
import { readSnapshotField, type Mount, type SnapshotBackend, type SnapshotInfo, type SnapshotKind, type SnapshotPlace, type SnapshotUsage } from './snapshot.ts';

/** What the snapshots of one snapshotter need. */
export interface SnapshotDependencies {
  readonly database: Database;
  readonly namespaces: NamespaceStore;
  readonly leases: LeaseStore;
  readonly backend: SnapshotBackend;
}

/** How to make an active snapshot or a view. */
export interface PrepareOptions {
  readonly key: string;
  /** The committed snapshot to build on, empty for none. */
  readonly parent: string;
  readonly labels: Labels;
  readonly leaseId: string | undefined;
}

const KINDS: readonly SnapshotKind[] = ['view', 'active', 'committed'];

/** The snapshots of one snapshotter in all namespaces: names, kinds, parents and labels here, files in the backend. */
export class SnapshotStore {
  readonly #database: Database;
  readonly #namespaces: NamespaceStore;
  readonly #leases: LeaseStore;
  readonly #backend: SnapshotBackend;

  constructor(dependencies: SnapshotDependencies) {
    this.#database = dependencies.database;
    this.#namespaces = dependencies.namespaces;
    this.#leases = dependencies.leases;
    this.#backend = dependencies.backend;
  }

  /** The snapshotter's name. */
  get name(): string {
    return this.#backend.name;
  }

  /** @throws ContainerdError `not_found`, `SNAPSHOT_NOT_FOUND` */
  stat(namespace: string, key: string): SnapshotInfo {
    return this.#toInfo(this.#row(namespace, key));
  }

  /** The snapshots that pass the filters, by name. */
  list(namespace: string, filters: readonly string[]): SnapshotInfo[] {
    const parsed = parseFilters(filters);
    const rows = this.#database
      .prepare('SELECT s.*, p.key AS parent_key FROM snapshots s LEFT JOIN snapshots p ON p.number = s.parent WHERE s.namespace = $namespace AND s.snapshotter = $snapshotter ORDER BY s.key')
      .all({ namespace, snapshotter: this.name });
    return rows.map((row) => this.#toInfo(row)).filter((info) => matchesAny(parsed, info, readSnapshotField));
  }

  /** Makes an active snapshot and tells how to mount it. */
  prepare(namespace: string, options: PrepareOptions): Promise<Mount[]> {
    return this.#create(namespace, 'active', options);
  }

  /** Makes a read-only view and tells how to mount it. */
  view(namespace: string, options: PrepareOptions): Promise<Mount[]> {
    return this.#create(namespace, 'view', options);
  }

  /** How to mount an active snapshot or a view. */
  mounts(namespace: string, key: string): Mount[] {
    const place = this.#place(this.#row(namespace, key));
    if (place.kind === 'committed') throw failedPrecondition('SNAPSHOT_COMMITTED', `failed to get active mount: snapshot ${key} is committed`);
    return this.#backend.mounts(place);
  }

  /**
   * Turns an active snapshot into a committed one with its own name.
   *
   * @throws ContainerdError `not_found`, `SNAPSHOT_NOT_FOUND`
   * @throws ContainerdError `already_exists`, `SNAPSHOT_EXISTS`
   * @throws ContainerdError `failed_precondition`, `SNAPSHOT_NOT_ACTIVE`
   */
  commit(namespace: string, options: { readonly name: string; readonly key: string; readonly labels: Labels; readonly leaseId: string | undefined }): void {
    validateLabels(options.labels);
    this.#database.transaction(() => {
      const row = this.#row(namespace, options.key);
      if (kindOf(row) !== 'active') throw failedPrecondition('SNAPSHOT_NOT_ACTIVE', `snapshot ${options.key} is not active`);
      if (this.#find(namespace, options.name) !== undefined) throw alreadyExists('SNAPSHOT_EXISTS', `snapshot ${JSON.stringify(options.name)}`);
      this.#database.prepare(COMMIT).run({
        number: integerOf(row, 'number'),
        name: options.name,
        kind: BigInt(KINDS.indexOf('committed')),
        labels: JSON.stringify(withoutEmpty(options.labels)),
        now: nowNanos(),
      });
      this.#leases.forget(namespace, { type: this.resourceType, id: options.key });
      this.#leases.addCreated(namespace, options.leaseId, { type: this.resourceType, id: options.name });
    });
  }

  /**
   * Removes a snapshot without children.
   *
   * @throws ContainerdError `failed_precondition`, `SNAPSHOT_HAS_CHILDREN`
   */
  async remove(namespace: string, key: string): Promise<void> {
    const number = this.#database.transaction(() => {
      const number = integerOf(this.#row(namespace, key), 'number');
      if (this.#database.prepare('SELECT 1 FROM snapshots WHERE parent = $number LIMIT 1').get({ number }) !== undefined) {
        throw failedPrecondition('SNAPSHOT_HAS_CHILDREN', 'cannot remove snapshot with child');
      }
      this.#database.prepare('DELETE FROM snapshots WHERE number = $number').run({ number });
      this.#leases.forget(namespace, { type: this.resourceType, id: key });
      return number;
    });
    await this.#backend.remove(number);
  }

  /** Removes the files of snapshots whose records are gone. */
  async removeFiles(numbers: readonly bigint[]): Promise<void> {
    await Promise.all(numbers.map((number) => this.#backend.remove(number)));
  }

  /** Sets labels: those the mask names (`labels`, `labels.…`), or all when it is empty. */
  update(namespace: string, input: { readonly name: string; readonly labels: Labels }, mask: readonly string[]): SnapshotInfo {
    return this.#database.transaction(() => {
      const row = this.#row(namespace, input.name);
      const labels = (mask.length === 0 ? ['labels'] : mask).reduce<Labels>((all, path) => applyPath(all, input, path), labelsOf(row));
      validateLabels(labels);
      this.#database
        .prepare('UPDATE snapshots SET labels = $labels, updated_at = $now WHERE number = $number')
        .run({ number: integerOf(row, 'number'), labels: JSON.stringify(labels), now: nowNanos() });
      return this.#toInfo(this.#row(namespace, input.name));
    });
  }

  /** What the snapshot takes on the disk. A committed one is measured once. */
  async usage(namespace: string, key: string): Promise<SnapshotUsage> {
    const row = this.#row(namespace, key);
    const known = { size: integerOf(row, 'size'), inodes: integerOf(row, 'inodes') };
    if (known.size >= 0n) return known;
    const place = this.#place(row);
    const usage = await this.#backend.usage(place);
    if (place.kind === 'committed') {
      this.#database.transaction(() => this.#database.prepare('UPDATE snapshots SET size = $size, inodes = $inodes WHERE number = $number').run({ number: place.number, ...usage }));
    }
    return usage;
  }

  /** Removes folders that no snapshot has, which a daemon that was killed may have left. Returns how many they were. */
  async sweep(): Promise<number> {
    // All of them are out of the way before this waits for the first.
    const known = new Set(this.#database.prepare('SELECT number FROM snapshots WHERE snapshotter = $snapshotter').all({ snapshotter: this.name }).map((row) => integerOf(row, 'number')));
    const orphans = this.#backend.list().filter((number) => !known.has(number));
    await this.removeFiles(orphans);
    return orphans.length;
  }

  /** The type under which leases hold these snapshots. */
  get resourceType(): string {
    return `snapshots/${this.name}`;
  }

  async #create(namespace: string, kind: 'view' | 'active', options: PrepareOptions): Promise<Mount[]> {
    if (options.key === '') throw invalidArgument('INVALID_SNAPSHOT_KEY', 'snapshot key must not be empty');
    validateLabels(options.labels);
    const place = this.#insert(namespace, kind, options);
    const made = this.#makeFiles(place);
    if (made instanceof Promise) await made;
    return this.#backend.mounts(place);
  }

  #makeFiles(place: SnapshotPlace): Promise<void> | void {
    const undo = (error: unknown): never => {
      this.#database.transaction(() => this.#database.prepare('DELETE FROM snapshots WHERE number = $number').run({ number: place.number }));
      throw error;
    };
    try {
      const made = this.#backend.create(place);
      return made instanceof Promise ? made.catch(undo) : made;
    } catch (error) {
      undo(error);
    }
  }

  #insert(namespace: string, kind: 'view' | 'active', options: PrepareOptions): SnapshotPlace {
    return this.#database.transaction(() => {
      const parent = options.parent === '' ? undefined : this.#parent(namespace, options.parent);
      this.#namespaces.ensure(namespace);
      const now = nowNanos();
      const inserted = this.#database.prepare(INSERT).run({
        namespace,
        snapshotter: this.name,
        key: options.key,
        kind: BigInt(KINDS.indexOf(kind)),
        parent: parent ?? null,
        labels: JSON.stringify(withoutEmpty(options.labels)),
        now,
      });
      if (inserted === 0) throw alreadyExists('SNAPSHOT_EXISTS', `snapshot ${JSON.stringify(options.key)}`);
      const number = this.#database.lastInsertId();
      this.#leases.addCreated(namespace, options.leaseId, { type: this.resourceType, id: options.key });
      return { number, kind, parents: this.#chain(parent) };
    });
  }

  #parent(namespace: string, key: string): bigint {
    const row = this.#find(namespace, key);
    if (row === undefined) throw notFound('SNAPSHOT_NOT_FOUND', `parent snapshot ${key} does not exist`);
    if (kindOf(row) !== 'committed') throw invalidArgument('PARENT_NOT_COMMITTED', `parent ${JSON.stringify(key)} is not committed snapshot`);
    return integerOf(row, 'number');
  }

  #place(row: Row): SnapshotPlace {
    return { number: integerOf(row, 'number'), kind: kindOf(row), parents: this.#chain(optionalIntegerOf(row, 'parent')) };
  }

  /** The numbers from a snapshot down to the first layer. */
  #chain(start: bigint | undefined): bigint[] {
    const chain: bigint[] = [];
    const statement = this.#database.prepare('SELECT parent FROM snapshots WHERE number = $number');
    for (let number = start; number !== undefined; ) {
      chain.push(number);
      const row = statement.get({ number });
      number = row === undefined ? undefined : optionalIntegerOf(row, 'parent');
    }
    return chain;
  }

  #find(namespace: string, key: string): Row | undefined {
    return this.#database.prepare(SELECT).get({ namespace, snapshotter: this.name, key });
  }

  #row(namespace: string, key: string): Row {
    const row = this.#find(namespace, key);
    if (row === undefined) throw notFound('SNAPSHOT_NOT_FOUND', `snapshot ${key} does not exist`);
    return row;
  }

  #toInfo(row: Row): SnapshotInfo {
    return {
      kind: kindOf(row),
      name: textOf(row, 'key'),
      parent: row['parent_key'] === null ? '' : textOf(row, 'parent_key'),
      labels: labelsOf(row),
      createdAt: integerOf(row, 'created_at'),
      updatedAt: integerOf(row, 'updated_at'),
    };
  }
}

const SELECT =
  'SELECT s.*, p.key AS parent_key FROM snapshots s LEFT JOIN snapshots p ON p.number = s.parent WHERE s.namespace = $namespace AND s.snapshotter = $snapshotter AND s.key = $key';

const INSERT = `INSERT INTO snapshots (namespace, snapshotter, key, kind, parent, labels, created_at, updated_at)
  VALUES ($namespace, $snapshotter, $key, $kind, $parent, $labels, $now, $now) ON CONFLICT DO NOTHING`;

const COMMIT = 'UPDATE snapshots SET key = $name, kind = $kind, labels = $labels, created_at = $now, updated_at = $now WHERE number = $number';

function kindOf(row: Row): SnapshotKind {
  return KINDS[Number(integerOf(row, 'kind'))] ?? 'committed';
}

function applyPath(current: Labels, input: { readonly name: string; readonly labels: Labels }, path: string): Labels {
  if (path === 'labels') return withoutEmpty(input.labels);
  if (!path.startsWith('labels.')) throw invalidArgument('INVALID_FIELD_MASK', `cannot update ${JSON.stringify(path)} field on snapshot ${JSON.stringify(input.name)}`);
  const key = path.slice('labels.'.length);
  return withLabel(current, key, input.labels[key] ?? '');
}
