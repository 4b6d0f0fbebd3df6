import fs from 'node:fs/promises';
import type { KernelPort } from '@dray/engine-api';
import { AT_FDCWD, MNT, MS, getXattr, listXattrs, mkfifo, mknodat, mount, setXattr, unmount } from '@dray/libcontainer';

/** fstab's words for flags of mount(2): what a word sets, and what it clears. */
const FLAG_OF_WORD: Readonly<Record<string, { readonly set?: number; readonly clear?: number }>> = {
  ro: { set: MS.RDONLY }, rw: { clear: MS.RDONLY }, nosuid: { set: MS.NOSUID }, suid: { clear: MS.NOSUID }, nodev: { set: MS.NODEV }, dev: { clear: MS.NODEV }, noexec: { set: MS.NOEXEC }, exec: { clear: MS.NOEXEC },
  sync: { set: MS.SYNCHRONOUS }, async: { clear: MS.SYNCHRONOUS }, dirsync: { set: MS.DIRSYNC }, remount: { set: MS.REMOUNT }, bind: { set: MS.BIND }, rbind: { set: MS.BIND | MS.REC },
  noatime: { set: MS.NOATIME }, atime: { clear: MS.NOATIME }, nodiratime: { set: MS.NODIRATIME }, diratime: { clear: MS.NODIRATIME }, relatime: { set: MS.RELATIME }, norelatime: { clear: MS.RELATIME },
  strictatime: { set: MS.STRICTATIME }, nostrictatime: { clear: MS.STRICTATIME }, defaults: {},
};
const PROPAGATION_OF_WORD: Readonly<Record<string, number>> = {
  private: MS.PRIVATE, rprivate: MS.PRIVATE | MS.REC, shared: MS.SHARED, rshared: MS.SHARED | MS.REC, slave: MS.SLAVE, rslave: MS.SLAVE | MS.REC, unbindable: MS.UNBINDABLE, runbindable: MS.UNBINDABLE | MS.REC,
};
/** A bind mount takes these in a second step only. */
const REMOUNT_FLAGS: number = MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NOATIME | MS.NODIRATIME | MS.RELATIME;

/** The system calls of the API daemon, made by `@dray/libcontainer`. */
export const kernel: KernelPort = {
  async mount(description, target) {
    let flags = 0;
    const data: string[] = [];
    const propagations: number[] = [];
    for (const option of description.options) {
      const propagation = PROPAGATION_OF_WORD[option];
      const flag = FLAG_OF_WORD[option];
      if (propagation !== undefined) propagations.push(propagation);
      else if (flag !== undefined) flags = (flags | (flag.set ?? 0)) & ~(flag.clear ?? 0);
      else data.push(option);
    }
    const isBind = (flags & MS.BIND) !== 0;
    mount({ source: description.source, target, fstype: isBind ? 'none' : description.type, flags: isBind ? flags & (MS.BIND | MS.REC) : flags, ...data.length === 0 ? {} : { data: data.join(',') } });
    if (isBind && (flags & REMOUNT_FLAGS) !== 0) mount({ target, flags: MS.BIND | MS.REMOUNT | (flags & REMOUNT_FLAGS) });
    for (const propagation of propagations) mount({ target, flags: propagation });
  },

  async unmount(target, options = {}) {
    try {
      unmount(target, options.detach === true ? MNT.DETACH | MNT.NOFOLLOW : MNT.NOFOLLOW);
    } catch (error) {
      const errno = error instanceof Error && 'errno' in error ? error.errno : undefined;
      if (errno !== EINVAL && errno !== ENOENT) throw error; // no mount point, or nothing there
    }
  },

  async makeFifo(path, mode) {
    mkfifo(path, mode);
    await fs.chmod(path, mode);
  },

  async makeNode(path, mode, device) {
    mknodat(AT_FDCWD, path, mode, { major: ((device >>> 8) & 0xfff), minor: (device & 0xff) | ((device >>> 12) & 0xfff00) });
    await fs.chmod(path, mode & 0o7777);
  },

  async copyExtendedAttributes(source, target) {
    for (const name of listXattrs(source)) {
      const value = getXattr(source, name);
      if (value !== undefined) setXattr(target, name, value);
    }
  },
};

const EINVAL = 22;
const ENOENT = 2;
