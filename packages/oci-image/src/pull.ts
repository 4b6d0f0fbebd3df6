import { type ContentSink, type ContentWriter, findContent, ingestRef, isAlreadyExists, isNotFound, openWriterPatiently, readContent, writeContent } from './content/index.ts';
import { chainIds, type Digest } from './digest.ts';
import { isOciImageError } from './errors.ts';
import { descend, gcLabels, type Image, readImageConfig } from './image.ts';
import { IMAGE_CONFIG_BYTES_MAX } from './image-config.ts';
import { type Descriptor, embeddedContent, MANIFEST_BYTES_MAX, type ManifestDocument, parseManifestDocument } from './manifest.ts';
import { hostPlatform, type Platform } from './platform.ts';
import { canonicalReference, type ImageReference, withDefaultTag } from './reference.ts';
import type { FetchBlobOptions, FetchedManifest } from './registry/index.ts';

/** Layers downloaded at the same time. */
export const PARALLEL_LAYERS_DEFAULT = 3;

/** A layer's way through a pull, in this order; `waiting` and `verifying` may be passed over. */
export type LayerProgress =
  | { readonly status: 'pulling_fs_layer' | 'waiting' | 'verifying' | 'download_complete' | 'pull_complete' | 'already_exists' }
  | { readonly status: 'downloading' | 'extracting'; readonly current: number; readonly total: number }
  | { readonly status: 'retrying'; readonly delayMs: number };

/** What a pull tells while it works: enough for docker's progress lines. */
export type PullEvent =
  /** The manifest is there: everything that can be wrong with name or authorization would have failed before. */
  | { readonly type: 'resolved'; readonly reference: ImageReference; readonly descriptor: Descriptor }
  | { readonly type: 'layer'; readonly index: number; readonly descriptor: Descriptor; readonly diffId: Digest; readonly progress: LayerProgress }
  /** `isNew` is false when every part was in the store already. */
  | { readonly type: 'complete'; readonly descriptor: Descriptor; readonly isNew: boolean };

/** A layer that is ready to be unpacked. */
export interface UnpackRequest {
  readonly index: number;
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  readonly chainId: Digest;
  readonly parentChainId: Digest | undefined;
  /** Reports bytes of the (compressed) layer that are done. */
  readonly onProgress: (current: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Unpacks layers while others are still being downloaded. Called base first, one at a time. */
export interface LayerUnpacker {
  /** Whether the layer that completes `chainId` is unpacked already. */
  has(chainId: Digest): Promise<boolean>;
  unpack(request: UnpackRequest): Promise<void>;
}

/** The part of a {@link RegistryClient} that a pull uses. */
export interface PullSource {
  fetchManifest(reference: ImageReference, options?: { readonly descriptor?: Descriptor; readonly signal?: AbortSignal }): Promise<FetchedManifest>;
  fetchBlob(reference: ImageReference, descriptor: Descriptor, options?: FetchBlobOptions): AsyncIterable<Uint8Array>;
}

/** Options of {@link pull}. */
export interface PullOptions {
  readonly reference: ImageReference;
  readonly registry: PullSource;
  readonly content: ContentSink;
  /** Platform wanted. When it is given, an image for another is refused; when not, an index is searched for this machine's. */
  readonly platform?: Platform;
  readonly unpacker?: LayerUnpacker;
  readonly parallelLayers?: number;
  readonly onProgress?: (event: PullEvent) => void;
  readonly signal?: AbortSignal;
}

/**
 * Pulls an image: manifest, configuration and layers go into the content store, each checked, with containerd's garbage collection labels; layers are unpacked
 * meanwhile where an unpacker is given. Storing the image under its name is the caller's.
 *
 * On failure or abort, blobs that are whole stay in the store (the caller's lease or garbage collection owns them), and unfinished ones stay as ingests: the same
 * pull goes on there.
 * @throws OciImageError as the registry answers; `NO_MATCHING_PLATFORM`; `DIGEST_MISMATCH`, `SIZE_MISMATCH`; what the unpacker throws
 */
export async function pull(options: PullOptions): Promise<Image> {
  const reference = withDefaultTag(options.reference);
  const { content, registry, signal } = options;
  const root = await registry.fetchManifest(reference, signalOption(signal));
  options.onProgress?.({ type: 'resolved', reference, descriptor: root.descriptor });

  const stored = new Map<Digest, FetchedManifest>([[root.descriptor.digest, root]]);
  const chosen = await descend(root, options.platform ?? hostPlatform(), async (descriptor) => {
    const fetched = await fetchStored(options, reference, descriptor);
    stored.set(descriptor.digest, fetched);
    return fetched.document;
  });
  const pulled = new PulledBlobs(options, reference);
  const configBytes = await pulled.config(chosen.manifest.config);
  const config = readImageConfig(chosen.manifest, configBytes, { platform: options.platform, name: canonicalReference(reference) });
  await pulled.layers(chosen.manifest.layers, config.rootfs.diff_ids);

  // Children first: a manifest in the store promises that what it names is there.
  for (const fetched of [...stored.values()].reverse()) {
    const labels = { ...gcLabels(fetched.document, [...stored.keys()]), ...sourceLabel(reference) };
    pulled.isNew ||= (await findContent(content, fetched.descriptor.digest)) === undefined;
    await writeContent(content, fetched.descriptor, fetched.bytes, labels);
  }
  options.onProgress?.({ type: 'complete', descriptor: root.descriptor, isNew: pulled.isNew });
  return { descriptor: root.descriptor, manifestDescriptor: chosen.descriptor, manifest: chosen.manifest, config, configBytes };
}

/** The label by which containerd remembers where a blob can be had, for mounting it across repositories. */
export function sourceLabel(reference: ImageReference): Record<string, string> {
  return { [`containerd.io/distribution.source.${reference.domain}`]: reference.path };
}

/** A manifest named by digest need not be asked for again when the store has it. */
async function fetchStored(options: PullOptions, reference: ImageReference, descriptor: Descriptor): Promise<FetchedManifest> {
  try {
    const bytes = embeddedContent(descriptor) ?? await readContent(options.content, descriptor.digest, MANIFEST_BYTES_MAX);
    const document: ManifestDocument = parseManifestDocument(bytes, descriptor.mediaType);
    return { descriptor, bytes, document };
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return await options.registry.fetchManifest(reference, { descriptor, ...signalOption(options.signal) });
  }
}

/** The blobs of one pull on their way into the store. */
class PulledBlobs {
  readonly #options: PullOptions;
  readonly #reference: ImageReference;
  readonly #fetched = new Map<Digest, Promise<boolean>>();
  /** Whether anything was not in the store before. */
  isNew = false;

  constructor(options: PullOptions, reference: ImageReference) {
    this.#options = options;
    this.#reference = reference;
  }

  async config(descriptor: Descriptor): Promise<Uint8Array> {
    const { content } = this.#options;
    const labels = sourceLabel(this.#reference);
    const embedded = embeddedContent(descriptor);
    if (embedded !== undefined) await writeContent(content, descriptor, embedded, labels);
    await this.#fetch(descriptor, this.#options.signal, () => undefined);
    return await readContent(content, descriptor.digest, IMAGE_CONFIG_BYTES_MAX);
  }

  /** Downloads in parallel, unpacks in order. The first failure stops the rest, and everything has come to rest before it is thrown. */
  async layers(layers: readonly Descriptor[], diffIds: readonly Digest[]): Promise<void> {
    const failure = new AbortController();
    const signal = this.#options.signal === undefined ? failure.signal : AbortSignal.any([this.#options.signal, failure.signal]);
    const chain = chainIds(diffIds);
    const slots = new Slots(this.#options.parallelLayers ?? PARALLEL_LAYERS_DEFAULT);
    let before: Promise<unknown> = Promise.resolve();
    const steps = layers.map((descriptor, index) => {
      const layer = new PulledLayer(this.#options, { descriptor, index, diffId: diffIds[index] ?? descriptor.digest, chainId: chain[index] ?? descriptor.digest, parentChainId: chain[index - 1] });
      layer.report({ status: 'pulling_fs_layer' });
      const fetched = this.#download(layer, slots, signal);
      const previous = before;
      const step = (async (): Promise<void> => {
        const isKnown = await fetched;
        await previous;
        const isUnpacked = await layer.unpack(signal);
        layer.report({ status: isKnown && !isUnpacked ? 'already_exists' : 'pull_complete' });
      })().catch((error: unknown) => {
        failure.abort(error);
        throw error;
      });
      before = step;
      return step;
    });
    const failed = (await Promise.allSettled(steps)).filter((result) => result.status === 'rejected');
    this.#options.signal?.throwIfAborted();
    if (failed.length > 0) throw failure.signal.reason;
  }

  async #download(layer: PulledLayer, slots: Slots, signal: AbortSignal): Promise<boolean> {
    if (!slots.isFree) layer.report({ status: 'waiting' });
    return await slots.run(async () => {
      signal.throwIfAborted();
      return await this.#fetch(layer.descriptor, signal, (progress) => {
        layer.report(progress);
      });
    });
  }

  /** Fetches a blob, once for each digest. @returns whether the blob was there already */
  async #fetch(descriptor: Descriptor, signal: AbortSignal | undefined, report: (progress: LayerProgress) => void): Promise<boolean> {
    const pending = this.#fetched.get(descriptor.digest) ?? this.#fetchNew(descriptor, signal, report);
    this.#fetched.set(descriptor.digest, pending);
    return await pending;
  }

  async #fetchNew(descriptor: Descriptor, signal: AbortSignal | undefined, report: (progress: LayerProgress) => void): Promise<boolean> {
    const { content } = this.#options;
    const labels = sourceLabel(this.#reference);
    let writer: ContentWriter;
    try {
      writer = await openWriterPatiently(content, { ref: ingestRef(descriptor), descriptor, ...signalOption(signal) });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      await content.updateLabels(descriptor.digest, labels);
      return true;
    }
    this.isNew = true;
    await using _writer = writer;
    await this.#copy(descriptor, writer, signal, report);
    report({ status: 'verifying' });
    try {
      await writer.commit({ size: descriptor.size, digest: descriptor.digest, labels });
    } catch (error) {
      if (isAlreadyExists(error)) return true;
      if (isOciImageError(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH')) {
        await writer.close();
        await content.abort(ingestRef(descriptor)).catch(() => undefined); // What is wrong must not be resumed; the mismatch is what the caller needs to know.
      }
      throw error;
    }
    report({ status: 'download_complete' });
    return false;
  }

  async #copy(descriptor: Descriptor, writer: ContentWriter, signal: AbortSignal | undefined, report: (progress: LayerProgress) => void): Promise<void> {
    if (writer.status.offset > descriptor.size) await writer.truncate(0);
    let current = writer.status.offset;
    let reported = current;
    const step = Math.max(512 * 1024, Math.floor(descriptor.size / 100));
    const blob = this.#options.registry.fetchBlob(this.#reference, descriptor, {
      offset: current, verify: false, ...signalOption(signal), // The store's commit verifies, resumed bytes included.
      onRetry: ({ delayMs }) => {
        report({ status: 'retrying', delayMs });
      },
    });
    for await (const chunk of blob) {
      await writer.write(chunk);
      current += chunk.byteLength;
      if (current - reported >= step || current === descriptor.size) {
        reported = current;
        report({ status: 'downloading', current, total: descriptor.size });
      }
    }
  }
}

/** One layer of a pull. */
class PulledLayer {
  readonly #options: PullOptions;
  readonly #layer: Omit<UnpackRequest, 'onProgress'>;

  constructor(options: PullOptions, layer: Omit<UnpackRequest, 'onProgress'>) {
    this.#options = options;
    this.#layer = layer;
  }

  get descriptor(): Descriptor {
    return this.#layer.descriptor;
  }

  report(progress: LayerProgress): void {
    const { index, descriptor, diffId } = this.#layer;
    this.#options.onProgress?.({ type: 'layer', index, descriptor, diffId, progress });
  }

  /** @returns whether there was anything to do */
  async unpack(signal: AbortSignal): Promise<boolean> {
    const { unpacker } = this.#options;
    signal.throwIfAborted();
    if (unpacker === undefined || await unpacker.has(this.#layer.chainId)) return false;
    const total = this.descriptor.size;
    const onProgress = (current: number): void => {
      this.report({ status: 'extracting', current, total });
    };
    await unpacker.unpack({ ...this.#layer, onProgress, signal });
    return true;
  }
}

/** Lets a number of tasks run at once, the others in the order they came. */
class Slots {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(count: number) {
    this.#free = Math.max(1, count);
  }

  get isFree(): boolean {
    return this.#free > 0;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

function signalOption(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
