import { alreadyExists, failedPrecondition, notFound } from '../errors.ts';
import { validateIdentifier } from '../identifiers.ts';
import { validateLabels, withLabel, withoutEmpty, type Labels } from '../labels.ts';
import { labelsOf, textOf, type Database, type Row } from '../metadata/index.ts';
import { quote } from '../quote.ts';

/** A namespace: a room of names that do not clash with those of another. */
export interface Namespace {
  readonly name: string;
  readonly labels: Labels;
}

/** Which of a namespace's labels an update sets. */
export interface NamespaceUpdate {
  readonly labels: Labels;
  /** Keys of the labels to set; undefined replaces all of them. */
  readonly labelKeys: readonly string[] | undefined;
}

/** Namespaces with their labels. A namespace also comes into being with its first object. */
export class NamespaceStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Makes sure that the namespace exists; part of the caller's transaction. */
  ensure(name: string): void {
    if (this.#database.prepare('SELECT 1 FROM namespaces WHERE name = $name').get({ name }) !== undefined) return;
    validateIdentifier(name);
    this.#database.prepare('INSERT INTO namespaces (name) VALUES ($name)').run({ name });
  }

  /** The labels of a namespace; an unknown one has none, which is no error. */
  labels(name: string): Labels {
    const row = this.#database.prepare('SELECT * FROM namespaces WHERE name = $name').get({ name });
    return row === undefined ? {} : labelsOf(row);
  }

  /** All namespaces by name. */
  list(): Namespace[] {
    return this.#database.prepare('SELECT * FROM namespaces ORDER BY name').all().map(toNamespace);
  }

  /**
   * @throws ContainerdError `already_exists`, `NAMESPACE_EXISTS`
   * @throws ContainerdError `invalid_argument`
   */
  create(namespace: Namespace): void {
    validateIdentifier(namespace.name);
    validateLabels(namespace.labels);
    this.#database.transaction(() => {
      const insert = this.#database.prepare('INSERT INTO namespaces (name, labels) VALUES ($name, $labels) ON CONFLICT DO NOTHING');
      const inserted = insert.run({ name: namespace.name, labels: JSON.stringify(withoutEmpty(namespace.labels)) });
      if (inserted === 0) throw alreadyExists('NAMESPACE_EXISTS', `namespace ${quote(namespace.name)}`);
    });
  }

  /** Sets labels and returns all that the namespace has then. */
  update(name: string, update: NamespaceUpdate): Namespace {
    validateLabels(update.labels);
    return this.#database.transaction(() => {
      this.ensure(name);
      const labels =
        update.labelKeys === undefined
          ? withoutEmpty(update.labels)
          : update.labelKeys.reduce<Labels>((all, key) => withLabel(all, key, update.labels[key] ?? ''), this.labels(name));
      this.#database.prepare('UPDATE namespaces SET labels = $labels WHERE name = $name').run({ name, labels: JSON.stringify(labels) });
      return { name, labels };
    });
  }

  /**
   * Removes an empty namespace.
   *
   * @throws ContainerdError `not_found`, `NAMESPACE_NOT_FOUND`
   * @throws ContainerdError `failed_precondition`, `NAMESPACE_NOT_EMPTY`
   */
  delete(name: string): void {
    this.#database.transaction(() => {
      const remaining = this.#contents(name);
      if (remaining.length > 0) {
        throw failedPrecondition('NAMESPACE_NOT_EMPTY', `namespace ${quote(name)} must be empty, but it still has ${remaining.join(', ')}`);
      }
      this.#database.prepare('DELETE FROM leases WHERE namespace = $name').run({ name });
      this.#database.prepare('DELETE FROM ingests WHERE namespace = $name').run({ name });
      if (this.#database.prepare('DELETE FROM namespaces WHERE name = $name').run({ name }) === 0) {
        throw notFound('NAMESPACE_NOT_FOUND', `namespace ${quote(name)}`);
      }
    });
  }

  /** What keeps a namespace from being deleted, in containerd's words. */
  #contents(name: string): string[] {
    const has = (sql: string): boolean => this.#database.prepare(sql).get({ name }) !== undefined;
    const remaining: string[] = [];
    if (has('SELECT 1 FROM images WHERE namespace = $name LIMIT 1')) remaining.push('images');
    if (has('SELECT 1 FROM blobs WHERE namespace = $name LIMIT 1')) remaining.push('blobs');
    if (has('SELECT 1 FROM containers WHERE namespace = $name LIMIT 1')) remaining.push('containers');
    const snapshotters = this.#database.prepare('SELECT DISTINCT snapshotter FROM snapshots WHERE namespace = $name ORDER BY snapshotter').all({ name });
    for (const row of snapshotters) remaining.push(`snapshots on ${quote(textOf(row, 'snapshotter'))} snapshotter`);
    return remaining;
  }
}

function toNamespace(row: Row): Namespace {
  return { name: textOf(row, 'name'), labels: labelsOf(row) };
}
