import fs from 'node:fs/promises';
import path from 'node:path';
import { buildRoutes } from './builds/index.ts';
import type { Containerd } from './containerd.ts';
import type { ContainerService } from './containers/container-service.ts';
import type { DaemonConfig } from './config.ts';
import type { ContainerServiceFactory, DaemonContext, DaemonPaths } from './context.ts';
import { EventBus } from './events/index.ts';
import { Filters, HttpApi, NEWEST_VERSION, type Route } from './http/index.ts';
import { ImageStore, imageRoutes, layersSize, listImages } from './images/index.ts';
import type { KernelPort } from './kernel-port.ts';
import type { Logger } from './logger.ts';
import { ControlledNetworks, type NetworkBackend, networkRoutes } from './networks/index.ts';
import { type ComponentVersion, type DiskUsage, authRoutes, engineId, eventRoutes, readHostFacts, swarmRoutes, systemRoutes } from './system/index.ts';
import { LocalVolumes, volumeRoutes } from './volumes/index.ts';

/** What a daemon is made of. */
export interface DaemonOptions {
  readonly config: DaemonConfig;
  readonly containerd: Containerd;
  readonly kernel: KernelPort;
  readonly networks: NetworkBackend;
  readonly logger: Logger;
  readonly createContainers: ContainerServiceFactory;
  /** The default runtime's and the init program's versions; containerd's own is asked for. */
  readonly components: () => Promise<readonly ComponentVersion[]>;
  /** Further endpoints, such as a builder's. */
  readonly furtherRoutes?: (context: DaemonContext) => readonly Route[];
}

/** The API daemon: all services and the HTTP API over them. Listen with `listen(daemon.api, address)`. */
export interface Daemon {
  readonly api: HttpApi;
  readonly context: DaemonContext;
  readonly images: ImageStore;
  readonly containers: ContainerService;
  /** Stops containers unless live-restore is on. */
  shutdown(): Promise<void>;
}

/** Opens what is on disk, re-adopts what runs and makes the API. Nothing listens yet. */
export async function createDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config, containerd, kernel, logger } = options;
  const paths = daemonPaths(config);
  for (const folder of Object.values(paths) as string[]) await fs.mkdir(folder, { recursive: true, mode: 0o710 });
  const events = new EventBus();
  const volumes = await LocalVolumes.open({ folder: paths.volumes, kernel, events, logger });
  const networks = new ControlledNetworks({ backend: options.networks, events });
  let service: ContainerService | undefined;
  const images = new ImageStore({ containerd, snapshotter: config.snapshotter, events, containers: () => service?.references() ?? [] });
  const context: DaemonContext = { containerd, config, events, images, volumes, networks, paths, logger, platform: kernel };
  const containers = service = await options.createContainers(context);
  const routes: Route[] = [
    ...HttpApi.pingRoutes(),
    ...systemRoutes({
      config, facts: readHostFacts(), id: await engineId(config.dataRoot), containers: () => containers, imageCount: () => images.count(), eventListenerCount: () => events.listenerCount,
      components: async () => [await containerdVersion(containerd), ...await options.components()],
      diskUsage: async () => diskUsage(images, containers, volumes),
    }),
    ...eventRoutes(events),
    ...authRoutes(config),
    ...imageRoutes(images, config),
    ...volumeRoutes(volumes, events),
    ...networkRoutes(networks, () => containers),
    ...containers.routes,
    ...buildRoutes({ context, store: images, steps: containers.steps }),
    ...options.furtherRoutes?.(context) ?? [],
    ...swarmRoutes(),
  ];
  const api = new HttpApi({ routes, version: config.version, experimental: config.experimental, logger });
  return { api, context, images, containers, shutdown: () => containers.shutdown() };
}

/** The daemon's folders. */
export function daemonPaths(config: Pick<DaemonConfig, 'dataRoot' | 'execRoot'>): DaemonPaths {
  return {
    containers: path.join(config.dataRoot, 'containers'),
    volumes: path.join(config.dataRoot, 'volumes'),
    temporary: path.join(config.dataRoot, 'tmp'),
    runtime: path.join(config.execRoot, 'containers'),
  };
}

async function containerdVersion(containerd: Containerd): Promise<ComponentVersion> {
  const { version, revision } = await containerd.version.version({});
  return { name: 'containerd', version, gitCommit: revision };
}

function diskUsage(images: ImageStore, containers: ContainerService, volumes: LocalVolumes): DiskUsage {
  return {
    images: async () => ({
      layersSizeBytes: await layersSize(images),
      images: await listImages(images, { filters: new Filters(), version: NEWEST_VERSION, hasDigests: true, hasSharedSize: true, hasContainers: true }),
    }),
    containers: () => containers.usage(),
    volumes: () => Promise.all(volumes.list().map(async (volume) => ({ ...volume, UsageData: { RefCount: volumes.referenceCount(volume.Name), Size: await volumes.sizeBytes(volume.Name) } }))),
  };
}
