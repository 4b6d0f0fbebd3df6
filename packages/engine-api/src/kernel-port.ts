/** A mount as containerd's snapshot service describes it. */
export interface MountDescription {
  /** `overlay`, `bind`, … */
  readonly type: string;
  readonly source: string;
  /** As in fstab: `ro`, `rbind`, `lowerdir=…`. */
  readonly options: readonly string[];
}

/** The system calls that the API daemon needs and Node lacks. The composition fills it from `@dray/libcontainer`. */
export interface KernelPort {
  /** Mounts `mount` on the existing folder or file `target`. */
  mount(mount: MountDescription, target: string): Promise<void>;
  /** Unmounts what is on `target`; lazily where `detach` is set. A target that is no mount point is no error. */
  unmount(target: string, options?: { detach?: boolean }): Promise<void>;
  /** Makes a FIFO. */
  makeFifo(path: string, mode: number): Promise<void>;
  /** Makes a device node; `mode` holds the file type, `device` is the number that stat tells as `rdev`. */
  makeNode(path: string, mode: number, device: number): Promise<void>;
  /** Copies the extended attributes of one file to another, links not followed. */
  copyExtendedAttributes(source: string, target: string): Promise<void>;
}
