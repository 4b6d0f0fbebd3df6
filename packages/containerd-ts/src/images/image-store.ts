import { nowNanos } from '../clock.ts';
import { parseDigest } from '../content/digest.ts';
import { alreadyExists, invalidArgument, notFound } from '../errors.ts';
import { parseFilters, readMap, select } from '../filters/index.ts';
import { validateLabels, withLabel, withoutEmpty, type Labels } from '../labels.ts';
import type { LeaseStore } from '../leases/lease-store.ts';
import { integerOf, labelsOf, textOf, type Database, type Row } from '../metadata/index.ts';
import type { NamespaceStore } from '../namespaces/namespace-store.ts';
import { quote } from '../quote.ts';

/** What an image's name points to: a manifest or an index. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: bigint;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A name for a descriptor. */
export interface ImageRecord {
  readonly name: string;
  readonly labels: Labels;
  readonly target: Descriptor;
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
}

/** What a client sends; an update keeps the time of creation. */
export type ImageInput = Omit<ImageRecord, 'createdAt' | 'updatedAt'>;

/** The images of all namespaces. */
export class ImageStore {
  readonly #database: Database;
  readonly #namespaces: NamespaceStore;
  readonly #leases: LeaseStore;

  constructor(database: Database, namespaces: NamespaceStore, leases: LeaseStore) {
    this.#database = database;
    this.#namespaces = namespaces;
    this.#leases = leases;
  }

  /** @throws ContainerdError `not_found`, `IMAGE_NOT_FOUND` */
  get(namespace: string, name: string): ImageRecord {
    const row = this.#database.prepare('SELECT * FROM images WHERE namespace = $namespace AND name = $name').get({ namespace, name });
    if (row === undefined) throw missing(name);
    return toRecord(row);
  }

  /** The images that pass the filters, by name. */
  list(namespace: string, filters: readonly string[]): ImageRecord[] {
    const parsed = parseFilters(filters);
    const rows = this.#database.prepare('SELECT * FROM images WHERE namespace = $namespace ORDER BY name').all({ namespace });
    return select(parsed, rows.map(toRecord), readImageField);
  }

  /**
   * @throws ContainerdError `already_exists`, `IMAGE_EXISTS`
   * @throws ContainerdError `invalid_argument`
   */
  create(namespace: string, input: ImageInput, options: { readonly leaseId: string | undefined }): ImageRecord {
    validate(input);
    const createdAt = nowNanos();
    const record: ImageRecord = { ...input, labels: withoutEmpty(input.labels), createdAt, updatedAt: createdAt };
    this.#database.transaction(() => {
      this.#namespaces.ensure(namespace);
      if (this.#database.prepare(INSERT).run({ namespace, ...toRow(record) }) === 0) throw alreadyExists('IMAGE_EXISTS', `image ${quote(input.name)}`);
      this.#leases.addCreated(namespace, options.leaseId, { type: 'images', id: input.name });
    });
    return record;
  }

  /** Replaces the fields that the mask names (`labels`, `labels.…`, `target`, `annotations`, `annotations.…`), or all when it is empty. */
  update(namespace: string, input: ImageInput, mask: readonly string[]): ImageRecord {
    if (input.name === '') throw invalidArgument('INVALID_IMAGE', 'image name is required for update');
    return this.#database.transaction(() => {
      const current = this.get(namespace, input.name);
      const changed = (mask.length === 0 ? ['labels', 'target'] : mask).reduce((record, path) => applyPath(record, input, path), current);
      validate(changed);
      const record: ImageRecord = { ...changed, updatedAt: nowNanos() };
      this.#database.prepare(UPDATE).run({ namespace, ...toRow(record) });
      return record;
    });
  }

  /**
   * Removes a name. With a target it is removed only while it points there.
   *
   * @throws ContainerdError `not_found`, `IMAGE_NOT_FOUND`
   */
  delete(namespace: string, name: string, options: { readonly targetDigest?: string | undefined } = {}): void {
    this.#database.transaction(() => {
      if (options.targetDigest !== undefined && this.get(namespace, name).target.digest !== options.targetDigest) {
        throw notFound('IMAGE_NOT_FOUND', `image ${quote(name)} has a different target`);
      }
      if (this.#database.prepare('DELETE FROM images WHERE namespace = $namespace AND name = $name').run({ namespace, name }) === 0) throw missing(name);
    });
  }
}

const INSERT = `INSERT INTO images (namespace, name, labels, media_type, digest, size, annotations, created_at, updated_at)
  VALUES ($namespace, $name, $labels, $media_type, $digest, $size, $annotations, $created_at, $updated_at) ON CONFLICT DO NOTHING`;

const UPDATE = `UPDATE images SET labels = $labels, media_type = $media_type, digest = $digest, size = $size, annotations = $annotations,
  created_at = $created_at, updated_at = $updated_at WHERE namespace = $namespace AND name = $name`;

function missing(name: string): Error {
  return notFound('IMAGE_NOT_FOUND', `image ${quote(name)}`);
}

function validate(image: ImageInput): void {
  if (image.name === '') throw invalidArgument('INVALID_IMAGE', 'image name must not be empty');
  validateLabels(image.labels);
  if (image.target.digest === '') throw invalidArgument('INVALID_IMAGE', 'image.Target.Digest must not be empty');
  parseDigest(image.target.digest);
  if (image.target.size === 0n) throw invalidArgument('INVALID_IMAGE', 'Image.Target.Size must not be zero');
  if (image.target.mediaType === '') throw invalidArgument('INVALID_IMAGE', 'Image.Target.MediaType must be set');
}

function applyPath(record: ImageRecord, input: ImageInput, path: string): ImageRecord {
  if (path.startsWith('labels.')) {
    const key = path.slice('labels.'.length);
    return { ...record, labels: withLabel(record.labels, key, input.labels[key] ?? '') };
  }
  if (path.startsWith('annotations.')) {
    const key = path.slice('annotations.'.length);
    return { ...record, target: { ...record.target, annotations: withLabel(record.target.annotations, key, input.target.annotations[key] ?? '') } };
  }
  switch (path) {
    case 'labels':
      return { ...record, labels: withoutEmpty(input.labels) };
    case 'target':
      return { ...record, target: input.target };
    case 'annotations':
      return { ...record, target: { ...record.target, annotations: input.target.annotations } };
    default:
      throw invalidArgument('INVALID_FIELD_MASK', `cannot update ${quote(path)} field on image ${quote(record.name)}`);
  }
}

function readImageField(image: ImageRecord, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'name':
      return image.name;
    case 'target':
      return path[1] === 'digest' ? image.target.digest : path[1] === 'mediatype' ? image.target.mediaType : undefined;
    case 'labels':
      return readMap(image.labels, path.slice(1));
    case 'annotations':
      return readMap(image.target.annotations, path.slice(1));
    default:
      return undefined;
  }
}

function toRow(record: ImageRecord): Row {
  return {
    name: record.name,
    labels: JSON.stringify(record.labels),
    media_type: record.target.mediaType,
    digest: record.target.digest,
    size: record.target.size,
    annotations: JSON.stringify(record.target.annotations),
    created_at: record.createdAt,
    updated_at: record.updatedAt,
  };
}

function toRecord(row: Row): ImageRecord {
  return {
    name: textOf(row, 'name'),
    labels: labelsOf(row),
    target: { mediaType: textOf(row, 'media_type'), digest: textOf(row, 'digest'), size: integerOf(row, 'size'), annotations: labelsOf(row, 'annotations') },
    createdAt: integerOf(row, 'created_at'),
    updatedAt: integerOf(row, 'updated_at'),
  };
}
