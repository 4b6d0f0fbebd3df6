/** What a container's mounts are, once bind strings, mount requests, volumes and tmpfs are read. */

/** One mount of a container, as stored and (without the lower-case members) as inspect shows it. */
export interface MountPoint {
  readonly Type: 'bind' | 'volume' | 'tmpfs';
  /** A volume's name. */
  Name: string;
  /** A path on the host; for a volume known once it exists. */
  Source: string;
  readonly Destination: string;
  Driver: string;
  /** The options of a bind string, as given. */
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
  /** How it was asked for: `HostConfig.Mounts`, `Binds`/`Tmpfs`, `VolumesFrom` of another container, or `Volumes` of the configuration. */
  readonly origin: 'mounts' | 'binds' | 'volumes-from' | 'config';
  /** A volume nobody named; removed with its container. */
  isAnonymous: boolean;
  /** Do not fill an empty volume from the image. */
  readonly isNoCopy: boolean;
  /** Make a missing folder on the host. */
  readonly createsSource: boolean;
  readonly isNonRecursive: boolean;
  readonly isReadonlyNonRecursive: boolean;
  readonly tmpfsOptions: readonly string[];
  readonly volumeOptions: Readonly<Record<string, string>>;
  readonly volumeLabels: Readonly<Record<string, string>>;
  /** A folder of the volume instead of its root. */
  readonly subpath: string;
}

/** One entry of `Mounts` in inspect and list. */
export interface InspectedMount {
  Type: string;
  Name?: string;
  Source: string;
  Destination: string;
  Driver?: string;
  Mode: string;
  RW: boolean;
  Propagation: string;
}

/** Renders a mount for clients. */
export function inspectMount(mount: MountPoint): InspectedMount {
  return {
    Type: mount.Type,
    ...(mount.Name === '' ? {} : { Name: mount.Name }),
    Source: mount.Source,
    Destination: mount.Destination,
    ...(mount.Driver === '' ? {} : { Driver: mount.Driver }),
    Mode: mount.Mode,
    RW: mount.RW,
    Propagation: mount.Propagation,
  };
}

/** A mount point with everything at its default. */
export function plainMount(given: Pick<MountPoint, 'Type' | 'Destination' | 'origin'> & Partial<MountPoint>): MountPoint {
  return {
    Name: '', Source: '', Driver: '', Mode: '', RW: true, Propagation: given.Type === 'bind' ? 'rprivate' : '', isAnonymous: false, isNoCopy: false,
    createsSource: false, isNonRecursive: false, isReadonlyNonRecursive: false, tmpfsOptions: [], volumeOptions: {}, volumeLabels: {}, subpath: '', ...given,
  };
}
