/** A container's volumes: made with it, filled from its image, mounted while it runs. */
import { mkdir, stat } from 'node:fs/promises';
import { EngineApiError, errorKind, invalid } from '../../errors.ts';
import type { MountPoint } from '../mounts/mount-point.ts';
import { resolveInRoot } from '../rootfs/resolve-in-root.ts';
import type { ResolvedMount } from '../spec/mounts.ts';
import type { Engine } from './engine.ts';
import type { ContainerRecord } from './record.ts';

function volumesOf(record: ContainerRecord): MountPoint[] {
  return record.mounts.filter((mount) => mount.Type === 'volume');
}

/** Makes the volumes that are not there and notes who uses them. */
export async function createVolumes(engine: Engine, record: ContainerRecord): Promise<void> {
  const { volumes } = engine.context;
  for (const mount of volumesOf(record)) {
    const isInherited = mount.origin === 'volumes-from';
    if (mount.Name === '' || !isInherited) {
      const volume = await volumes.create({
        ...(mount.Name === '' ? {} : { name: mount.Name }),
        ...(mount.Driver === '' ? {} : { driver: mount.Driver }),
        options: mount.volumeOptions, labels: mount.volumeLabels,
      });
      mount.isAnonymous ||= mount.Name === '';
      mount.Name = volume.Name;
      mount.Driver = volume.Driver;
      mount.Source = volume.Mountpoint;
    }
    volumes.acquire(mount.Name, record.id);
  }
}

/** Notes again, after a start of the daemon, which volumes a container uses. */
export function acquireVolumes(engine: Engine, record: ContainerRecord): void {
  for (const mount of volumesOf(record)) engine.context.volumes.acquire(mount.Name, record.id);
}

/** Fills empty volumes with what the image has at their place. */
export async function populateVolumes(engine: Engine, record: ContainerRecord): Promise<void> {
  const wanted = volumesOf(record).filter((mount) => !mount.isNoCopy && mount.origin !== 'volumes-from' && mount.subpath === '');
  if (wanted.length === 0) return;
  await engine.rootfs.withSnapshot(record.id, async (root) => {
    for (const mount of wanted) {
      const source = await resolveInRoot(root, mount.Destination);
      if (!source.exists) continue;
      await engine.context.volumes.mount(mount.Name, record.id);
      try {
        await engine.context.volumes.populate(mount.Name, source.hostPath);
      } finally {
        await engine.context.volumes.unmount(mount.Name, record.id);
      }
    }
  });
}

/** Lets go of a container's volumes. */
export function releaseVolumes(engine: Engine, record: ContainerRecord): void {
  for (const mount of volumesOf(record)) if (mount.Name !== '') engine.context.volumes.release(mount.Name, record.id);
}

/** Lets go of a container's volumes and removes those that nobody named and nobody else uses. */
export async function removeAnonymousVolumes(engine: Engine, record: ContainerRecord): Promise<void> {
  releaseVolumes(engine, record);
  for (const mount of volumesOf(record)) {
    if (!mount.isAnonymous || mount.Name === '' || mount.origin === 'volumes-from') continue;
    try {
      await engine.context.volumes.remove(mount.Name);
    } catch (err) {
      if (errorKind(err) !== 'not_found' && errorKind(err) !== 'conflict') throw err;
    }
  }
}

/** Makes every mount's source ready and says where it is. @throws EngineApiError when a bind's source is missing */
export async function mountVolumes(engine: Engine, record: ContainerRecord): Promise<ResolvedMount[]> {
  return Promise.all(record.mounts.map((mount) => resolveMount(engine, record, mount)));
}

/** Announces that a starting container's volumes are mounted. */
export function announceVolumes(engine: Engine, record: ContainerRecord): void {
  for (const mount of volumesOf(record)) {
    const attributes = { container: record.id, destination: mount.Destination, driver: mount.Driver, propagation: '', 'read/write': String(mount.RW) };
    engine.context.events.publish({ type: 'volume', action: 'mount', actor: { id: mount.Name, attributes } });
  }
}

async function resolveMount(engine: Engine, record: ContainerRecord, mount: MountPoint): Promise<ResolvedMount> {
  const common = { type: mount.Type, destination: mount.Destination, isReadonly: !mount.RW, isNonRecursive: mount.isNonRecursive, isReadonlyNonRecursive: mount.isReadonlyNonRecursive };
  switch (mount.Type) {
    case 'tmpfs':
      return { ...common, source: '', propagation: '', tmpfsOptions: mount.tmpfsOptions };
    case 'bind':
      await ensureBindSource(mount);
      return { ...common, source: mount.Source, propagation: mount.Propagation };
    case 'volume':
      return { ...common, source: await volumeSource(engine, record, mount), propagation: 'rprivate' };
  }
}

async function ensureBindSource(mount: MountPoint): Promise<void> {
  try {
    await stat(mount.Source);
  } catch (err) {
    if (!(err instanceof Error && 'code' in err && err.code === 'ENOENT')) throw err;
    if (!mount.createsSource) throw missingSource(mount);
    await mkdir(mount.Source, { recursive: true, mode: 0o755 });
  }
}

function missingSource(mount: MountPoint): EngineApiError {
  return invalid(`invalid mount config for type "bind": bind source path does not exist: ${mount.Source}`, 'MISSING_BIND_SOURCE');
}

/** Refuses at creation what can only be refused then. @throws EngineApiError `invalid_argument` */
export async function checkBindSources(mounts: readonly MountPoint[]): Promise<void> {
  for (const mount of mounts) {
    if (mount.Type !== 'bind' || mount.createsSource) continue;
    if (!(await stat(mount.Source).then(() => true, () => false))) throw missingSource(mount);
  }
}

async function volumeSource(engine: Engine, record: ContainerRecord, mount: MountPoint): Promise<string> {
  const folder = await engine.context.volumes.mount(mount.Name, record.id);
  if (mount.subpath === '') return folder;
  const place = await resolveInRoot(folder, mount.subpath);
  if (!place.exists) throw invalid(`cannot access path ${folder}/${mount.subpath}: no such file or directory`);
  return place.hostPath;
}

/** Takes volumes down that `mountVolumes` made ready. */
export async function unmountVolumes(engine: Engine, record: ContainerRecord): Promise<void> {
  for (const mount of volumesOf(record)) await engine.context.volumes.unmount(mount.Name, record.id);
}

/** Announces that the volumes of a container that has ended are unmounted. */
export function announceVolumesGone(engine: Engine, record: ContainerRecord): void {
  for (const mount of volumesOf(record)) {
    engine.context.events.publish({ type: 'volume', action: 'unmount', actor: { id: mount.Name, attributes: { container: record.id, driver: mount.Driver } } });
  }
}
