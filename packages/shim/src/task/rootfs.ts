/** Mounts a container's root file system as containerd's mount requests say. */
import { MNT, mount, MS, unmount } from '@dray/libcontainer';
import { errorText, ShimError } from '../errors.ts';

/** One mount request of containerd. */
export interface RootfsMount {
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** mount(2) takes one page of options. */
const MOUNT_DATA_BYTES_MAX = 4000;
const REMOUNT_FLAGS = MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.NOATIME | MS.NODIRATIME | MS.RELATIME;

const flagOptions: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  async: [0, MS.SYNCHRONOUS], atime: [0, MS.NOATIME], bind: [MS.BIND, 0], defaults: [0, 0], dev: [0, MS.NODEV], diratime: [0, MS.NODIRATIME], dirsync: [MS.DIRSYNC, 0],
  exec: [0, MS.NOEXEC], mand: [MS.MANDLOCK, 0], noatime: [MS.NOATIME, 0], nodev: [MS.NODEV, 0], nodiratime: [MS.NODIRATIME, 0], noexec: [MS.NOEXEC, 0],
  nomand: [0, MS.MANDLOCK], norelatime: [0, MS.RELATIME], nostrictatime: [0, MS.STRICTATIME], nosuid: [MS.NOSUID, 0], rbind: [MS.BIND | MS.REC, 0],
  relatime: [MS.RELATIME, 0], remount: [MS.REMOUNT, 0], ro: [MS.RDONLY, 0], rw: [0, MS.RDONLY], strictatime: [MS.STRICTATIME, 0], suid: [0, MS.NOSUID], sync: [MS.SYNCHRONOUS, 0],
};

/** What mount(2) makes of a list of options: flags, and the rest as data. */
export function parseMountOptions(options: readonly string[]): { readonly flags: number; readonly data: string } {
  let flags = 0;
  const data: string[] = [];
  for (const option of options) {
    const known = Object.hasOwn(flagOptions, option) ? flagOptions[option] : undefined;
    if (known === undefined) data.push(option);
    else flags = (flags | known[0]) & ~known[1];
  }
  return { flags, data: data.join(',') };
}

/**
 * Shortens overlay options that do not fit into a page: layers are named relative to the folder they share.
 * @returns the folder to mount from, and the options
 */
export function compactOverlay(data: string): { readonly folder: string; readonly data: string } | undefined {
  const options = data.split(',');
  const index = options.findIndex((option) => option.startsWith('lowerdir='));
  const layers = options[index]?.slice('lowerdir='.length).split(':') ?? [];
  const [first = ''] = layers;
  let folder = first.slice(0, first.lastIndexOf('/') + 1);
  while (folder !== '' && !layers.every((layer) => layer.startsWith(folder))) folder = folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1);
  if (folder.length <= 1) return undefined;
  options[index] = `lowerdir=${layers.map((layer) => layer.slice(folder.length)).join(':')}`;
  return { folder, data: options.join(',') };
}

function mountOne({ type, source, options }: RootfsMount, target: string): void {
  const { flags, data } = parseMountOptions(options);
  const request = { source, target, fstype: type, flags, data };
  const compact = type === 'overlay' && data.length > MOUNT_DATA_BYTES_MAX ? compactOverlay(data) : undefined;
  if (compact === undefined) {
    mount(request);
  } else {
    // Nothing else runs between the two calls, and nothing in this process relies on the working folder.
    const before = process.cwd();
    process.chdir(compact.folder);
    try {
      mount({ ...request, data: compact.data });
    } finally {
      process.chdir(before);
    }
  }
  // A bind takes its other flags only when it is mounted once more.
  if ((flags & MS.BIND) !== 0 && (flags & REMOUNT_FLAGS) !== 0) mount({ source: '', target, fstype: '', flags: flags | MS.REMOUNT, data: '' });
}

/**
 * Mounts all requests on the target, one over the other; a failure leaves none of them.
 * @throws ShimError MOUNT
 */
export function mountRootfs(mounts: readonly RootfsMount[], target: string): void {
  for (const request of mounts) {
    try {
      mountOne(request, target);
    } catch (error) {
      unmountRootfs(target);
      throw new ShimError('unknown', 'MOUNT', `failed to mount rootfs component ${JSON.stringify({ type: request.type, source: request.source, options: request.options })}: ${errorText(error)}`, error);
    }
  }
}

/** Unmounts whatever is on the target; nothing there is fine. */
export function unmountRootfs(target: string): void {
  for (;;) {
    try {
      unmount(target, MNT.DETACH | MNT.NOFOLLOW);
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'EINVAL' || error.code === 'ENOENT' || error.code === 'ENOTDIR')) return;
      throw error;
    }
  }
}
