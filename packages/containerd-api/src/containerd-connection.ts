import { Client, credentials } from '@grpc/grpc-js';
import { HealthService } from './gen/grpc/health/v1/health.ts';
import { ContainersService } from './gen/services/containers/v1/containers.ts';
import { ContentService } from './gen/services/content/v1/content.ts';
import { DiffService } from './gen/services/diff/v1/diff.ts';
import { EventsService } from './gen/services/events/v1/events.ts';
import { ImagesService } from './gen/services/images/v1/images.ts';
import { IntrospectionService } from './gen/services/introspection/v1/introspection.ts';
import { LeasesService } from './gen/services/leases/v1/leases.ts';
import { MountsService } from './gen/services/mounts/v1/mounts.ts';
import { NamespacesService } from './gen/services/namespaces/v1/namespace.ts';
import { ControllerService, StoreService } from './gen/services/sandbox/v1/sandbox.ts';
import { SnapshotsService } from './gen/services/snapshots/v1/snapshots.ts';
import { StreamingService } from './gen/services/streaming/v1/streaming.ts';
import { TasksService } from './gen/services/tasks/v1/tasks.ts';
import { TransferService } from './gen/services/transfer/v1/transfer.ts';
import { VersionService } from './gen/services/version/v1/version.ts';
import { createGrpcClient, type GrpcServiceClient } from './grpc-client.ts';

/** Both sides of containerd take messages up to 16 MiB. */
export const MESSAGE_BYTES_MAX: number = 16 << 20;

/** A client per service, all over one channel. */
export interface ContainerdServices {
  readonly containers: GrpcServiceClient<typeof ContainersService>;
  readonly content: GrpcServiceClient<typeof ContentService>;
  readonly diff: GrpcServiceClient<typeof DiffService>;
  readonly events: GrpcServiceClient<typeof EventsService>;
  readonly health: GrpcServiceClient<typeof HealthService>;
  readonly images: GrpcServiceClient<typeof ImagesService>;
  readonly introspection: GrpcServiceClient<typeof IntrospectionService>;
  readonly leases: GrpcServiceClient<typeof LeasesService>;
  readonly mounts: GrpcServiceClient<typeof MountsService>;
  readonly namespaces: GrpcServiceClient<typeof NamespacesService>;
  readonly sandboxController: GrpcServiceClient<typeof ControllerService>;
  readonly sandboxStore: GrpcServiceClient<typeof StoreService>;
  readonly snapshots: GrpcServiceClient<typeof SnapshotsService>;
  readonly streaming: GrpcServiceClient<typeof StreamingService>;
  readonly tasks: GrpcServiceClient<typeof TasksService>;
  readonly transfer: GrpcServiceClient<typeof TransferService>;
  readonly version: GrpcServiceClient<typeof VersionService>;
}

/** What a view of a connection sends along with every call. */
export interface ContainerdScope {
  /** containerd's namespace, such as `moby`. Most calls need one. */
  readonly namespace?: string;
  /** The lease that protects what the calls create. */
  readonly lease?: string;
}

/** An open connection, or another view of one. Views share the channel; closing any of them closes it. */
export interface ContainerdConnection extends ContainerdServices, AsyncDisposable {
  readonly address: string;
  /** The same channel with another namespace or lease; what is left out stays as it is. */
  withScope(scope: ContainerdScope): ContainerdConnection;
  /** Waits until the channel is connected. @throws the signal's reason */
  waitUntilReady(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Cancels what is under way and closes the channel. */
  close(): Promise<void>;
}

/** Opens a channel; it connects with the first call and again whenever it has been lost. */
export function openContainerd(address: string, scope: ContainerdScope): ContainerdConnection {
  const target = `unix:${address.replace(/^unix:(\/\/)?/, '')}`;
  const client = new Client(target, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    'grpc.default_authority': 'localhost',
    // A daemon that restarts is back within moments: do not wait grpc's two minutes.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 3000,
    // One channel of its own, so that closing it closes the socket.
    'grpc.use_local_subchannel_pool': 1,
  });
  return viewOf(client, address, scope);
}

function viewOf(client: Client, address: string, scope: ContainerdScope): ContainerdConnection {
  const headers = headersOf(scope);
  const close = (): Promise<void> => {
    client.close();
    return Promise.resolve();
  };
  return {
    address,
    containers: createGrpcClient(ContainersService, client, headers),
    content: createGrpcClient(ContentService, client, headers),
    diff: createGrpcClient(DiffService, client, headers),
    events: createGrpcClient(EventsService, client, headers),
    health: createGrpcClient(HealthService, client, headers),
    images: createGrpcClient(ImagesService, client, headers),
    introspection: createGrpcClient(IntrospectionService, client, headers),
    leases: createGrpcClient(LeasesService, client, headers),
    mounts: createGrpcClient(MountsService, client, headers),
    namespaces: createGrpcClient(NamespacesService, client, headers),
    sandboxController: createGrpcClient(ControllerService, client, headers),
    sandboxStore: createGrpcClient(StoreService, client, headers),
    snapshots: createGrpcClient(SnapshotsService, client, headers),
    streaming: createGrpcClient(StreamingService, client, headers),
    tasks: createGrpcClient(TasksService, client, headers),
    transfer: createGrpcClient(TransferService, client, headers),
    version: createGrpcClient(VersionService, client, headers),
    withScope: (other) => viewOf(client, address, { ...scope, ...other }),
    waitUntilReady: (options = {}) => waitUntilReady(client, options.signal),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function headersOf(scope: ContainerdScope): Readonly<Record<string, string>> {
  return {
    ...(scope.namespace === undefined ? {} : { 'containerd-namespace': scope.namespace }),
    ...(scope.lease === undefined ? {} : { 'containerd-lease': scope.lease }),
  };
}

/** How long one look at the channel's state waits, so that an abort is seen soon. */
const READY_POLL_MS = 250;

async function waitUntilReady(client: Client, signal: AbortSignal | undefined): Promise<void> {
  for (;;) {
    signal?.throwIfAborted();
    const isReady = await new Promise<boolean>((resolve) => {
      client.waitForReady(Date.now() + READY_POLL_MS, (error) => {
        resolve(error === undefined);
      });
    });
    if (isReady) return;
  }
}
