import type { Containerd } from './containerd.ts';
import type { ContainerService } from './containers/container-service.ts';
import type { DaemonConfig } from './config.ts';
import type { EventBus } from './events/index.ts';
import type { ImageService } from './images/image-service.ts';
import type { KernelPort } from './kernel-port.ts';
import type { Logger } from './logger.ts';
import type { NetworkService } from './networks/network-service.ts';
import type { VolumeService } from './volumes/volume-service.ts';

/** Folders of the daemon. */
export interface DaemonPaths {
  /** `<data-root>/containers`: a folder per container. */
  readonly containers: string;
  /** `<data-root>/volumes`. */
  readonly volumes: string;
  /** `<data-root>/tmp`. */
  readonly temporary: string;
  /** `<exec-root>/containers`: sockets and FIFOs of what runs. */
  readonly runtime: string;
}

/** What the parts of the daemon share. */
export interface DaemonContext {
  readonly containerd: Containerd;
  readonly config: DaemonConfig;
  readonly events: EventBus;
  readonly images: ImageService;
  readonly volumes: VolumeService;
  readonly networks: NetworkService;
  readonly paths: DaemonPaths;
  readonly logger: Logger;
  readonly platform: KernelPort;
}

/** Makes the container service. `createContainerService(context)` restores what is on disk, re-adopts what runs, and applies restart policies. */
export type ContainerServiceFactory = (context: DaemonContext) => Promise<ContainerService>;
