import { readMap } from '../filters/index.ts';
import type { Labels } from '../labels.ts';

/** A file system to mount, as containerd's clients and shims mount it: verbatim. */
export interface Mount {
  /** `overlay`, `bind`, … */
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}

/** A view cannot be written, an active snapshot can, a committed one is the parent of others. */
export type SnapshotKind = 'view' | 'active' | 'committed';

/** What is known of a snapshot. */
export interface SnapshotInfo {
  readonly kind: SnapshotKind;
  /** The key of an active snapshot or view, the name of a committed one. */
  readonly name: string;
  /** The parent's name, empty for a first layer. */
  readonly parent: string;
  readonly labels: Labels;
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
}

/** What a snapshot itself, without its parents, takes on the disk. */
export interface SnapshotUsage {
  readonly size: bigint;
  readonly inodes: bigint;
}

/** A snapshot as a snapshotter's backend sees it: numbers that name its folders. */
export interface SnapshotPlace {
  readonly number: bigint;
  readonly kind: SnapshotKind;
  /** The numbers of all parents, the nearest first. */
  readonly parents: readonly bigint[];
}

/** Keeps the files of snapshots. It knows no names, namespaces or labels. */
export interface SnapshotBackend {
  /** The name clients choose it by, such as `overlayfs`. */
  readonly name: string;
  /** Makes the folders of a new snapshot. When it fails nothing of it is left. */
  create(place: SnapshotPlace): Promise<void> | void;
  /** How to mount the snapshot. */
  mounts(place: SnapshotPlace): Mount[];
  /** Measures the snapshot's own files. */
  usage(place: SnapshotPlace): Promise<SnapshotUsage>;
  /** Removes the folders; folders that are gone already are no error. */
  remove(number: bigint): Promise<void>;
  /** The numbers of all folders there are. */
  list(): bigint[];
}

/** The fields that filters see. */
export function readSnapshotField(info: SnapshotInfo, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'kind':
      return info.kind;
    case 'name':
      return info.name;
    case 'parent':
      return info.parent;
    case 'labels':
      return readMap(info.labels, path.slice(1));
    default:
      return undefined;
  }
}
