import { join } from 'node:path';
import type { Config } from './config.ts';
import type { PluginInfo } from './services/introspection.ts';

const GRPC_SERVICES: readonly string[] = ['containers', 'content', 'diff', 'events', 'healthcheck', 'images', 'introspection', 'leases', 'namespaces', 'snapshots', 'tasks', 'version'];

/** The parts of this daemon under the names containerd gives them, as far as the configuration leaves them on. */
export function pluginsOf(config: Config): PluginInfo[] {
  const plugins: PluginInfo[] = [
    { type: 'io.containerd.content.v1', id: 'content', exports: { root: join(config.root, 'io.containerd.content.v1.content') } },
    ...['native', 'overlayfs'].map((id) => ({
      type: 'io.containerd.snapshotter.v1',
      id,
      exports: { root: config.snapshotterRoots[id] ?? join(config.root, `io.containerd.snapshotter.v1.${id}`) },
    })),
    { type: 'io.containerd.metadata.v1', id: 'sqlite', requires: ['io.containerd.content.v1', 'io.containerd.snapshotter.v1'], exports: { policy: 'shared' } },
    { type: 'io.containerd.differ.v1', id: 'walking', requires: ['io.containerd.metadata.v1'] },
    { type: 'io.containerd.event.v1', id: 'exchange' },
    { type: 'io.containerd.gc.v1', id: 'scheduler', requires: ['io.containerd.metadata.v1'] },
    { type: 'io.containerd.lease.v1', id: 'manager', requires: ['io.containerd.metadata.v1'] },
    { type: 'io.containerd.runtime.v2', id: 'task', requires: ['io.containerd.metadata.v1', 'io.containerd.event.v1'] },
    { type: 'io.containerd.ttrpc.v1', id: 'task', requires: ['io.containerd.event.v1'] },
    ...GRPC_SERVICES.map((id) => ({ type: 'io.containerd.grpc.v1', id })),
  ];
  return plugins.filter(({ type, id }) => !config.disabledPlugins.includes(`${type}.${id}`));
}
