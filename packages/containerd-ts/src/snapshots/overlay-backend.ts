import { chownSync, existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { diskUsage } from './disk-usage.ts';
import { listFolders, removeFolder } from './numbered-folders.ts';
import type { Mount, SnapshotBackend, SnapshotPlace, SnapshotUsage } from './snapshot.ts';

/** What the overlay backend can be told; the defaults ask the kernel. */
export interface OverlayOptions {
  /** The snapshotter's folder, `<root>/io.containerd.snapshotter.v1.overlayfs`. */
  readonly root: string;
  /** Whether to mount with `index=off`, which kernels understand that have the parameter. */
  readonly hasIndexOption?: boolean;
}

const INDEX_PARAMETER = '/sys/module/overlay/parameters/index';

/** Snapshots as layers of overlayfs: `snapshots/<n>/fs` holds what a layer changes, `…/work` is the kernel's. */
export class OverlayBackend implements SnapshotBackend {
  readonly name: string = 'overlayfs';
  readonly #snapshots: string;
  readonly #hasIndexOption: boolean;

  constructor(options: OverlayOptions) {
    this.#snapshots = join(options.root, 'snapshots');
    this.#hasIndexOption = options.hasIndexOption ?? existsSync(INDEX_PARAMETER);
    mkdirSync(options.root, { recursive: true, mode: 0o700 });
    mkdirSync(this.#snapshots, { recursive: true, mode: 0o700 });
  }

  create(place: SnapshotPlace): void {
    const folder = this.#folder(place.number);
    try {
      mkdirSync(folder, { mode: 0o700 });
      mkdirSync(join(folder, 'fs'), { mode: 0o755 });
      if (place.kind === 'active') mkdirSync(join(folder, 'work'), { mode: 0o711 });
      this.#adoptOwner(place);
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  mounts(place: SnapshotPlace): Mount[] {
    const [nearest] = place.parents;
    if (nearest === undefined) return [bind(this.#upper(place.number), place.kind === 'view')];
    if (place.kind === 'view' && place.parents.length === 1) return [bind(this.#upper(nearest), true)];
    const options = this.#hasIndexOption ? ['index=off'] : [];
    if (place.kind === 'active') options.push(`workdir=${join(this.#folder(place.number), 'work')}`, `upperdir=${this.#upper(place.number)}`);
    options.push(`lowerdir=${place.parents.map((parent) => this.#upper(parent)).join(':')}`);
    return [{ type: 'overlay', source: 'overlay', target: '', options }];
  }

  usage(place: SnapshotPlace): Promise<SnapshotUsage> {
    return diskUsage(this.#upper(place.number));
  }

  async remove(number: bigint): Promise<void> {
    await removeFolder(this.#folder(number));
  }

  list(): bigint[] {
    return listFolders(this.#snapshots);
  }

  /** The root of a container belongs to whom its image says, which the nearest layer knows. */
  #adoptOwner(place: SnapshotPlace): void {
    const [nearest] = place.parents;
    if (nearest === undefined) return;
    const { uid, gid } = statSync(this.#upper(nearest));
    if (uid !== process.getuid?.() || gid !== process.getgid?.()) chownSync(this.#upper(place.number), uid, gid);
  }

  #folder(number: bigint): string {
    return join(this.#snapshots, String(number));
  }

  #upper(number: bigint): string {
    return join(this.#folder(number), 'fs');
  }
}

function bind(source: string, isReadOnly: boolean): Mount {
  return { type: 'bind', source, target: '', options: [isReadOnly ? 'ro' : 'rw', 'rbind'] };
}
