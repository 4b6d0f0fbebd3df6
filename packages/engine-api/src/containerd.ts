import type { connectContainerd } from '@dray/containerd-api';

/** The connection to containerd: one client per gRPC service. */
export type Containerd = Awaited<ReturnType<typeof connectContainerd>>;
