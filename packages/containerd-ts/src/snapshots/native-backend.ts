import { mkdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { copyTree } from './copy-tree.ts';
import { diskUsage } from './disk-usage.ts';
import { listFolders, removeFolder } from './numbered-folders.ts';
import type { Mount, SnapshotBackend, SnapshotPlace, SnapshotUsage } from './snapshot.ts';

/** Snapshots as plain copies of their parent: slow and large, but it works on every file system. */
export class NativeBackend implements SnapshotBackend {
  readonly name = 'native';
  readonly #snapshots: string;

  /** `root` is `<root>/io.containerd.snapshotter.v1.native`. */
  constructor(options: { readonly root: string }) {
    this.#snapshots = join(options.root, 'snapshots');
    mkdirSync(options.root, { recursive: true, mode: 0o700 });
    mkdirSync(this.#snapshots, { recursive: true, mode: 0o700 });
  }

  async create(place: SnapshotPlace): Promise<void> {
    const folder = this.#folder(place.number);
    const [nearest] = place.parents;
    try {
      // A view needs no files of its own: it shows its parent.
      if (nearest === undefined || place.kind === 'view') await mkdir(folder, { mode: 0o755 });
      else await copyTree(this.#folder(nearest), folder);
    } catch (error) {
      await this.remove(place.number);
      throw error;
    }
  }

  mounts(place: SnapshotPlace): Mount[] {
    const [nearest] = place.parents;
    const isReadOnly = place.kind === 'view';
    const source = this.#folder(isReadOnly && nearest !== undefined ? nearest : place.number);
    return [{ type: 'bind', source, target: '', options: [isReadOnly ? 'ro' : 'rw', 'rbind'] }];
  }

  usage(place: SnapshotPlace): Promise<SnapshotUsage> {
    return diskUsage(this.#folder(place.number));
  }

  async remove(number: bigint): Promise<void> {
    await removeFolder(this.#folder(number));
  }

  list(): bigint[] {
    return listFolders(this.#snapshots);
  }

  #folder(number: bigint): string {
    return join(this.#snapshots, String(number));
  }
}
