/** MS_* of mount(2). */
export const MS: {
  readonly RDONLY: number;
  readonly NOSUID: number;
  readonly NODEV: number;
  readonly NOEXEC: number;
  readonly SYNCHRONOUS: number;
  readonly REMOUNT: number;
  readonly MANDLOCK: number;
  readonly DIRSYNC: number;
  readonly NOSYMFOLLOW: number;
  readonly NOATIME: number;
  readonly NODIRATIME: number;
  readonly BIND: number;
  readonly REC: number;
  readonly SILENT: number;
  readonly POSIXACL: number;
  readonly UNBINDABLE: number;
  readonly PRIVATE: number;
  readonly SLAVE: number;
  readonly SHARED: number;
  readonly RELATIME: number;
  readonly I_VERSION: number;
  readonly STRICTATIME: number;
  readonly LAZYTIME: number;
} = {
  RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, SYNCHRONOUS: 16, REMOUNT: 32, MANDLOCK: 64, DIRSYNC: 128, NOSYMFOLLOW: 256, NOATIME: 1024, NODIRATIME: 2048,
  BIND: 4096, REC: 16384, SILENT: 32768, POSIXACL: 1 << 16, UNBINDABLE: 1 << 17, PRIVATE: 1 << 18, SLAVE: 1 << 19, SHARED: 1 << 20, RELATIME: 1 << 21,
  I_VERSION: 1 << 23, STRICTATIME: 1 << 24, LAZYTIME: 1 << 25,
};

/** MOUNT_ATTR_* of mount_setattr(2). */
const ATTR = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, ATIME_MASK: 0x70, NOATIME: 0x10, STRICTATIME: 0x20, NODIRATIME: 0x80, NOSYMFOLLOW: 0x200000 } as const;

interface FlagChange {
  readonly set?: number;
  readonly clear?: number;
}

const FLAGS: Readonly<Record<string, FlagChange>> = {
  acl: { set: MS.POSIXACL },
  async: { clear: MS.SYNCHRONOUS },
  atime: { clear: MS.NOATIME },
  bind: { set: MS.BIND },
  defaults: {},
  dev: { clear: MS.NODEV },
  diratime: { clear: MS.NODIRATIME },
  dirsync: { set: MS.DIRSYNC },
  exec: { clear: MS.NOEXEC },
  iversion: { set: MS.I_VERSION },
  lazytime: { set: MS.LAZYTIME },
  loud: { clear: MS.SILENT },
  mand: { set: MS.MANDLOCK },
  noacl: { clear: MS.POSIXACL },
  noatime: { set: MS.NOATIME },
  nodev: { set: MS.NODEV },
  nodiratime: { set: MS.NODIRATIME },
  noexec: { set: MS.NOEXEC },
  noiversion: { clear: MS.I_VERSION },
  nolazytime: { clear: MS.LAZYTIME },
  nomand: { clear: MS.MANDLOCK },
  norelatime: { clear: MS.RELATIME },
  nostrictatime: { clear: MS.STRICTATIME },
  nosuid: { set: MS.NOSUID },
  nosymfollow: { set: MS.NOSYMFOLLOW },
  rbind: { set: MS.BIND | MS.REC },
  relatime: { set: MS.RELATIME },
  remount: { set: MS.REMOUNT },
  ro: { set: MS.RDONLY },
  rw: { clear: MS.RDONLY },
  silent: { set: MS.SILENT },
  strictatime: { set: MS.STRICTATIME },
  suid: { clear: MS.NOSUID },
  symfollow: { clear: MS.NOSYMFOLLOW },
  sync: { set: MS.SYNCHRONOUS },
};

/** Propagation types by name; also what `linux.rootfsPropagation` may say. */
export const PROPAGATION: Readonly<Record<string, number>> = {
  private: MS.PRIVATE,
  rprivate: MS.PRIVATE | MS.REC,
  shared: MS.SHARED,
  rshared: MS.SHARED | MS.REC,
  slave: MS.SLAVE,
  rslave: MS.SLAVE | MS.REC,
  unbindable: MS.UNBINDABLE,
  runbindable: MS.UNBINDABLE | MS.REC,
};

/** Access time settings replace each other, so setting one clears the group. */
const RECURSIVE: Readonly<Record<string, FlagChange>> = {
  ratime: { clear: ATTR.NOATIME },
  rdev: { clear: ATTR.NODEV },
  rdiratime: { clear: ATTR.NODIRATIME },
  rexec: { clear: ATTR.NOEXEC },
  rnoatime: { set: ATTR.NOATIME, clear: ATTR.ATIME_MASK },
  rnodev: { set: ATTR.NODEV },
  rnodiratime: { set: ATTR.NODIRATIME },
  rnoexec: { set: ATTR.NOEXEC },
  rnorelatime: { clear: ATTR.ATIME_MASK },
  rnostrictatime: { clear: ATTR.STRICTATIME },
  rnosuid: { set: ATTR.NOSUID },
  rnosymfollow: { set: ATTR.NOSYMFOLLOW },
  rrelatime: { clear: ATTR.ATIME_MASK },
  rro: { set: ATTR.RDONLY },
  rrw: { clear: ATTR.RDONLY },
  rstrictatime: { set: ATTR.STRICTATIME, clear: ATTR.ATIME_MASK },
  rsuid: { clear: ATTR.NOSUID },
  rsymfollow: { clear: ATTR.NOSYMFOLLOW },
};

/** The words of `mounts[].options`, sorted by what they mean. */
export interface MountOptions {
  readonly flags: number;
  /** What the configuration clears by name and does not set again. */
  readonly clearFlags: number;
  readonly propagation: readonly number[];
  readonly recursiveSet: number;
  readonly recursiveClear: number;
  readonly copyUp: boolean;
  readonly idmap: boolean;
  /** Words that are the file system's own. */
  readonly data: string;
}

/** Every word that is not file system data, sorted: what `features` lists. */
export const MOUNT_OPTION_NAMES: readonly string[] = [...Object.keys(FLAGS), ...Object.keys(PROPAGATION), ...Object.keys(RECURSIVE), 'tmpcopyup'].sort();

/** Sorts mount options. Of two that contradict each other the later wins; unknown words go to the file system. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  let [flags, clearFlags, recursiveSet, recursiveClear] = [0, 0, 0, 0];
  let [copyUp, idmap] = [false, false];
  const propagation: number[] = [];
  const data: string[] = [];
  for (const word of options) {
    const flag = ownProperty(FLAGS, word);
    const recursive = ownProperty(RECURSIVE, word);
    const propagates = ownProperty(PROPAGATION, word);
    if (flag !== undefined) {
      const { set = 0, clear = 0 } = flag;
      flags = (flags | set) & ~clear;
      clearFlags = (clearFlags | clear) & ~set;
    } else if (recursive !== undefined) {
      const { set = 0, clear = 0 } = recursive;
      recursiveSet = (recursiveSet & ~clear) | set;
      recursiveClear |= clear;
    } else if (propagates !== undefined) {
      propagation.push(propagates);
    } else if (word === 'tmpcopyup') {
      copyUp = true;
    } else if (word === 'idmap' || word === 'ridmap') {
      idmap = true;
    } else if (word !== '') {
      data.push(word);
    }
  }
  return { flags, clearFlags, propagation, recursiveSet, recursiveClear, copyUp, idmap, data: data.join(',') };
}

function ownProperty<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
