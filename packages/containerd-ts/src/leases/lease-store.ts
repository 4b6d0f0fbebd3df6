import { nowNanos } from '../clock.ts';
import { alreadyExists, invalidArgument, notFound, notImplemented } from '../errors.ts';
import { parseFilters, readMap, select } from '../filters/index.ts';
import { validateLabels, withoutEmpty, type Labels } from '../labels.ts';
import { integerOf, labelsOf, textOf, type Database, type Row } from '../metadata/index.ts';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';
import { quote } from '../quote.ts';

/** A hold on resources: what it names is not collected while it lives. */
export interface Lease {
  readonly id: string;
  readonly labels: Labels;
  readonly createdAt: bigint;
}

/** Something a lease can hold. */
export interface LeaseResource {
  /** `content`, `ingests`, `images` or `snapshots/<snapshotter>`. */
  readonly type: string;
  /** A digest, an ingest's ref, an image's name or a snapshot's key. */
  readonly id: string;
}

/** The leases of all namespaces and what they hold. */
export class LeaseStore {
  readonly #database: Database;
  readonly #namespaces: NamespaceStore;

  constructor(database: Database, namespaces: NamespaceStore) {
    this.#database = database;
    this.#namespaces = namespaces;
  }

  /**
   * @throws ContainerdError `already_exists`, `LEASE_EXISTS`
   * @throws ContainerdError `invalid_argument`
   */
  create(namespace: string, input: { readonly id: string; readonly labels: Labels }): Lease {
    if (input.id === '') throw invalidArgument('INVALID_LEASE', 'lease id must be provided');
    validateLabels(input.labels);
    const lease: Lease = { id: input.id, labels: withoutEmpty(input.labels), createdAt: nowNanos() };
    this.#database.transaction(() => {
      this.#namespaces.ensure(namespace);
      const inserted = this.#database.prepare(INSERT).run({ namespace, id: lease.id, labels: JSON.stringify(lease.labels), created_at: lease.createdAt });
      if (inserted === 0) throw alreadyExists('LEASE_EXISTS', `lease ${quote(lease.id)}`);
    });
    return lease;
  }

  /** @throws ContainerdError `not_found`, `LEASE_NOT_FOUND` */
  delete(namespace: string, id: string): void {
    this.#database.transaction(() => {
      if (this.#database.prepare('DELETE FROM leases WHERE namespace = $namespace AND id = $id').run({ namespace, id }) === 0) throw missing(id);
    });
  }

  /** The leases that pass the filters, by id. */
  list(namespace: string, filters: readonly string[]): Lease[] {
    const parsed = parseFilters(filters);
    const rows = this.#database.prepare('SELECT * FROM leases WHERE namespace = $namespace ORDER BY id').all({ namespace });
    return select(parsed, rows.map(toLease), readLeaseField);
  }

  /** @throws ContainerdError `not_found`, `LEASE_NOT_FOUND` */
  require(namespace: string, id: string): void {
    if (this.#database.prepare('SELECT 1 FROM leases WHERE namespace = $namespace AND id = $id').get({ namespace, id }) === undefined) throw missing(id);
  }

  /** Adds a resource that a client names. */
  addResource(namespace: string, lease: string, resource: LeaseResource): void {
    validateResource(resource);
    this.#database.transaction(() => {
      this.require(namespace, lease);
      this.#add(namespace, lease, resource);
    });
  }

  /** Drops a resource; one that the lease does not hold is no error. */
  deleteResource(namespace: string, lease: string, resource: LeaseResource): void {
    validateResource(resource);
    this.#database.transaction(() => {
      this.require(namespace, lease);
      this.#remove(namespace, lease, resource);
    });
  }

  /** What a lease holds, by type and id. */
  listResources(namespace: string, lease: string): LeaseResource[] {
    this.require(namespace, lease);
    const rows = this.#database.prepare('SELECT type, id FROM lease_resources WHERE namespace = $namespace AND lease = $lease ORDER BY type, id').all({ namespace, lease });
    return rows.map((row) => ({ type: textOf(row, 'type'), id: textOf(row, 'id') }));
  }

  /**
   * Adds what a call has just created to the lease of that call; part of the caller's transaction. Without a lease nothing happens.
   *
   * @throws ContainerdError `not_found`, `LEASE_NOT_FOUND`
   */
  addCreated(namespace: string, lease: string | undefined, resource: LeaseResource): void {
    if (lease === undefined) return;
    this.require(namespace, lease);
    this.#add(namespace, lease, resource);
  }

  /** Takes a resource from every lease of the namespace, because it is gone; part of the caller's transaction. */
  forget(namespace: string, resource: LeaseResource): void {
    this.#database.prepare('DELETE FROM lease_resources WHERE namespace = $namespace AND type = $type AND id = $id').run({ namespace, type: resource.type, id: resource.id });
  }

  #add(namespace: string, lease: string, resource: LeaseResource): void {
    this.#database
      .prepare('INSERT INTO lease_resources (namespace, lease, type, id) VALUES ($namespace, $lease, $type, $id) ON CONFLICT DO NOTHING')
      .run({ namespace, lease, type: resource.type, id: resource.id });
  }

  #remove(namespace: string, lease: string, resource: LeaseResource): void {
    this.#database
      .prepare('DELETE FROM lease_resources WHERE namespace = $namespace AND lease = $lease AND type = $type AND id = $id')
      .run({ namespace, lease, type: resource.type, id: resource.id });
  }
}

const INSERT = 'INSERT INTO leases (namespace, id, labels, created_at) VALUES ($namespace, $id, $labels, $created_at) ON CONFLICT DO NOTHING';

const PLAIN_TYPES: ReadonlySet<string> = new Set(['content', 'ingests', 'images']);

function validateResource(resource: LeaseResource): void {
  const [kind, snapshotter, ...rest] = resource.type.split('/');
  const isSnapshot = kind === 'snapshots' && snapshotter !== undefined && snapshotter !== '' && rest.length === 0;
  if (kind === 'snapshots' && !isSnapshot) throw invalidArgument('INVALID_LEASE_RESOURCE', `invalid resource type ${resource.type}`);
  if (!isSnapshot && !PLAIN_TYPES.has(resource.type)) throw notImplemented('INVALID_LEASE_RESOURCE', `resource type ${resource.type} is not supported yet`);
  if (resource.id === '') throw invalidArgument('INVALID_LEASE_RESOURCE', 'resource ID must be specified');
}

function missing(id: string): Error {
  return notFound('LEASE_NOT_FOUND', `lease ${quote(id)}`);
}

function readLeaseField(lease: Lease, path: readonly string[]): string | undefined {
  if (path[0] === 'id') return lease.id;
  return path[0] === 'labels' ? readMap(lease.labels, path.slice(1)) : undefined;
}

function toLease(row: Row): Lease {
  return { id: textOf(row, 'id'), labels: labelsOf(row), createdAt: integerOf(row, 'created_at') };
}
