import { notImplemented } from '../errors.ts';
import type { Mount } from '../snapshots/index.ts';

/** Where the files of a layer go, so that they appear in a set of mounts without mounting them. */
export interface MountTarget {
  /** The folder that takes the changes. */
  readonly folder: string;
  /** `overlay`: deletions become overlayfs's own marks. `plain`: they are deletions. */
  readonly form: 'overlay' | 'plain';
  /** The folders below, topmost first. */
  readonly lowers: readonly string[];
  /** Whether the mount keeps its marks in attributes of the user's. */
  readonly hasUserAttributes: boolean;
}

/**
 * Finds the folder behind mounts that a snapshotter of this daemon gave.
 *
 * @param isOverlayFolder whether a folder is the upper folder of an overlay snapshot
 * @throws ContainerdError `not_implemented`, `FOREIGN_MOUNTS` for mounts of another kind
 */
export function mountTarget(mounts: readonly Mount[], isOverlayFolder: (folder: string) => boolean): MountTarget {
  const [mount, ...others] = mounts;
  if (mount === undefined || others.length > 0) throw foreign(`${String(mounts.length)} mounts`);
  if (mount.type === 'bind' || mount.options.includes('bind') || mount.options.includes('rbind')) {
    return { folder: mount.source, form: isOverlayFolder(mount.source) ? 'overlay' : 'plain', lowers: [], hasUserAttributes: false };
  }
  if (mount.type !== 'overlay') throw foreign(`a mount of type "${mount.type}"`);
  const lowers = optionOf(mount, 'lowerdir')?.split(':') ?? [];
  const upper = optionOf(mount, 'upperdir');
  // Without an upper folder it is a view, which nothing is written to: its topmost layer stands for it.
  const [folder = '', ...below] = upper === undefined ? lowers : [upper, ...lowers];
  return { folder, form: 'overlay', lowers: below, hasUserAttributes: mount.options.includes('userxattr') };
}

function optionOf(mount: Mount, name: string): string | undefined {
  return mount.options.find((option) => option.startsWith(`${name}=`))?.slice(name.length + 1);
}

function foreign(what: string): Error {
  return notImplemented('FOREIGN_MOUNTS', `cannot work on ${what}, want those of a snapshotter of this daemon`);
}
