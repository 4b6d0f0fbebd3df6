import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { BuildEngine, BuildImage, BuildLayer, OutputListener, StepContainer } from '@dray/builder';
import {
  canonicalReference, chainIds, type ContainerDefaults, type CredentialSource, type Descriptor, hostPlatform, type ImageConfig, isPlatformCompatible, normalizePlatform, packTree, parsePlatform, platformOfConfig,
  RegistryClient,
} from '@dray/oci-image';
import type { Containerd } from '../containerd.ts';
import type { StepContainers } from '../containers/step-containers.ts';
import type { DaemonContext } from '../context.ts';
import { EngineApiError, errorKind, invalid, messageOf } from '../errors.ts';
import type { ImageDescription } from '../images/image-catalog.ts';
import { parseName } from '../images/image-names.ts';
import { storeLayer } from '../images/image-store.ts';
import type { ImageStore } from '../images/index.ts';
import type { ProgressStream } from '../images/progress.ts';
import { pullOne } from '../images/pull-image.ts';
import { pullError } from '../images/registry-errors.ts';
import type { BuildCache } from './build-cache.ts';

/** The digest of a tar without entries. */
const EMPTY_LAYER = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';
/** Largest file that `ADD` fetches. */
const DOWNLOAD_BYTES_MAX = 16 * 1024 ** 3;
/** What of an error answer is told. */
const ERROR_BODY_CHARACTERS_MAX = 1024;

/** What one build works with. */
export interface EngineOfBuildOptions {
  readonly context: DaemonContext;
  readonly store: ImageStore;
  readonly steps: StepContainers;
  readonly cache: BuildCache;
  /** Keeps what the build makes until it ends. */
  readonly leased: Containerd;
  readonly temporary: string;
  readonly pulls: boolean;
  readonly hostConfig: Readonly<Record<string, unknown>>;
  readonly credentials: CredentialSource;
  readonly progress: ProgressStream;
  readonly signal: AbortSignal;
}

/** The daemon's images and containers as `@dray/builder` wants them. */
export class EngineOfBuild implements BuildEngine {
  readonly temporary: string;
  readonly #options: EngineOfBuildOptions;
  /** By id: every image this build has met. */
  readonly #images = new Map<string, ImageDescription>();
  readonly #layers = new Map<string, Descriptor>();
  #scratch: ImageDescription | undefined;

  constructor(options: EngineOfBuildOptions) {
    this.#options = options;
    this.temporary = options.temporary;
  }

  /** What is known of an image of this build. */
  describe(image: BuildImage): ImageDescription {
    const found = this.#images.get(image.id);
    if (found === undefined) throw new Error(`image ${image.id} is not of this build`);
    return found;
  }

  #meet(description: ImageDescription): BuildImage {
    this.#images.set(description.id, description);
    this.#options.store.steps.set(description.id, description);
    return { id: description.id, config: description.config };
  }

  async findImage(reference: string, platform: string | undefined): Promise<BuildImage> {
    const { store, pulls } = this.#options;
    const isId = /^sha256:[0-9a-f]{64}$/.test(reference);
    const local = pulls && !isId ? undefined : await this.#findLocal(reference, platform);
    const found = local ?? await this.#pull(reference, platform);
    await store.ensureUnpacked(found);
    return this.#meet(found);
  }

  async #findLocal(reference: string, platform: string | undefined): Promise<ImageDescription | undefined> {
    try {
      const found = await this.#options.store.find(reference);
      return platform === undefined || isPlatformCompatible(platformOfConfig(found.config), parsePlatformAsWritten(platform)) ? found : undefined;
    } catch (error) {
      if (errorKind(error) === 'not_found') return undefined;
      throw error;
    }
  }

  async #pull(text: string, platform: string | undefined): Promise<ImageDescription> {
    const { store, context: { config }, credentials, progress, signal } = this.#options;
    const reference = parseName(text);
    await using registry = new RegistryClient({
      credentials, insecureRegistries: config.insecureRegistries, mirrors: config.registryMirrors, userAgent: `docker/${config.version} dray`, retry: { attemptsMax: config.maxDownloadAttempts },
    });
    try {
      await pullOne(reference, { store, registry, progress, signal, parallelLayers: config.maxConcurrentDownloads, ...platform === undefined ? {} : { platform: parsePlatformAsWritten(platform) } });
    } catch (error) {
      throw pullError(error, reference);
    }
    const found = await store.findByReference(reference);
    if (found === undefined) throw new EngineApiError('not_found', 'NO_SUCH_IMAGE', `No such image: ${canonicalReference(reference)}`);
    return found;
  }

  async withRoot<T>(image: BuildImage, use: (root: string) => Promise<T>): Promise<T> {
    const { leased, store: { snapshotter }, steps } = this.#options;
    const top = this.describe(image).chainIds.at(-1);
    if (top === undefined) return use(await fs.promises.mkdtemp(`${this.temporary}/nothing-`));
    const key = this.#newKey();
    const { mounts } = await leased.snapshots.view({ snapshotter, key, parent: top, labels: {} });
    try {
      return await steps.withMounts(mounts, use);
    } finally {
      await leased.snapshots.remove({ snapshotter, key });
    }
  }

  async changeRoot(parent: BuildImage | undefined, change: (root: string) => Promise<void>): Promise<BuildLayer> {
    const { leased, store: { snapshotter }, steps } = this.#options;
    const key = this.#newKey();
    const { mounts } = await leased.snapshots.prepare({ snapshotter, key, parent: this.#top(parent) ?? '', labels: {} });
    let isCommitted = false;
    try {
      await steps.withMounts(mounts, change);
      const upper = mounts.find(({ type }) => type === 'overlay')?.options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length);
      const layer = await this.#storeLayer(upper === undefined ? packTree({ root: mounts[0]?.source ?? '' }) : packTree({ root: upper, form: 'overlay' }));
      if (!layer.isEmpty) isCommitted = await this.#commitSnapshot(key, parent, layer);
      return layer;
    } finally {
      if (!isCommitted) await leased.snapshots.remove({ snapshotter, key });
    }
  }

  /** The snapshot is the layer unpacked already: it gets the layer's name, unless another build was first. */
  async #commitSnapshot(key: string, parent: BuildImage | undefined, layer: BuildLayer): Promise<boolean> {
    const { leased, store: { snapshotter } } = this.#options;
    const name = chainIds([...parent?.config.rootfs.diff_ids ?? [], layer.diffId]).at(-1) ?? layer.diffId;
    try {
      await leased.snapshots.commit({ snapshotter, name, key, labels: {}, parent: '' });
      return true;
    } catch (error) {
      if (errorKind(error) !== 'already_exists') throw error;
      return false;
    }
  }

  async #storeLayer(tar: AsyncIterable<Uint8Array>): Promise<BuildLayer> {
    const descriptor = await storeLayer(this.#options.leased, tar);
    this.#layers.set(descriptor.digest, descriptor);
    return { diffId: descriptor.digest, isEmpty: descriptor.digest === EMPTY_LAYER };
  }

  #top(image: BuildImage | undefined): string | undefined {
    return image === undefined ? undefined : this.describe(image).chainIds.at(-1);
  }

  #newKey(): string {
    return `dray-build-${randomBytes(12).toString('hex')}`;
  }

  async createContainer(image: BuildImage | undefined, config: ContainerDefaults): Promise<StepContainer> {
    const base = image?.id ?? (await this.#emptyImage()).id;
    return this.#options.steps.create({ ...config, Image: base, HostConfig: this.#options.hostConfig });
  }

  /** Containers stand on an image, those of `scratch` on one without layers. */
  async #emptyImage(): Promise<ImageDescription> {
    if (this.#scratch === undefined) {
      const host = hostPlatform();
      this.#scratch = await this.#options.store.write(this.#options.leased, { layers: [], config: { architecture: host.architecture, os: 'linux', config: {}, rootfs: { type: 'layers', diff_ids: [] } } });
      this.#meet(this.#scratch);
    }
    return this.#scratch;
  }

  async runContainer(id: string, onOutput: OutputListener, signal: AbortSignal): Promise<number> {
    return this.#options.steps.run(id, onOutput, signal);
  }

  async layerOfContainer(id: string): Promise<BuildLayer> {
    return this.#storeLayer(packTree({ root: (await this.#options.steps.layers(id)).upper, form: 'overlay' }));
  }

  async removeContainer(id: string): Promise<void> {
    await this.#options.steps.remove(id);
  }

  async createImage(parent: BuildImage | undefined, layer: BuildLayer | undefined, config: ImageConfig): Promise<BuildImage> {
    const added = layer === undefined ? undefined : this.#layers.get(layer.diffId);
    const layers = [...parent === undefined ? [] : this.describe(parent).image.manifest.layers, ...added === undefined ? [] : [added]];
    return this.#meet(await this.#options.store.write(this.#options.leased, { layers, config }));
  }

  async cachedImage(parent: BuildImage | undefined, key: string): Promise<BuildImage | undefined> {
    const found = await this.#options.cache.find(parent?.id ?? '', key);
    return found === undefined ? undefined : this.#meet(found);
  }

  async cacheImage(parent: BuildImage | undefined, key: string, image: BuildImage): Promise<void> {
    await this.#options.cache.add(parent?.id ?? '', key, this.describe(image));
  }

  async download(url: string, file: string): Promise<Date | undefined> {
    const { headers } = await downloadTo(url, file, this.#options.signal);
    const changed = Date.parse(headers.get('last-modified') ?? '');
    return Number.isNaN(changed) ? undefined : new Date(changed);
  }
}

/** Fetches a URL into a file. @throws EngineApiError and what fetch throws */
export async function downloadTo(url: string, file: string, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { signal, headers: { 'Accept-Encoding': 'identity' } }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error; // fetch hides the reason
    throw new EngineApiError('internal', 'DOWNLOAD_FAILED', `Get ${JSON.stringify(url)}: ${messageOf(cause)}`, { cause: error });
  });
  if (!response.ok || response.body === null) {
    throw invalid(`failed to GET ${url} with status ${response.status} ${response.statusText}: ${(await response.text()).slice(0, ERROR_BODY_CHARACTERS_MAX)}`, 'DOWNLOAD_FAILED');
  }
  let bytes = 0;
  const counted = async function* count(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of source) {
      bytes += chunk.byteLength;
      if (bytes > DOWNLOAD_BYTES_MAX) throw new EngineApiError('resource_exhausted', 'DOWNLOAD_TOO_LARGE', `${url} is larger than ${DOWNLOAD_BYTES_MAX} bytes`);
      yield chunk;
    }
  };
  await pipeline(response.body as AsyncIterable<Uint8Array>, counted, fs.createWriteStream(file), { signal });
  return response;
}

function parsePlatformAsWritten(text: string): ReturnType<typeof parsePlatform> {
  try {
    return normalizePlatform(parsePlatform(text.toLowerCase()));
  } catch (error) {
    throw invalid(messageOf(error), 'INVALID_PLATFORM');
  }
}
