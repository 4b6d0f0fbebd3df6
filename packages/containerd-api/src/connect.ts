import type { ContainerdConnection, ContainerdScope } from './containerd-connection.ts';

/**
 * Connects to containerd's API on a unix socket, and loads gRPC to do so. The connection is made with the first call and
 * again whenever it has been lost; meanwhile calls fail with `unavailable`.
 * @example
 * await using containerd = await connectContainerd('/run/containerd/containerd.sock', { namespace: 'moby' });
 * const { tasks } = await containerd.tasks.list({});
 */
export async function connectContainerd(address: string, scope: ContainerdScope = {}): Promise<ContainerdConnection> {
  const { openContainerd } = await import('./containerd-connection.ts');
  return openContainerd(address, scope);
}
