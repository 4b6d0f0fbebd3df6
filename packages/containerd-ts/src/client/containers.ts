import { JSON_TYPE_URLS, isAnyOf, packJson, unpackJson, type ContainerdConnection } from '@dray/containerd-api';
import type { Container } from '@dray/containerd-api/services/containers';
import type { Any } from '@dray/containerd-api/types';
import { expectField, labelPaths, toDateOrEpoch, type CallOptions, type Labels, type ListOptions } from './values.ts';

/** The runtime that new containers get, and real containerd's default. */
export const DEFAULT_RUNTIME = 'io.containerd.runc.v2';

/** Which shim runs a container, and its options (see `packAny`). */
export interface ContainerRuntime {
  readonly name: string;
  readonly options?: Any;
}

/** A container: a record, not a process. */
export interface ContainerRecord {
  readonly id: string;
  readonly labels: Labels;
  readonly image: string;
  readonly runtime: ContainerRuntime;
  /** The OCI spec, parsed; undefined when there is none. Its shape is for the caller to check. */
  readonly spec: unknown;
  readonly snapshotter: string;
  readonly snapshotKey: string;
  readonly extensions: Readonly<Record<string, Any>>;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What a container is made of. */
export interface ContainerSpec {
  readonly id: string;
  /** An OCI spec as an object, or one packed already. */
  readonly spec: object;
  readonly labels?: Labels;
  readonly image?: string;
  /** `DEFAULT_RUNTIME` unless given. */
  readonly runtime?: ContainerRuntime;
  readonly snapshotter?: string;
  readonly snapshotKey?: string;
  readonly extensions?: Readonly<Record<string, Any>>;
}

/** containerd's containers. */
export class ContainersClient {
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection) {
    this.#connection = connection;
  }

  /** @throws ContainerdApiError not_found */
  async get(id: string, options: CallOptions = {}): Promise<ContainerRecord> {
    return toContainerRecord((await this.#connection.containers.get({ id }, options)).container);
  }

  /** All that pass the filters, one by one. */
  async *list(options: ListOptions = {}): AsyncGenerator<ContainerRecord> {
    const messages = this.#connection.containers.listStream({ filters: [...(options.filters ?? [])] }, options);
    for await (const { container } of messages) yield toContainerRecord(container);
  }

  /** @throws ContainerdApiError already_exists, invalid_argument */
  async create(container: ContainerSpec, options: CallOptions = {}): Promise<ContainerRecord> {
    const { id, labels = {}, image = '', runtime = { name: DEFAULT_RUNTIME }, snapshotter = '', snapshotKey = '', extensions = {} } = container;
    const request = { id, labels, image, runtime, snapshotter, snapshotKey, extensions, spec: packSpec(container.spec) };
    return toContainerRecord((await this.#connection.containers.create({ container: request }, options)).container);
  }

  /** Replaces the spec, for the next task. */
  async setSpec(id: string, spec: object, options: CallOptions = {}): Promise<ContainerRecord> {
    const request = { container: { id, spec: packSpec(spec) }, updateMask: ['spec'] };
    return toContainerRecord((await this.#connection.containers.update(request, options)).container);
  }

  /** Sets these labels and leaves the others; an empty value removes a label. */
  async setLabels(id: string, labels: Labels, options: CallOptions = {}): Promise<ContainerRecord> {
    const request = { container: { id, labels }, updateMask: labelPaths(labels) };
    return toContainerRecord((await this.#connection.containers.update(request, options)).container);
  }

  /** Removes the record; its task must be deleted before. @throws ContainerdApiError not_found, failed_precondition */
  async delete(id: string, options: CallOptions = {}): Promise<void> {
    await this.#connection.containers.delete({ id }, options);
  }
}

function packSpec(spec: object): Any {
  return isAny(spec) ? spec : packJson(JSON_TYPE_URLS.spec, spec);
}

function isAny(value: object): value is Any {
  return 'typeUrl' in value && 'value' in value && value.value instanceof Uint8Array;
}

function toContainerRecord(container: Container | undefined): ContainerRecord {
  const { id, labels, image, runtime, spec, snapshotter, snapshotKey, extensions, createdAt, updatedAt } = expectField(container, 'container');
  return {
    id,
    labels,
    image,
    runtime: { name: runtime?.name ?? '', ...(runtime?.options === undefined ? {} : { options: runtime.options }) },
    spec: spec !== undefined && isAnyOf({ $type: JSON_TYPE_URLS.spec }, spec) ? unpackJson(spec) : undefined,
    snapshotter,
    snapshotKey,
    extensions,
    createdAt: toDateOrEpoch(createdAt),
    updatedAt: toDateOrEpoch(updatedAt),
  };
}
