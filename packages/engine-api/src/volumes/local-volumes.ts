import fs from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomically } from '../atomic-file.ts';
import { EngineApiError, conflict, messageOf, notFound } from '../errors.ts';
import type { EventBus } from '../events/index.ts';
import type { KernelPort } from '../kernel-port.ts';
import type { Logger } from '../logger.ts';
import { copyTree } from './copy-tree.ts';
import { checkLocalOptions, mountOfOptions } from './local-options.ts';
import { ANONYMOUS_LABEL, checkVolumeName, randomVolumeName } from './volume-name.ts';
import type { Volume, VolumeRequest, VolumeService } from './volume-service.ts';

/** The version of `volume.json`; a file of another version is refused. */
const STORE_VERSION = 1;
const DATA_FOLDER = '_data';
const DOCUMENT = 'volume.json';
const REMOVING_PREFIX = '.removing-';

interface StoredVolume {
  readonly version: number;
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly options: Readonly<Record<string, string>> | null;
}

/** What local volumes need. */
export interface LocalVolumesOptions {
  /** `<data-root>/volumes`. */
  readonly folder: string;
  readonly kernel: KernelPort;
  readonly events: EventBus;
  readonly logger: Logger;
}

/** Volumes of the `local` driver: `<folder>/<name>/_data`, described by `<folder>/<name>/volume.json`, which is written last. */
export class LocalVolumes implements VolumeService {
  readonly #options: LocalVolumesOptions;
  readonly #volumes = new Map<string, Volume>();
  readonly #creating = new Map<string, Promise<Volume>>();
  /** The containers that refer to a volume. */
  readonly #references = new Map<string, Set<string>>();
  /** The containers for which a volume with options is mounted. */
  readonly #mounted = new Map<string, Set<string>>();

  private constructor(options: LocalVolumesOptions) {
    this.#options = options;
  }

  /** Reads what is there; removals that a crash cut short are finished. */
  static async open(options: LocalVolumesOptions): Promise<LocalVolumes> {
    const volumes = new LocalVolumes(options);
    await fs.mkdir(options.folder, { recursive: true, mode: 0o701 });
    for (const name of await fs.readdir(options.folder)) {
      if (name.startsWith(REMOVING_PREFIX)) await fs.rm(path.join(options.folder, name), { recursive: true, force: true });
      else await volumes.#load(name);
    }
    return volumes;
  }

  async #load(name: string): Promise<void> {
    try {
      const stored = parseStored(await fs.readFile(path.join(this.#options.folder, name, DOCUMENT), 'utf8'));
      this.#volumes.set(name, this.#describe(name, stored));
    } catch (error) {
      this.#options.logger.warn({ err: error, volume: name }, 'cannot read the volume, ignoring it');
    }
  }

  #describe(name: string, stored: StoredVolume): Volume {
    return { CreatedAt: stored.createdAt, Driver: 'local', Labels: stored.labels, Mountpoint: this.#data(name), Name: name, Options: stored.options, Scope: 'local' };
  }

  #data(name: string): string {
    return path.join(this.#options.folder, name, DATA_FOLDER);
  }

  async create(request: VolumeRequest): Promise<Volume> {
    const driver = request.driver ?? '';
    const isAnonymous = (request.name ?? '') === '';
    const name = isAnonymous ? randomVolumeName() : request.name ?? '';
    if (driver !== '' && driver !== 'local') throw notFound(`create ${name}: error looking up volume plugin ${driver}: plugin ${JSON.stringify(driver)} not found`, 'NO_SUCH_PLUGIN');
    checkVolumeName(name);
    const known = this.#volumes.get(name) ?? this.#creating.get(name);
    if (known !== undefined) return known;
    checkLocalOptions(name, request.options ?? {});
    const creating = this.#make(name, {
      version: STORE_VERSION,
      createdAt: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
      labels: isAnonymous ? { ...request.labels, [ANONYMOUS_LABEL]: '' } : request.labels ?? null,
      options: Object.keys(request.options ?? {}).length === 0 ? null : request.options ?? null,
    });
    this.#creating.set(name, creating);
    try {
      return await creating;
    } finally {
      this.#creating.delete(name);
    }
  }

  async #make(name: string, stored: StoredVolume): Promise<Volume> {
    const folder = path.join(this.#options.folder, name);
    await fs.mkdir(folder, { mode: 0o701, recursive: true });
    await fs.mkdir(this.#data(name), { mode: 0o755, recursive: true });
    await fs.chmod(this.#data(name), 0o755);
    await writeFileAtomically(path.join(folder, DOCUMENT), JSON.stringify(stored));
    const volume = this.#describe(name, stored);
    this.#volumes.set(name, volume);
    this.#options.events.publish({ type: 'volume', action: 'create', actor: { id: name, attributes: { driver: 'local' } } });
    return volume;
  }

  async get(name: string): Promise<Volume> {
    const volume = this.#volumes.get(name);
    if (volume === undefined) throw notFound(`get ${name}: no such volume`, 'NO_SUCH_VOLUME');
    return volume;
  }

  /** All volumes, by name. */
  list(): Volume[] {
    return [...this.#volumes.values()].sort((a, b) => a.Name < b.Name ? -1 : 1);
  }

  /** How many containers refer to a volume. */
  referenceCount(name: string): number {
    return this.#references.get(name)?.size ?? 0;
  }

  acquire(name: string, containerId: string): void {
    const containers = this.#references.get(name);
    if (containers === undefined) this.#references.set(name, new Set([containerId]));
    else containers.add(containerId);
  }

  release(name: string, containerId: string): void {
    const containers = this.#references.get(name);
    containers?.delete(containerId);
    if (containers?.size === 0) this.#references.delete(name);
  }

  async mount(name: string, containerId: string): Promise<string> {
    const volume = await this.get(name);
    const mount = await mountOfOptions(volume.Options);
    if (mount === undefined) return volume.Mountpoint;
    const users = this.#mounted.get(name) ?? new Set();
    if (users.size === 0) {
      await this.#options.kernel.unmount(volume.Mountpoint, { detach: true }); // of a daemon that was killed
      try {
        await this.#options.kernel.mount(mount, volume.Mountpoint);
      } catch (error) {
        throw new EngineApiError('internal', 'VOLUME_MOUNT', `error while mounting volume '${volume.Mountpoint}': failed to mount local volume: mount ${mount.source}:${volume.Mountpoint}: ${messageOf(error)}`, { cause: error });
      }
    }
    this.#mounted.set(name, users.add(containerId));
    return volume.Mountpoint;
  }

  async unmount(name: string, containerId: string): Promise<void> {
    const users = this.#mounted.get(name);
    if (users?.delete(containerId) !== true || users.size > 0) return;
    this.#mounted.delete(name);
    await this.#options.kernel.unmount(this.#data(name), { detach: true });
  }

  async isAnonymous(name: string): Promise<boolean> {
    return Object.hasOwn((await this.get(name)).Labels ?? {}, ANONYMOUS_LABEL);
  }

  async remove(name: string, { force = false }: { force?: boolean } = {}): Promise<void> {
    if (!this.#volumes.has(name)) {
      if (force) return;
      throw notFound(`get ${name}: no such volume`, 'NO_SUCH_VOLUME');
    }
    const users = [...this.#references.get(name) ?? []];
    if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`, 'VOLUME_IN_USE');
    this.#volumes.delete(name);
    const removing = path.join(this.#options.folder, `${REMOVING_PREFIX}${name}`);
    await fs.rm(removing, { recursive: true, force: true });
    await fs.rename(path.join(this.#options.folder, name), removing);
    await fs.rm(removing, { recursive: true, force: true });
    this.#options.events.publish({ type: 'volume', action: 'destroy', actor: { id: name, attributes: { driver: 'local' } } });
  }

  async populate(name: string, source: string): Promise<void> {
    const target = (await this.get(name)).Mountpoint;
    const stats = await fs.lstat(source).catch(() => undefined);
    if (stats?.isDirectory() !== true || (await fs.readdir(target)).length > 0) return;
    await copyTree(source, target, this.#options.kernel);
  }

  /** How many bytes a volume's files take. */
  async sizeBytes(name: string): Promise<number> {
    return treeSizeBytes((await this.get(name)).Mountpoint, new Set());
  }
}

function parseStored(text: string): StoredVolume {
  const document = JSON.parse(text) as StoredVolume;
  if (document.version !== STORE_VERSION) throw new EngineApiError('failed_precondition', 'STORE_VERSION', `volume.json is of version ${String(document.version)}, want ${STORE_VERSION}`);
  return document;
}

async function treeSizeBytes(folder: string, seen: Set<number>): Promise<number> {
  let bytes = 0;
  for (const entry of await fs.readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const child = path.join(folder, entry.name);
    const stats = await fs.lstat(child).catch(() => undefined);
    if (stats === undefined || seen.has(stats.ino)) continue; // removed meanwhile, or a hard link that was counted
    if (stats.nlink > 1 && !stats.isDirectory()) seen.add(stats.ino);
    bytes += stats.isDirectory() ? await treeSizeBytes(child, seen) : stats.size;
  }
  return bytes;
}
