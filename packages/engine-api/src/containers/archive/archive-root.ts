/** A container's file system as clients copy from and to it: its root with its volumes and binds. */
import { mkdir } from 'node:fs/promises';
import type { Container } from '../lifecycle/container.ts';
import type { Engine } from '../lifecycle/engine.ts';
import { mountVolumes, unmountVolumes } from '../lifecycle/volumes.ts';
import { resolveInRoot } from '../rootfs/resolve-in-root.ts';
import type { RootfsMount } from '../tasks/task-port.ts';

/**
 * Calls `use` with a folder that is the container's root. Of a running container it is the process's own view; of any other its snapshot is mounted for the
 * moment, with volumes and binds in their places.
 */
export async function withContainerRoot<T>(engine: Engine, container: Container, use: (root: string) => Promise<T>): Promise<T> {
  const { run } = container;
  if (run) return use(`/proc/${run.pid}/root`);
  return container.lock.run(() => engine.rootfs.withSnapshot(container.id, async (root) => withVolumes(engine, container, root, use)));
}

async function withVolumes<T>(engine: Engine, container: Container, root: string, use: (root: string) => Promise<T>): Promise<T> {
  const { platform } = engine.context;
  await using undo = new AsyncDisposableStack();
  undo.defer(() => unmountVolumes(engine, container.record));
  const mounts = await mountVolumes(engine, container.record);
  for (const mount of mounts.toSorted((a, b) => a.destination.length - b.destination.length)) {
    if (mount.type === 'tmpfs') continue;
    const place = await resolveInRoot(root, mount.destination);
    if (!place.exists) await mkdir(place.hostPath, { recursive: true, mode: 0o755 });
    await platform.mount({ type: 'bind', source: mount.source, options: ['rbind'] }, place.hostPath);
    undo.defer(() => platform.unmount(place.hostPath, { detach: true }));
    if (mount.isReadonly) await platform.mount({ type: 'bind', source: mount.source, options: ['remount', 'bind', 'ro'] }, place.hostPath);
  }
  return await use(root);
}

/** The layers of a container's root. */
export interface Layers {
  /** What the container itself wrote. */
  readonly upper: string;
  /** What is below, topmost first. */
  readonly lowers: readonly string[];
}

/** The folders in a snapshot's overlay mount; `undefined` for a snapshotter of another kind. */
export function layersOf(mounts: readonly RootfsMount[]): Layers | undefined {
  const overlay = mounts.find((mount) => mount.type === 'overlay');
  const option = (name: string): string | undefined => overlay?.options.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);
  const [upper, lower] = [option('upperdir'), option('lowerdir')];
  return upper === undefined || lower === undefined ? undefined : { upper, lowers: lower.split(':') };
}

/** Calls `use` with a read-only look at the root without volumes, also while the container runs and writes. */
export async function withRootOnly<T>(engine: Engine, container: Container, use: (root: string) => Promise<T>): Promise<T> {
  const mounts = await engine.tasks.snapshotMounts(container.id);
  const layers = layersOf(mounts);
  if (!layers || !container.run) return engine.rootfs.withMounts(mounts, use);
  // A second mount of the writable one is not allowed; as the topmost of read-only layers it may be looked at.
  const options = [`lowerdir=${[layers.upper, ...layers.lowers].join(':')}`];
  return engine.rootfs.withMounts([{ type: 'overlay', source: 'overlay', options }], use);
}
