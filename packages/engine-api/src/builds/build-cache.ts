import fs from 'node:fs/promises';
import path from 'node:path';
import { type Descriptor, parseDigest } from '@dray/oci-image';
import { writeFileAtomically } from '../atomic-file.ts';
import { errorKind } from '../errors.ts';
import type { ImageDescription } from '../images/image-catalog.ts';
import type { ImageStore } from '../images/index.ts';
import type { Logger } from '../logger.ts';

/** The lease that keeps the images of steps, which have no name. */
const LEASE = 'dray-build-cache';
/** Steps that are remembered; the one unused for longest goes first. */
const STEP_COUNT_MAX = 1000;
const FORMAT_VERSION = 1;

/** One step that was built before. */
interface CachedStep {
  /** The id of the image below; empty for `scratch`. */
  readonly parent: string;
  readonly key: string;
  readonly id: string;
  /** Its manifest. */
  readonly target: Descriptor;
  /** Milliseconds since 1970. */
  usedAt: number;
}

/** Which steps to forget. */
export interface CachePruneOptions {
  /** Also steps whose layers an image that is there has. */
  readonly isAll: boolean;
  /** Only what was not used since. Milliseconds since 1970. */
  readonly until: number | undefined;
  readonly ids: readonly string[];
  /** Bytes that may stay. */
  readonly keepBytes: number;
}

/** What steps gave, by the image below and what they did. Survives the daemon; containerd keeps the images under one lease. */
export class BuildCache {
  readonly #store: ImageStore;
  readonly #file: string;
  readonly #logger: Logger;
  readonly #steps = new Map<string, CachedStep>();
  #loading: Promise<void> | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: { store: ImageStore; folder: string; logger: Logger }) {
    this.#store = options.store;
    this.#file = path.join(options.folder, 'cache.json');
    this.#logger = options.logger;
  }

  /** The image that a step gave before, unpacked. */
  async find(parent: string, key: string): Promise<ImageDescription | undefined> {
    await this.#load();
    const step = this.#steps.get(nameOf(parent, key));
    if (step === undefined) return undefined;
    const image = await this.#store.catalog.describe(step.target);
    if (image === undefined) {
      await this.#forget(step);
      return undefined;
    }
    step.usedAt = Date.now();
    await this.#store.ensureUnpacked(image);
    return image;
  }

  /** Remembers what a step gave. The image must be kept by a lease of the caller's meanwhile. */
  async add(parent: string, key: string, image: ImageDescription): Promise<void> {
    await this.#load();
    const { mediaType, digest, size } = image.image.descriptor;
    await this.#keep(digest);
    this.#steps.set(nameOf(parent, key), { parent, key, id: image.id, target: { mediaType, digest, size }, usedAt: Date.now() });
    const oldest = this.#steps.size > STEP_COUNT_MAX ? this.#byAge()[0] : undefined;
    if (oldest !== undefined) await this.#forget(oldest);
  }

  /** Writes down what is remembered. */
  async save(): Promise<void> {
    const write = async (): Promise<void> => {
      await fs.mkdir(path.dirname(this.#file), { recursive: true, mode: 0o710 });
      await writeFileAtomically(this.#file, JSON.stringify({ version: FORMAT_VERSION, steps: [...this.#steps.values()] }));
    };
    this.#saving = this.#saving.then(write, write);
    await this.#saving;
  }

  /** Forgets steps, oldest first, and lets containerd remove what only they had. Resolves to their ids and the bytes that became free. */
  async prune(options: CachePruneOptions): Promise<{ ids: string[]; bytes: number }> {
    await this.#load();
    const used = new Set((await this.#store.catalog.list()).flatMap((image) => image.chainIds));
    const before = await this.#bytes(used);
    let left = before;
    const forgotten = new Set<string>();
    for (const step of this.#byAge()) {
      if (left <= options.keepBytes && options.keepBytes > 0) break;
      if (!await this.#isWanted(step, options, used)) continue;
      await this.#forget(step);
      forgotten.add(step.id);
      if (options.keepBytes > 0) left = await this.#bytes(used);
    }
    if (forgotten.size > 0) await this.#collect();
    await this.save();
    return { ids: [...forgotten], bytes: before - await this.#bytes(used) };
  }

  async #isWanted(step: CachedStep, options: CachePruneOptions, used: ReadonlySet<string>): Promise<boolean> {
    if (options.until !== undefined && step.usedAt > options.until) return false;
    if (options.ids.length > 0 && !options.ids.some((id) => step.id === id || step.id.startsWith(`sha256:${id}`))) return false;
    const top = (await this.#store.catalog.describe(step.target))?.chainIds.at(-1);
    return options.isAll || top === undefined || !used.has(top);
  }

  /** Bytes of layers that only steps have. */
  async #bytes(used: ReadonlySet<string>): Promise<number> {
    const images = await Promise.all([...this.#steps.values()].map((step) => this.#store.catalog.describe(step.target)));
    const own = new Set(images.flatMap((image) => image?.chainIds ?? []).filter((chainId) => !used.has(chainId)));
    const sizes = await Promise.all([...own].map((chainId) => this.#store.catalog.layerSizeBytes(chainId)));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  #byAge(): CachedStep[] {
    return [...this.#steps.values()].sort((a, b) => a.usedAt - b.usedAt);
  }

  async #forget(step: CachedStep): Promise<void> {
    this.#steps.delete(nameOf(step.parent, step.key));
    const isShared = [...this.#steps.values()].some(({ target }) => target.digest === step.target.digest);
    if (isShared) return;
    await ignoreMissing(this.#store.containerd.leases.deleteResource({ id: LEASE, resource: { id: step.target.digest, type: 'content' } }));
  }

  async #keep(digest: string): Promise<void> {
    const add = (): Promise<unknown> => this.#store.containerd.leases.addResource({ id: LEASE, resource: { id: digest, type: 'content' } });
    try {
      await add();
    } catch (error) {
      if (errorKind(error) !== 'not_found') throw error;
      await this.#store.containerd.leases.create({ id: LEASE, labels: {} });
      await add();
    }
  }

  /** Deleting a lease synchronously makes containerd collect garbage: here one that exists for this alone. */
  async #collect(): Promise<void> {
    const id = `${LEASE}-collect-${process.hrtime.bigint()}`;
    await this.#store.containerd.leases.create({ id, labels: {} });
    await this.#store.containerd.leases.delete({ id, sync: true });
  }

  #load(): Promise<void> {
    return this.#loading ??= this.#read();
  }

  async #read(): Promise<void> {
    for (const step of await this.#readFile()) this.#steps.set(nameOf(step.parent, step.key), step);
    await this.#releaseUnknown();
  }

  /** A file that cannot be read costs the cache, nothing else. */
  async #readFile(): Promise<CachedStep[]> {
    try {
      return parseSteps(JSON.parse(await fs.readFile(this.#file, 'utf8')));
    } catch (err) {
      if (!(err instanceof Error && 'code' in err && err.code === 'ENOENT')) this.#logger.warn({ err }, 'cannot read the build cache, beginning with none');
      return [];
    }
  }

  /** A daemon that was killed may have left images that no step is known for. */
  async #releaseUnknown(): Promise<void> {
    const known = new Set([...this.#steps.values()].map(({ target }): string => target.digest));
    const { resources } = await this.#store.containerd.leases.listResources({ id: LEASE }).catch((error: unknown) => {
      if (errorKind(error) === 'not_found') return { resources: [] };
      throw error;
    });
    for (const resource of resources) if (!known.has(resource.id)) await ignoreMissing(this.#store.containerd.leases.deleteResource({ id: LEASE, resource }));
  }
}

const nameOf = (parent: string, key: string): string => `${parent}|${key}`;

async function ignoreMissing(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (errorKind(error) !== 'not_found') throw error;
  }
}

function parseSteps(value: unknown): CachedStep[] {
  const document = value as { version?: unknown; steps?: unknown } | null;
  if (document?.version !== FORMAT_VERSION || !Array.isArray(document.steps)) throw new Error('the build cache has another format');
  return document.steps.map((step: Partial<Record<keyof CachedStep, unknown>>) => {
    const { parent, key, id, usedAt } = step;
    const target = step.target as Partial<Record<keyof Descriptor, unknown>> | undefined;
    if (typeof parent !== 'string' || typeof key !== 'string' || typeof id !== 'string' || typeof usedAt !== 'number') throw new Error('a step of the build cache is damaged');
    if (typeof target?.mediaType !== 'string' || typeof target.digest !== 'string' || typeof target.size !== 'number') throw new Error('a step of the build cache is damaged');
    return { parent, key, id, usedAt, target: { mediaType: target.mediaType, digest: parseDigest(target.digest), size: target.size } };
  });
}
