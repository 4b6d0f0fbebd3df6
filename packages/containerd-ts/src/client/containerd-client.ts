import { connectContainerd, type ContainerdConnection } from '@dray/containerd-api';
import { ContainersClient } from './containers.ts';
import { ContentClient } from './content.ts';
import { DiffClient } from './diff.ts';
import { EventsClient } from './events.ts';
import { ImagesClient } from './images.ts';
import { LeasesClient, type LeaseOptions } from './leases.ts';
import { NamespacesClient } from './namespaces.ts';
import { SnapshotsClient } from './snapshots.ts';
import { TasksClient } from './tasks.ts';
import { CLEAN_UP_MS_MAX } from './task-process.ts';
import type { CallOptions } from './values.ts';

/** Where containerd listens unless it was told otherwise. */
export const DEFAULT_ADDRESS = '/run/containerd/containerd.sock';
/** The namespace that ctr and nerdctl use too. */
export const DEFAULT_NAMESPACE = 'default';

/** How long a lease of `withLease()` lasts should this program die. */
const LEASE_MS = 24 * 60 * 60 * 1000;

/**
 * containerd for any Node program: images, containers, tasks, content, snapshots, leases and events of one namespace. It speaks to
 * dray-containerd and to containerd alike. Errors are `ContainerdApiError`s (see `isContainerdApiError`) or the signal's reason.
 * @example
 * await using client = await ContainerdClient.connect();
 * for await (const { id, image } of client.containers.list()) console.log(id, image);
 */
export class ContainerdClient implements AsyncDisposable {
  readonly namespace: string;
  /** The services as they are, for what this client has no words for. */
  readonly connection: ContainerdConnection;
  readonly containers: ContainersClient;
  readonly content: ContentClient;
  readonly diff: DiffClient;
  readonly events: EventsClient;
  readonly images: ImagesClient;
  readonly leases: LeasesClient;
  readonly namespaces: NamespacesClient;
  readonly tasks: TasksClient;

  /** A client over a connection made elsewhere, which it then owns; its scope must name the same namespace. */
  constructor(connection: ContainerdConnection, namespace: string) {
    this.connection = connection;
    this.namespace = namespace;
    this.containers = new ContainersClient(connection);
    this.content = new ContentClient(connection);
    this.diff = new DiffClient(connection);
    this.events = new EventsClient(connection, namespace);
    this.images = new ImagesClient(connection);
    this.leases = new LeasesClient(connection);
    this.namespaces = new NamespacesClient(connection);
    this.tasks = new TasksClient(connection);
  }

  /** Connects to the daemon and waits for it. @throws the signal's reason, when the daemon is not there in time */
  static async connect(address: string = DEFAULT_ADDRESS, options: CallOptions & { readonly namespace?: string } = {}): Promise<ContainerdClient> {
    const { namespace = DEFAULT_NAMESPACE, ...call } = options;
    const connection = await connectContainerd(address, { namespace });
    try {
      await connection.waitUntilReady(call);
    } catch (error) {
      await connection.close();
      throw error;
    }
    return new ContainerdClient(connection, namespace);
  }

  /** One snapshotter; without a name, the daemon's default. */
  snapshots(snapshotter = ''): SnapshotsClient {
    return new SnapshotsClient(this.connection, snapshotter);
  }

  /** The same connection in another namespace. Closing either closes both. */
  inNamespace(namespace: string): ContainerdClient {
    return new ContainerdClient(this.connection.withScope({ namespace }), namespace);
  }

  /** Runs `work` with a client whose creations are safe from garbage collection until it is done; then the lease is deleted. */
  async withLease<Result>(work: (client: ContainerdClient) => Promise<Result>, options: LeaseOptions = {}): Promise<Result> {
    const lease = await this.leases.create({ expiresAt: new Date(Date.now() + LEASE_MS), ...options });
    try {
      return await work(new ContainerdClient(this.connection.withScope({ lease: lease.id }), this.namespace));
    } finally {
      await this.leases.delete(lease.id, { signal: AbortSignal.timeout(CLEAN_UP_MS_MAX) });
    }
  }

  async version(options: CallOptions = {}): Promise<{ readonly version: string; readonly revision: string }> {
    return this.connection.version.version({}, options);
  }

  /** Cancels what is under way and closes the channel. */
  async close(): Promise<void> {
    await this.connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
