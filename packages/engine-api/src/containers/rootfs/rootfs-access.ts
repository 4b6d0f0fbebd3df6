/** Root file systems of containers that do not run, for a moment at a place of the daemon's own. */
import { mkdir, mkdtemp, rmdir, writeFile, symlink, lstat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorKind } from '../../errors.ts';
import type { KernelPort } from '../../kernel-port.ts';
import type { RootfsMount, TaskPort } from '../tasks/task-port.ts';
import { resolveInRoot } from './resolve-in-root.ts';

/** Mounts snapshots and makes the layer between an image and its containers. */
export class RootfsAccess {
  readonly #kernel: KernelPort;
  readonly #tasks: TaskPort;
  readonly #temporary: string;
  readonly #initLayers = new Map<string, Promise<string>>();

  constructor(options: { kernel: KernelPort; tasks: TaskPort; temporary: string }) {
    this.#kernel = options.kernel;
    this.#tasks = options.tasks;
    this.#temporary = options.temporary;
  }

  /** Calls `use` with a folder where the snapshot is mounted, and takes it down whatever happens. Concurrent uses of one snapshot are fine. */
  async withMounts<T>(mounts: readonly RootfsMount[], use: (root: string) => Promise<T>): Promise<T> {
    await mkdir(this.#temporary, { recursive: true });
    const target = await mkdtemp(join(this.#temporary, 'rootfs-'));
    let mounted = 0;
    try {
      for (const mount of mounts) {
        await this.#kernel.mount(mount, target);
        mounted++;
      }
      return await use(target);
    } finally {
      for (; mounted > 0; mounted--) await this.#kernel.unmount(target, { detach: true });
      await rmdir(target);
    }
  }

  /** As `withMounts`, for a snapshot by its key. */
  async withSnapshot<T>(key: string, use: (root: string) => Promise<T>): Promise<T> {
    return this.withMounts(await this.#tasks.snapshotMounts(key), use);
  }

  /**
   * The layer on top of an image that holds the mount points and files every container has; containers stand on it. Made once per image, on first use.
   *
   * @returns the committed snapshot's name
   */
  initLayer(chainId: string, imageId: string): Promise<string> {
    const known = this.#initLayers.get(chainId);
    if (known) return known;
    const made = this.#ensureInitLayer(chainId, imageId).catch((err: unknown) => {
      this.#initLayers.delete(chainId);
      throw err;
    });
    this.#initLayers.set(chainId, made);
    return made;
  }

  /** Forgets that an image's layer is there: it was collected with the image. */
  forgetInitLayer(chainId: string): void {
    this.#initLayers.delete(chainId);
  }

  async #ensureInitLayer(chainId: string, imageId: string): Promise<string> {
    const name = `dray-init-${chainId === '' ? 'scratch' : chainId}`;
    await this.#tasks.keepSnapshotWithImage(name, imageId);
    if (await this.#tasks.hasSnapshot(name)) return name;
    const key = `${name}-${process.pid}-${Date.now()}`;
    try {
      await this.withMounts(await this.#tasks.prepareSnapshot(key, chainId), fillInitLayer);
      await this.#tasks.commitSnapshot(name, key);
    } catch (err) {
      await this.#tasks.removeSnapshot(key);
      if (errorKind(err) !== 'already_exists') throw err;
    }
    return name;
  }
}

type InitEntry = readonly [path: string, kind: 'folder' | 'file' | 'link', target?: string];

const INIT_ENTRIES: readonly InitEntry[] = [
  ['/dev/pts', 'folder'], ['/dev/shm', 'folder'], ['/proc', 'folder'], ['/sys', 'folder'], ['/.dockerenv', 'file'], ['/etc/resolv.conf', 'file'],
  ['/etc/hosts', 'file'], ['/etc/hostname', 'file'], ['/dev/console', 'file'], ['/etc/mtab', 'link', '/proc/mounts'],
];

/** Paths of the layer, which are no changes of a container's own. */
export const INIT_PATHS: readonly string[] = INIT_ENTRIES.map(([path]) => path);

async function fillInitLayer(root: string): Promise<void> {
  for (const [path, kind, target = ''] of INIT_ENTRIES) {
    const place = await resolveInRoot(root, path, { followLast: false });
    if (await lstat(place.hostPath).then(() => true, () => false)) continue;
    await mkdir(kind === 'folder' ? place.hostPath : dirname(place.hostPath), { recursive: true, mode: 0o755 });
    if (kind === 'file') await writeFile(place.hostPath, '', { flag: 'wx', mode: 0o755 });
    if (kind === 'link') await symlink(target, place.hostPath);
  }
}
