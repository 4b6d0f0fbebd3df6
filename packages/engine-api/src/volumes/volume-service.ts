/** A volume as clients see it. */
export interface Volume {
  readonly Name: string;
  readonly Driver: string;
  readonly Mountpoint: string;
  /** RFC 3339. */
  readonly CreatedAt: string;
  readonly Labels: Readonly<Record<string, string>> | null;
  readonly Options: Readonly<Record<string, string>> | null;
  readonly Scope: 'local';
}

/** A volume that is to be. */
export interface VolumeRequest {
  /** Empty: 64 random hexadecimal digits and the label `com.docker.volume.anonymous`. */
  readonly name?: string;
  readonly driver?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Volumes as containers need them. References are by container: a volume that a container refers to cannot be removed. */
export interface VolumeService {
  /** Creates a volume, or gives the one of that name. @throws EngineApiError conflict where that has another driver or options */
  create(request: VolumeRequest): Promise<Volume>;
  /** @throws EngineApiError not_found `get x: no such volume` */
  get(name: string): Promise<Volume>;
  /** Notes that a container refers to a volume. Not stored: containers say so again when the daemon starts. */
  acquire(name: string, containerId: string): void;
  /** Takes the note back. */
  release(name: string, containerId: string): void;
  /** Makes the volume's folder usable (mounts it where its options say so) and gives the folder. */
  mount(name: string, containerId: string): Promise<string>;
  unmount(name: string, containerId: string): Promise<void>;
  /** Whether the volume was made without a name. */
  isAnonymous(name: string): Promise<boolean>;
  /** Removes a volume. @throws EngineApiError not_found, conflict where a container refers to it */
  remove(name: string, options?: { force?: boolean }): Promise<void>;
  /**
   * Fills an empty volume from a folder of the image (`source`: that folder inside a mounted root file system, resolved by the caller), owner and mode of the
   * folder itself included. Does nothing where the volume holds anything or the folder does not exist.
   */
  populate(name: string, source: string): Promise<void>;
}
