import type { Server } from '@grpc/grpc-js';
import { HealthService } from '@dray/containerd-api/health';
import { ContainersService } from '@dray/containerd-api/services/containers';
import { ContentService } from '@dray/containerd-api/services/content';
import { DiffService } from '@dray/containerd-api/services/diff';
import { EventsService } from '@dray/containerd-api/services/events';
import { ImagesService } from '@dray/containerd-api/services/images';
import { IntrospectionService } from '@dray/containerd-api/services/introspection';
import { LeasesService } from '@dray/containerd-api/services/leases';
import { NamespacesService } from '@dray/containerd-api/services/namespaces';
import { SnapshotsService } from '@dray/containerd-api/services/snapshots';
import { TasksService } from '@dray/containerd-api/services/tasks';
import { VersionService } from '@dray/containerd-api/services/version';
import { EventsDefinition } from '@dray/containerd-api/ttrpc-events';
import { TtrpcServer } from '@dray/ttrpc';
import type { Config } from './config.ts';
import type { EventExchange } from './events/index.ts';
import type { Logger } from './logger.ts';
import { pluginsOf } from './plugins.ts';
import { createContainersService } from './services/containers.ts';
import { createContentService } from './services/content.ts';
import { createDiffService } from './services/diff.ts';
import { createEventsService, createShimEventsService } from './services/events.ts';
import { createHealthService } from './services/health.ts';
import { createImagesService } from './services/images.ts';
import { createIntrospectionService } from './services/introspection.ts';
import { createLeasesService } from './services/leases.ts';
import { createNamespacesService } from './services/namespaces.ts';
import { createSnapshotsService } from './services/snapshots.ts';
import { logUnclassified } from './services/status.ts';
import { noteExit } from './services/task-events.ts';
import { createTasksService } from './services/tasks.ts';
import { createVersionService } from './services/version.ts';
import type { Stores } from './stores.ts';
import type { TaskManager } from './tasks/index.ts';
import { REVISION, VERSION } from './version.ts';

/** What the services serve from. */
export interface ServeOptions {
  readonly config: Config;
  readonly stores: Stores;
  readonly tasks: TaskManager;
  readonly logger: Logger;
}

/** Adds all gRPC services to a server. */
export function addServices(server: Server, { config, stores, tasks, logger }: ServeOptions): void {
  logUnclassified(logger);
  server.addService(NamespacesService, createNamespacesService(stores));
  server.addService(ContainersService, createContainersService(stores));
  server.addService(ImagesService, createImagesService(stores));
  server.addService(ContentService, createContentService(stores));
  server.addService(SnapshotsService, createSnapshotsService(stores));
  server.addService(DiffService, createDiffService(stores));
  server.addService(LeasesService, createLeasesService(stores));
  server.addService(EventsService, createEventsService(stores));
  server.addService(TasksService, createTasksService({ tasks, containers: stores.containers, logger }));
  server.addService(IntrospectionService, createIntrospectionService({ plugins: pluginsOf(config), root: config.root }));
  server.addService(VersionService, createVersionService({ version: VERSION, revision: REVISION }));
  server.addService(HealthService, createHealthService());
}

/** Makes the ttrpc server to which shims deliver their events. */
export function createShimEventsServer(events: EventExchange, tasks: TaskManager): TtrpcServer {
  const server = new TtrpcServer();
  const forward = createShimEventsService({
    forward: (envelope) => {
      noteExit(tasks, envelope);
      events.forward(envelope);
    },
  });
  server.register(EventsDefinition, forward);
  return server;
}
