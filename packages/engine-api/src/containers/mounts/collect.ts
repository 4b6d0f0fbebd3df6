/** All mounts of a new container, with the precedence of their sources. */
import { invalid } from '../../errors.ts';
import type { ContainerConfig, HostConfig } from '../create/types.ts';
import { plainMount, type MountPoint } from './mount-point.ts';
import { cleanPath, parseBind } from './parse-bind.ts';
import { parseMount } from './parse-mount.ts';

/** The mounts of the containers named in `VolumesFrom`, with the mode asked for. */
export type VolumesFrom = readonly { readonly mounts: readonly MountPoint[]; readonly mode: string }[];

/**
 * Joins every way to ask for a mount: `Volumes` of the configuration give way to `VolumesFrom`, and both to binds, mounts and tmpfs.
 *
 * @throws EngineApiError `invalid_argument`: malformed entries, and two of the explicit ones at one place
 */
export function collectMounts(config: ContainerConfig, hostConfig: HostConfig, volumesFrom: VolumesFrom): MountPoint[] {
  const explicit = [
    ...(hostConfig.Binds ?? []).map((spec) => parseBind(spec, hostConfig.VolumeDriver)),
    ...(hostConfig.Mounts ?? []).map(parseMount),
    ...Object.entries(hostConfig.Tmpfs ?? {}).map(([path, options]) => tmpfs(path, options)),
  ];
  refuseDuplicates(explicit);
  const byDestination = new Map<string, MountPoint>();
  for (const path of Object.keys(config.Volumes ?? {})) {
    const mount = parseBind(path, hostConfig.VolumeDriver);
    byDestination.set(mount.Destination, { ...mount, origin: 'config' });
  }
  for (const { mounts, mode } of volumesFrom) {
    for (const mount of mounts) byDestination.set(mount.Destination, { ...mount, origin: 'volumes-from', RW: mount.RW && mode !== 'ro', Mode: mode || mount.Mode });
  }
  for (const mount of explicit) byDestination.set(mount.Destination, mount);
  return [...byDestination.values()];
}

function refuseDuplicates(mounts: readonly MountPoint[]): void {
  const seen = new Set<string>();
  for (const mount of mounts) {
    if (seen.has(mount.Destination)) throw invalid(`Duplicate mount point: ${mount.Destination}`, 'DUPLICATE_MOUNT');
    seen.add(mount.Destination);
  }
}

function tmpfs(path: string, options: string): MountPoint {
  if (!path.startsWith('/')) throw invalid(`invalid mount path: '${path}' mount path must be absolute`);
  return plainMount({ Type: 'tmpfs', Destination: cleanPath(path), origin: 'binds', tmpfsOptions: options === '' ? [] : options.split(',') });
}

/** Splits an entry of `VolumesFrom`: `container[:mode]`. @throws EngineApiError `invalid_argument` */
export function parseVolumesFrom(entry: string): { container: string; mode: string } {
  const [container = '', mode = 'rw', ...rest] = entry.split(':');
  if (container === '' || rest.length > 0) throw invalid(`invalid volumes-from specification: ${JSON.stringify(entry)}`);
  if (!['rw', 'ro', 'z', 'Z', 'nocopy'].includes(mode)) throw invalid(`invalid mode: ${mode}`);
  return { container, mode };
}
