import { formatTimestamp, timestampFromDate, type ContainerdConnection } from '@dray/containerd-api';
import { expectField, toDateOrEpoch, type CallOptions, type Labels, type ListOptions } from './values.ts';

/** The label that says when a lease ends by itself. */
const EXPIRE_LABEL = 'containerd.io/gc.expire';

/** A lease: what it holds is not collected. */
export interface LeaseRecord {
  readonly id: string;
  readonly labels: Labels;
  readonly createdAt: Date;
}

/** Something a lease holds: `content`, `ingests`, `images` or `snapshots/<snapshotter>`, by its id there. */
export interface LeaseResource {
  readonly type: string;
  readonly id: string;
}

/** What a lease is made of. */
export interface LeaseOptions extends CallOptions {
  /** containerd makes one up unless given. */
  readonly id?: string;
  readonly labels?: Labels;
  /** When it ends by itself, should nobody delete it. */
  readonly expiresAt?: Date;
}

/** containerd's leases. */
export class LeasesClient {
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection) {
    this.#connection = connection;
  }

  /** @throws ContainerdApiError already_exists */
  async create(options: LeaseOptions = {}): Promise<LeaseRecord> {
    const { id = randomLeaseId(), labels = {}, expiresAt } = options;
    const expiry = expiresAt === undefined ? {} : { [EXPIRE_LABEL]: formatTimestamp(timestampFromDate(expiresAt)) };
    const { lease } = await this.#connection.leases.create({ id, labels: { ...labels, ...expiry } }, options);
    return toLeaseRecord(expectField(lease, 'lease'));
  }

  async list(options: ListOptions = {}): Promise<LeaseRecord[]> {
    const { leases } = await this.#connection.leases.list({ filters: [...(options.filters ?? [])] }, options);
    return leases.map(toLeaseRecord);
  }

  /** Lets go of what it holds. With `isSync`, answers only when that has been collected. @throws ContainerdApiError not_found */
  async delete(id: string, options: CallOptions & { readonly isSync?: boolean } = {}): Promise<void> {
    await this.#connection.leases.delete({ id, sync: options.isSync ?? false }, options);
  }

  async addResource(id: string, resource: LeaseResource, options: CallOptions = {}): Promise<void> {
    await this.#connection.leases.addResource({ id, resource }, options);
  }

  async deleteResource(id: string, resource: LeaseResource, options: CallOptions = {}): Promise<void> {
    await this.#connection.leases.deleteResource({ id, resource }, options);
  }

  async resources(id: string, options: CallOptions = {}): Promise<LeaseResource[]> {
    return (await this.#connection.leases.listResources({ id }, options)).resources;
  }
}

function randomLeaseId(): string {
  return `${Date.now()}-${crypto.randomUUID().slice(0, 8)}`;
}

function toLeaseRecord(lease: { readonly id: string; readonly labels: Labels; readonly createdAt: Parameters<typeof toDateOrEpoch>[0] }): LeaseRecord {
  return { id: lease.id, labels: lease.labels, createdAt: toDateOrEpoch(lease.createdAt) };
}
