import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ContainerdError } from './errors.ts';
import type { Config } from './config.ts';
import { createGrpcServer, listenGrpc } from './grpc-server.ts';
import type { Logger } from './logger.ts';
import { addServices, createShimEventsServer } from './serve.ts';
import { claimSocketPath, restrictSocket, withPrivateUmask } from './socket.ts';
import { openStores, sweep, type Stores } from './stores.ts';
import type { Kernel, ShimEnvironment } from './tasks/index.ts';
import { ShimBinaries, TaskManager, foldersBesideDaemon } from './tasks/index.ts';
import { publishDeath } from './services/task-events.ts';
import type { TtrpcServer } from '@dray/ttrpc';

/** What a daemon needs besides its configuration. */
export interface DaemonOptions {
  readonly logger: Logger;
  readonly kernel: Kernel;
  /** The command that shims without ttrpc call to publish events. */
  readonly publishBinary: string;
}

/** A daemon that serves. Closing it leaves tasks running. */
export interface Daemon extends AsyncDisposable {
  /** The unix socket of the gRPC API. */
  readonly address: string;
}

/**
 * Starts the daemon: opens the stores, takes over what a former one left, and listens.
 *
 * @throws ContainerdError `failed_precondition`: `ROOT_IN_USE`, `FOREIGN_ROOT`, `ADDRESS_IN_USE`, `STORE_TOO_NEW`, `STORE_UNREADABLE`
 */
export async function startDaemon(config: Config, options: DaemonOptions): Promise<Daemon> {
  await using cleanup = new AsyncDisposableStack();
  const { logger } = options;
  makeFolders(config);

  const stores = cleanup.use(openStores(config, logger));

  sweep(stores, logger);

  const tasks = createTaskManager(config, stores, options);
  cleanup.defer(() => tasks.close());

  // Shims deliver their events while their tasks are taken over.
  const shimEvents = createShimEventsServer(stores.events, tasks);
  cleanup.use(await listenTtrpc(shimEvents, config));

  await tasks.recover();
  const grpc = createGrpcServer(config);
  addServices(grpc, { config, stores, tasks, logger });
  cleanup.use(await listenGrpc(grpc, config));

  stores.scheduler.start();
  const owned = cleanup.move();
  return { address: config.grpc.address, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Creates root and state. A root of the original is refused: its metadata cannot be read here, and its files would all look unused. */
function makeFolders(config: Config): void {
  if (existsSync(join(config.root, 'io.containerd.metadata.v1.bolt'))) {
    throw new ContainerdError(`root directory "${config.root}" belongs to containerd: give dray-containerd another --root`, { kind: 'failed_precondition', code: 'FOREIGN_ROOT' });
  }
  mkdirSync(config.root, { recursive: true, mode: 0o711 });
  mkdirSync(config.state, { recursive: true, mode: 0o711 });
}

function createTaskManager(config: Config, stores: Stores, options: DaemonOptions): TaskManager {
  const environment: ShimEnvironment = {
    grpcAddress: config.grpc.address,
    ttrpcAddress: config.ttrpc.address,
    publishBinary: options.publishBinary,
    isDebug: config.logLevel === 'debug' || config.logLevel === 'trace',
  };
  return new TaskManager({
    folders: { root: config.root, state: config.state },
    environment,
    binaries: new ShimBinaries(foldersBesideDaemon()),
    kernel: options.kernel,
    logger: options.logger,
    findRuntime: (namespace, id) => stores.containers.find(namespace, id)?.runtime,
    onDead: (task, exit) => {
      publishDeath(stores.events, task, exit);
    },
  });
}

async function listenTtrpc(server: TtrpcServer, config: Config): Promise<AsyncDisposable> {
  await claimSocketPath(config.ttrpc.address);
  await withPrivateUmask(() => server.listen({ path: config.ttrpc.address, mode: 0o660 }));
  await restrictSocket(config.ttrpc);
  // Shims hold their connection open for as long as they live, so there is nothing to wait for.
  return {
    [Symbol.asyncDispose]: () => {
      server.destroy();
      return Promise.resolve();
    },
  };
}
