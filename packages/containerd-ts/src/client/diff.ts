import type { ContainerdConnection } from '@dray/containerd-api';
import { fromContentDescriptor, fromSnapshotMount, toContentDescriptor, type CallOptions, type ContentDescriptor, type Labels, type SnapshotMount } from './values.ts';

/** Layers to file systems and back, done by the daemon. */
export class DiffClient {
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection) {
    this.#connection = connection;
  }

  /** Unpacks a layer onto the mounts and resolves with what it is uncompressed. */
  async apply(layer: ContentDescriptor, mounts: readonly SnapshotMount[], options: CallOptions = {}): Promise<ContentDescriptor> {
    const request = { diff: fromContentDescriptor(layer), mounts: mounts.map(fromSnapshotMount) };
    return toContentDescriptor((await this.#connection.diff.apply(request, options)).applied);
  }

  /** Stores as a layer what `upper` has over `lower`. */
  async create(
    lower: readonly SnapshotMount[],
    upper: readonly SnapshotMount[],
    options: CallOptions & { readonly mediaType?: string; readonly ref?: string; readonly labels?: Labels } = {},
  ): Promise<ContentDescriptor> {
    const { mediaType = '', ref = '', labels = {} } = options;
    const request = { left: lower.map(fromSnapshotMount), right: upper.map(fromSnapshotMount), mediaType, ref, labels };
    return toContentDescriptor((await this.#connection.diff.diff(request, options)).diff);
  }
}
