import type { ContainerdConnection } from '@dray/containerd-api';
import { Kind, type Info } from '@dray/containerd-api/services/snapshots';
import { expectField, labelPaths, toDateOrEpoch, toSafeNumber, toSnapshotMount, type CallOptions, type Labels, type ListOptions, type SnapshotMount } from './values.ts';

/** A view is read-only, an active one is being written, a committed one is a layer for others. */
export type SnapshotKind = 'view' | 'active' | 'committed' | 'unknown';

/** A snapshot: by its key while active, by its name once committed. */
export interface SnapshotRecord {
  readonly name: string;
  /** Empty at the bottom. */
  readonly parent: string;
  readonly kind: SnapshotKind;
  readonly labels: Labels;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What a snapshot takes on disk, without its parents. */
export interface SnapshotUsage {
  readonly bytes: number;
  readonly inodes: number;
}

/** What a new snapshot is made from. */
export interface SnapshotOptions extends CallOptions {
  readonly parent?: string;
  readonly labels?: Labels;
}

const KINDS: Readonly<Record<Kind, SnapshotKind>> = {
  [Kind.UNKNOWN]: 'unknown',
  [Kind.VIEW]: 'view',
  [Kind.ACTIVE]: 'active',
  [Kind.COMMITTED]: 'committed',
};

/** One snapshotter. */
export class SnapshotsClient {
  readonly snapshotter: string;
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection, snapshotter: string) {
    this.#connection = connection;
    this.snapshotter = snapshotter;
  }

  /** Makes an active snapshot and says how to mount it. @throws ContainerdApiError already_exists, not_found (the parent) */
  async prepare(key: string, options: SnapshotOptions = {}): Promise<SnapshotMount[]> {
    const { mounts } = await this.#connection.snapshots.prepare(this.#request(key, options), options);
    return mounts.map(toSnapshotMount);
  }

  /** Makes a read-only snapshot and says how to mount it. @throws ContainerdApiError already_exists, not_found (the parent) */
  async view(key: string, options: SnapshotOptions = {}): Promise<SnapshotMount[]> {
    const { mounts } = await this.#connection.snapshots.view(this.#request(key, options), options);
    return mounts.map(toSnapshotMount);
  }

  /** How to mount an active snapshot or a view. @throws ContainerdApiError not_found */
  async mounts(key: string, options: CallOptions = {}): Promise<SnapshotMount[]> {
    const { mounts } = await this.#connection.snapshots.mounts({ snapshotter: this.snapshotter, key }, options);
    return mounts.map(toSnapshotMount);
  }

  /** Turns the active snapshot `key` into the layer `name`. @throws ContainerdApiError already_exists, not_found */
  async commit(name: string, key: string, options: CallOptions & { readonly labels?: Labels } = {}): Promise<void> {
    await this.#connection.snapshots.commit({ snapshotter: this.snapshotter, name, key, labels: { ...options.labels } }, options);
  }

  /** @throws ContainerdApiError not_found, failed_precondition while another is built on it */
  async remove(key: string, options: CallOptions = {}): Promise<void> {
    await this.#connection.snapshots.remove({ snapshotter: this.snapshotter, key }, options);
  }

  /** @throws ContainerdApiError not_found */
  async stat(key: string, options: CallOptions = {}): Promise<SnapshotRecord> {
    return toSnapshotRecord(expectField((await this.#connection.snapshots.stat({ snapshotter: this.snapshotter, key }, options)).info, 'snapshot'));
  }

  /** All that pass the filters, one by one. */
  async *list(options: ListOptions = {}): AsyncGenerator<SnapshotRecord> {
    const messages = this.#connection.snapshots.list({ snapshotter: this.snapshotter, filters: [...(options.filters ?? [])] }, options);
    for await (const { info } of messages) yield* info.map(toSnapshotRecord);
  }

  async usage(key: string, options: CallOptions = {}): Promise<SnapshotUsage> {
    const { size, inodes } = await this.#connection.snapshots.usage({ snapshotter: this.snapshotter, key }, options);
    return { bytes: toSafeNumber(size), inodes: toSafeNumber(inodes) };
  }

  /** Sets these labels and leaves the others; an empty value removes a label. */
  async setLabels(name: string, labels: Labels, options: CallOptions = {}): Promise<SnapshotRecord> {
    const request = { snapshotter: this.snapshotter, info: { name, labels }, updateMask: labelPaths(labels) };
    return toSnapshotRecord(expectField((await this.#connection.snapshots.update(request, options)).info, 'snapshot'));
  }

  #request(key: string, options: SnapshotOptions): { snapshotter: string; key: string; parent: string; labels: Record<string, string> } {
    return { snapshotter: this.snapshotter, key, parent: options.parent ?? '', labels: { ...options.labels } };
  }
}

function toSnapshotRecord({ name, parent, kind, labels, createdAt, updatedAt }: Info): SnapshotRecord {
  // A newer daemon may know more kinds than this.
  const known = (KINDS as Readonly<Record<number, SnapshotKind | undefined>>)[kind] ?? 'unknown';
  return { name, parent, kind: known, labels, createdAt: toDateOrEpoch(createdAt), updatedAt: toDateOrEpoch(updatedAt) };
}
