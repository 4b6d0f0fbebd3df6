/** Entries of `HostConfig.Mounts`, the long form of `--mount`. */
import { invalid } from '../../errors.ts';
import type { MountRequest } from '../create/types.ts';
import { plainMount, type MountPoint } from './mount-point.ts';
import { cleanPath } from './parse-bind.ts';

function broken(mount: MountRequest, reason: string): Error {
  return invalid(`invalid mount config for type "${mount.Type}": ${reason}`);
}

/** Reads one entry. @throws EngineApiError `invalid_argument` with Docker's words */
export function parseMount(mount: MountRequest): MountPoint {
  if (!['bind', 'volume', 'tmpfs'].includes(mount.Type)) throw invalid(`invalid mount config: mount type unknown: ${JSON.stringify(mount.Type)}`);
  if (mount.Target === '') throw broken(mount, 'field Target must not be empty');
  if (!mount.Target.startsWith('/')) throw broken(mount, `invalid mount path: '${mount.Target}' mount path must be absolute`);
  const destination = cleanPath(mount.Target);
  if (destination === '/') throw broken(mount, "invalid specification: destination can't be '/'");
  refuseForeignOptions(mount);
  switch (mount.Type) {
    case 'bind':
      return bindMount(mount, destination);
    case 'volume':
      return volumeMount(mount, destination);
    default:
      return tmpfsMount(mount, destination);
  }
}

function refuseForeignOptions(mount: MountRequest): void {
  if (mount.BindOptions && mount.Type !== 'bind') throw broken(mount, 'field BindOptions must not be specified');
  if (mount.VolumeOptions && mount.Type !== 'volume') throw broken(mount, 'field VolumeOptions must not be specified');
  if (mount.TmpfsOptions && mount.Type !== 'tmpfs') throw broken(mount, 'field TmpfsOptions must not be specified');
  if (mount.ImageOptions) throw broken(mount, 'field ImageOptions must not be specified');
}

function bindMount(mount: MountRequest, destination: string): MountPoint {
  if (mount.Source === '') throw broken(mount, 'field Source must not be empty');
  if (!mount.Source.startsWith('/')) throw broken(mount, `invalid mount path: '${mount.Source}' mount path must be absolute`);
  const options = mount.BindOptions;
  const propagation = options?.Propagation || 'rprivate';
  if (!/^r?(private|shared|slave)$/.test(propagation)) throw broken(mount, `invalid propagation mode: ${propagation}`);
  return plainMount({
    Type: 'bind', Source: cleanPath(mount.Source), Destination: destination, origin: 'mounts', RW: !mount.ReadOnly, Propagation: propagation,
    createsSource: options?.CreateMountpoint ?? false, isNonRecursive: options?.NonRecursive ?? false,
    isReadonlyNonRecursive: options?.ReadOnlyNonRecursive ?? false,
  });
}

function volumeMount(mount: MountRequest, destination: string): MountPoint {
  const options = mount.VolumeOptions;
  const isAnonymous = mount.Source === '';
  if (isAnonymous && mount.ReadOnly) throw broken(mount, 'must not set ReadOnly mode when using anonymous volumes');
  if (isAnonymous && options?.Subpath) throw broken(mount, 'must not set Subpath when using anonymous volumes');
  if (options?.Subpath && (options.Subpath.startsWith('/') || options.Subpath.split('/').includes('..'))) throw broken(mount, `subpath must be a relative path within the volume`);
  return plainMount({
    Type: 'volume', Name: mount.Source, Destination: destination, origin: 'mounts', Mode: mount.ReadOnly ? '' : 'z', RW: !mount.ReadOnly, isAnonymous,
    isNoCopy: options?.NoCopy ?? false, Driver: options?.DriverConfig?.Name || 'local', volumeOptions: options?.DriverConfig?.Options ?? {},
    volumeLabels: options?.Labels ?? {}, subpath: options?.Subpath ?? '',
  });
}

function tmpfsMount(mount: MountRequest, destination: string): MountPoint {
  if (mount.Source !== '') throw broken(mount, 'field Source must not be specified');
  const options = mount.TmpfsOptions;
  const words = [
    ...(options && options.SizeBytes > 0 ? [`size=${options.SizeBytes}`] : []),
    ...(options && options.Mode > 0 ? [`mode=${options.Mode.toString(8)}`] : []),
    ...(options?.Options ?? []).map((option) => (option ?? []).join('=')),
  ];
  return plainMount({ Type: 'tmpfs', Destination: destination, origin: 'mounts', RW: !mount.ReadOnly, tmpfsOptions: words });
}
