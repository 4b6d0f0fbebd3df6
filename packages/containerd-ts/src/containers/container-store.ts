import type { Any } from '../any.ts';
import { nowNanos } from '../clock.ts';
import { alreadyExists, invalidArgument, notFound } from '../errors.ts';
import { parseFilters, select } from '../filters/index.ts';
import { validateIdentifier } from '../identifiers.ts';
import { validateLabels, withoutEmpty } from '../labels.ts';
import { bytesOf, integerOf, labelsOf, optionalTextOf, textOf, type Database, type Row } from '../metadata/index.ts';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';
import { quote } from '../quote.ts';
import { applyContainerMask } from './container-mask.ts';
import { readContainerField, type ContainerRecord } from './container-record.ts';

/** What a client sends to create or update a container; the times are the store's. */
export type ContainerInput = Omit<ContainerRecord, 'createdAt' | 'updatedAt'>;

/** The containers of all namespaces. */
export class ContainerStore {
  readonly #database: Database;
  readonly #namespaces: NamespaceStore;

  constructor(database: Database, namespaces: NamespaceStore) {
    this.#database = database;
    this.#namespaces = namespaces;
  }

  /** @throws ContainerdError `not_found`, `CONTAINER_NOT_FOUND` */
  get(namespace: string, id: string): ContainerRecord {
    const record = this.find(namespace, id);
    if (record === undefined) throw missing(namespace, id);
    return record;
  }

  /** A container, or undefined. */
  find(namespace: string, id: string): ContainerRecord | undefined {
    const row = this.#database.prepare('SELECT * FROM containers WHERE namespace = $namespace AND id = $id').get({ namespace, id });
    return row === undefined ? undefined : toRecord(row);
  }

  /** The containers that pass the filters, by id. */
  list(namespace: string, filters: readonly string[]): ContainerRecord[] {
    const parsed = parseFilters(filters);
    const rows = this.#database.prepare('SELECT * FROM containers WHERE namespace = $namespace ORDER BY id').all({ namespace });
    return select(parsed, rows.map(toRecord), readContainerField);
  }

  /**
   * @throws ContainerdError `already_exists`, `CONTAINER_EXISTS`
   * @throws ContainerdError `invalid_argument`
   */
  create(namespace: string, input: ContainerInput): ContainerRecord {
    validateIdentifier(input.id);
    validate(input);
    const createdAt = nowNanos();
    const record: ContainerRecord = { ...input, labels: withoutEmpty(input.labels), createdAt, updatedAt: createdAt };
    this.#database.transaction(() => {
      this.#namespaces.ensure(namespace);
      if (this.#database.prepare(INSERT).run({ namespace, ...toRow(record) }) === 0) {
        throw alreadyExists('CONTAINER_EXISTS', `container ${quote(input.id)}`);
      }
    });
    return record;
  }

  /** Replaces the fields that the mask names, or all that may change when it is empty. */
  update(namespace: string, input: ContainerInput, mask: readonly string[]): ContainerRecord {
    if (input.id === '') throw invalidArgument('INVALID_CONTAINER', 'must specify a container id');
    return this.#database.transaction(() => {
      const changed = applyContainerMask(this.get(namespace, input.id), input, mask);
      validate(changed);
      const record: ContainerRecord = { ...changed, updatedAt: nowNanos() };
      const { created_at: _, ...values } = toRow(record);
      this.#database.prepare(UPDATE).run({ namespace, ...values });
      return record;
    });
  }

  /** @throws ContainerdError `not_found`, `CONTAINER_NOT_FOUND` */
  delete(namespace: string, id: string): void {
    this.#database.transaction(() => {
      const deleted = this.#database.prepare('DELETE FROM containers WHERE namespace = $namespace AND id = $id').run({ namespace, id });
      if (deleted === 0) throw missing(namespace, id);
    });
  }
}

const INSERT = `INSERT INTO containers
  (namespace, id, labels, image, runtime_name, runtime_options_type, runtime_options, spec_type, spec, snapshotter, snapshot_key, extensions, sandbox, created_at, updated_at)
  VALUES ($namespace, $id, $labels, $image, $runtime_name, $runtime_options_type, $runtime_options, $spec_type, $spec, $snapshotter, $snapshot_key, $extensions, $sandbox, $created_at, $updated_at)
  ON CONFLICT DO NOTHING`;

const UPDATE = `UPDATE containers SET labels = $labels, image = $image, runtime_name = $runtime_name, runtime_options_type = $runtime_options_type,
  runtime_options = $runtime_options, spec_type = $spec_type, spec = $spec, snapshotter = $snapshotter, snapshot_key = $snapshot_key,
  extensions = $extensions, sandbox = $sandbox, updated_at = $updated_at WHERE namespace = $namespace AND id = $id`;

function missing(namespace: string, id: string): Error {
  return notFound('CONTAINER_NOT_FOUND', `container ${quote(id)} in namespace ${quote(namespace)}`);
}

function validate(container: ContainerInput): void {
  validateLabels(container.labels);
  for (const key of Object.keys(container.extensions)) {
    if (key === '') throw invalidArgument('INVALID_CONTAINER', 'extension keys must not be zero-length');
  }
  if (container.image.length > REFERENCE_LENGTH_MAX) throw invalidArgument('INVALID_CONTAINER', `container image ${quote(container.image.slice(0, 64))} is too long`);
  if (container.runtime.name === '') throw invalidArgument('INVALID_CONTAINER', 'container.Runtime.Name must be set');
  if (container.spec === undefined) throw invalidArgument('INVALID_CONTAINER', 'container.Spec must be set');
  if (container.snapshotKey !== '' && container.snapshotter === '') {
    throw invalidArgument('INVALID_CONTAINER', 'container.Snapshotter must be set if container.SnapshotKey is set');
  }
}

/** Characters of an image name that a record may hold. */
const REFERENCE_LENGTH_MAX = 4096;

function toRow(record: ContainerRecord): Row {
  return {
    id: record.id,
    labels: JSON.stringify(record.labels),
    image: record.image,
    runtime_name: record.runtime.name,
    runtime_options_type: record.runtime.options?.typeUrl ?? null,
    runtime_options: record.runtime.options?.value ?? null,
    spec_type: record.spec?.typeUrl ?? null,
    spec: record.spec?.value ?? null,
    snapshotter: record.snapshotter,
    snapshot_key: record.snapshotKey,
    extensions: encodeExtensions(record.extensions),
    sandbox: record.sandbox,
    created_at: record.createdAt,
    updated_at: record.updatedAt,
  };
}

function toRecord(row: Row): ContainerRecord {
  return {
    id: textOf(row, 'id'),
    labels: labelsOf(row),
    image: textOf(row, 'image'),
    runtime: { name: textOf(row, 'runtime_name'), options: anyOf(row, 'runtime_options_type', 'runtime_options') },
    spec: anyOf(row, 'spec_type', 'spec'),
    snapshotter: textOf(row, 'snapshotter'),
    snapshotKey: textOf(row, 'snapshot_key'),
    extensions: decodeExtensions(labelsOf(row, 'extensions')),
    sandbox: textOf(row, 'sandbox'),
    createdAt: integerOf(row, 'created_at'),
    updatedAt: integerOf(row, 'updated_at'),
  };
}

function anyOf(row: Row, typeColumn: string, valueColumn: string): Any | undefined {
  const typeUrl = optionalTextOf(row, typeColumn);
  return typeUrl === undefined ? undefined : { typeUrl, value: bytesOf(row, valueColumn) };
}

/** Extensions are kept as JSON: the name maps to the type, a blank and the bytes in base64. */
function encodeExtensions(extensions: ContainerRecord['extensions']): string {
  return JSON.stringify(Object.fromEntries(Object.entries(extensions).map(([name, any]) => [name, `${any.typeUrl} ${Buffer.from(any.value).toString('base64')}`])));
}

function decodeExtensions(stored: Readonly<Record<string, string>>): Record<string, Any> {
  return Object.fromEntries(
    Object.entries(stored).map(([name, text]) => {
      const blank = text.lastIndexOf(' ');
      return [name, { typeUrl: text.slice(0, blank), value: Buffer.from(text.slice(blank + 1), 'base64') }];
    }),
  );
}
