import type { Route } from '../http/route.ts';
import type { EndpointRequest } from '../networks/network-service.ts';
import type { StepContainers } from './step-containers.ts';

/** A container as other parts of the daemon need to know it. */
export interface ContainerReference {
  readonly id: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly imageId: string;
  readonly isRunning: boolean;
  readonly isPaused: boolean;
}

/** How much space containers take, for `system df`: list entries with `SizeRw` and `SizeRootFs`. */
export type ContainerUsage = Readonly<Record<string, unknown>>;

/** Containers as the rest of the daemon needs them. */
export interface ContainerService {
  /** Every endpoint under `/containers`, `/exec` and `/commit`. */
  readonly routes: readonly Route[];
  /** Containers for the steps of builds. */
  readonly steps: StepContainers;
  /** All containers that there are. */
  references(): readonly ContainerReference[];
  /** The containers' part of `system df`. */
  usage(): Promise<readonly ContainerUsage[]>;
  /** Finds a container by id, name or unique id prefix. @throws EngineApiError not_found */
  find(nameOrId: string): ContainerReference;
  /** `POST /networks/{id}/connect`: stores the endpoint, and attaches it where the container runs. */
  connectNetwork(nameOrId: string, network: string, endpoint: EndpointRequest): Promise<void>;
  /** `POST /networks/{id}/disconnect`. */
  disconnectNetwork(nameOrId: string, network: string, options: { force: boolean }): Promise<void>;
  /** The daemon ends: stops containers unless live-restore is on, then lets go of everything it holds. */
  shutdown(): Promise<void>;
}
