import {
  type Descriptor, type ImageReference, canonicalReference, digestOf, encodeImageConfig, familiarReference, formatPlatform, gcLabels, hostPlatform, type Image, type ImageConfig,
  isDigest, isPlatformCompatible, type Manifest, MEDIA_TYPE, normalizePlatform, parseManifestDocument, parseReference, platformOfConfig, withDigest, writeContent,
} from '@dray/oci-image';
import type { ContainerReference } from '../containers/container-service.ts';
import type { Containerd } from '../containerd.ts';
import { EngineApiError, invalid, notFound } from '../errors.ts';
import type { EventBus } from '../events/index.ts';
import { ContainerdContent } from './content-adapter.ts';
import { ImageCatalog, type ImageDescription } from './image-catalog.ts';
import type { ImageConfiguration } from './image-configuration.ts';
import { danglingRecordName, parseName } from './image-names.ts';
import type { CommitRequest, ImageService, PlatformWanted, ResolvedImage } from './image-service.ts';
import { withLease } from './lease.ts';
import { SnapshotUnpacker } from './snapshot-unpacker.ts';

/** What the image store needs. */
export interface ImageStoreOptions {
  readonly containerd: Containerd;
  readonly snapshotter: string;
  readonly events: EventBus;
  /** All containers that there are. */
  readonly containers: () => readonly ContainerReference[];
}

/** Layers and a configuration that become an image. */
export interface NewImage {
  readonly layers: readonly Descriptor[];
  readonly config: ImageConfig;
}

/** Images in containerd: finding them, naming them, making new ones. */
export class ImageStore implements ImageService {
  readonly catalog: ImageCatalog;
  readonly events: EventBus;
  readonly containers: () => readonly ContainerReference[];
  readonly snapshotter: string;
  readonly containerd: Containerd;
  /** Steps of builds by id: they can be found but have no name and are listed nowhere. */
  readonly steps: Map<string, ImageDescription> = new Map<string, ImageDescription>();
  /** Chain ids that are known to be unpacked. */
  readonly #unpacked = new Set<string>();
  #naming: Promise<unknown> = Promise.resolve();

  constructor(options: ImageStoreOptions) {
    this.catalog = new ImageCatalog(options);
    this.events = options.events;
    this.containers = options.containers;
    this.snapshotter = options.snapshotter;
    this.containerd = options.containerd;
  }

  async count(): Promise<number> {
    return (await this.catalog.list()).length;
  }

  /**
   * Finds an image by id, name, or id prefix, in this order.
   * @throws EngineApiError not_found, invalid_argument
   */
  async find(text: string): Promise<ImageDescription> {
    if (/^sha256:[0-9a-f]{64}$/.test(text) || /^[0-9a-f]{64}$/.test(text)) {
      const id = text.startsWith('sha256:') ? text : `sha256:${text}`;
      const image = this.steps.get(id) ?? (await this.catalog.list()).find((candidate) => candidate.id === id);
      if (image !== undefined) return image;
      throw notFound(`No such image: ${id}`, 'NO_SUCH_IMAGE');
    }
    const prefix = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
    const reference = text.startsWith('sha256:') && prefix !== undefined ? undefined : parseName(text);
    const named = reference === undefined ? undefined : await this.findByReference(reference);
    const found = named ?? (prefix === undefined ? undefined : await this.#findByPrefix(prefix, text));
    if (found === undefined) throw notFound(`No such image: ${reference === undefined ? text : familiarReference(reference)}`, 'NO_SUCH_IMAGE');
    return found;
  }

  /** The image of a name, or undefined. */
  async findByReference(reference: ImageReference): Promise<ImageDescription | undefined> {
    const name = canonicalReference(reference.digest === undefined ? reference : withDigest(reference, reference.digest));
    const record = await this.catalog.records.find(name);
    return record === undefined ? undefined : this.catalog.describe(record.target);
  }

  async #findByPrefix(prefix: string, text: string): Promise<ImageDescription | undefined> {
    const listed = await this.catalog.list();
    const hidden = [...this.steps.values()].filter((step) => !listed.some((image) => image.id === step.id));
    const matching = [...listed, ...hidden].filter((image) => image.id.startsWith(`sha256:${prefix}`));
    if (matching.length > 1) throw invalid(`multiple IDs found with provided prefix: ${text}`, 'AMBIGUOUS_ID');
    return matching[0];
  }

  async resolve(text: string, wanted: PlatformWanted = {}): Promise<ResolvedImage> {
    const image = await this.find(text);
    checkPlatform(image, wanted, text);
    await this.ensureUnpacked(image);
    return this.#toResolved(image, text);
  }

  async #toResolved(image: ImageDescription, text: string): Promise<ResolvedImage> {
    return {
      id: image.id,
      configuration: toConfiguration(image.config),
      chainId: image.chainIds.at(-1) ?? '',
      snapshotter: this.snapshotter,
      recordName: isDigest(text) || /^[0-9a-f]+$/.test(text) ? danglingRecordName(image.image.descriptor) : canonicalReference(parseName(text)),
      manifestDigest: image.image.manifestDescriptor.digest,
      repoTags: [],
    };
  }

  /** Images that another client of containerd brought may not be unpacked. */
  async ensureUnpacked(image: ImageDescription): Promise<void> {
    const top = image.chainIds.at(-1);
    if (top === undefined || this.#unpacked.has(top)) return;
    const unpacker = new SnapshotUnpacker(this.containerd, this.snapshotter);
    if (!await unpacker.has(top)) await withLease(this.containerd, async (leased) => this.unpack(image, leased));
    this.#unpacked.add(top);
  }

  /** The image was deleted: whoever brings it back has to unpack it again. */
  forgetUnpacked(image: ImageDescription): void {
    for (const chainId of image.chainIds) this.#unpacked.delete(chainId);
  }

  /** Unpacks what of an image's layers is not unpacked, and ties the result to the configuration. */
  async unpack(image: ImageDescription, leased: Containerd): Promise<void> {
    const unpacker = new SnapshotUnpacker(leased, this.snapshotter);
    for (const [index, descriptor] of image.image.manifest.layers.entries()) {
      const [chainId, diffId] = [image.chainIds[index], image.config.rootfs.diff_ids[index]];
      if (chainId === undefined || diffId === undefined || await unpacker.has(chainId)) continue;
      await unpacker.unpack({ index, descriptor, diffId, chainId, parentChainId: image.chainIds[index - 1], onProgress: () => undefined });
    }
    await this.keepSnapshots(image, leased);
  }

  /** Lets garbage collection know that the configuration needs the snapshots of its layers. */
  async keepSnapshots(image: ImageDescription, leased: Containerd): Promise<void> {
    const top = image.chainIds.at(-1);
    if (top !== undefined) await new ContainerdContent(leased).updateLabels(image.id, { [`containerd.io/gc.ref.snapshot.${this.snapshotter}`]: top });
  }

  /** Runs changes of names one after the other, so that no image loses its last name between two of them. */
  renaming<T>(change: () => Promise<T>): Promise<T> {
    const run = this.#naming.then(change, change);
    this.#naming = run.catch(() => undefined);
    return run;
  }

  /** Gives an image a name. The image that had the name before keeps another one, or becomes a dangling image. Says whether the name meant another image before. */
  setName(reference: ImageReference, image: ImageDescription): Promise<boolean> {
    return this.renaming(async () => {
      const { records } = this.catalog;
      const name = canonicalReference(reference);
      const before = await records.find(name);
      const previous = before === undefined ? undefined : await this.catalog.describe(before.target);
      if (previous !== undefined && previous.id !== image.id) await this.keepDangling(previous, [name]);
      if (before?.target.digest !== image.image.descriptor.digest) await records.put(name, image.image.descriptor);
      await records.remove(danglingRecordName(image.image.descriptor));
      return previous?.id !== image.id;
    });
  }

  /** Keeps an image that loses the names `losing` and has no other. */
  async keepDangling(image: ImageDescription, losing: readonly string[]): Promise<void> {
    const all = await this.catalog.ofId(image.id);
    if (all?.records.some(({ record }) => !losing.includes(record.name)) === true) return;
    await this.catalog.records.put(danglingRecordName(image.image.descriptor), image.image.descriptor);
  }

  /**
   * Makes an image of layers that are in the content store: writes configuration and manifest, unpacks, and names it, or keeps it as a dangling image.
   * Everything happens under the caller's lease.
   */
  async build(leased: Containerd, made: NewImage, reference: ImageReference | undefined): Promise<ImageDescription> {
    return this.#name(await this.write(leased, made), reference);
  }

  /** As `build`, without a name: the image goes with the caller's lease unless something else refers to it. */
  async write(leased: Containerd, made: NewImage): Promise<ImageDescription> {
    const content = new ContainerdContent(leased);
    const configBytes = encodeImageConfig(made.config);
    const config: Descriptor = { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(configBytes), size: configBytes.byteLength };
    const manifest: Manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers: made.layers };
    const manifestBytes = Buffer.from(JSON.stringify(manifest));
    const descriptor: Descriptor = { mediaType: MEDIA_TYPE.ociManifest, digest: digestOf(manifestBytes), size: manifestBytes.byteLength };
    await writeContent(content, config, configBytes);
    await writeContent(content, descriptor, manifestBytes, gcLabels(parseManifestDocument(manifestBytes, descriptor.mediaType), []));
    const description = this.catalog.remember({ descriptor, manifestDescriptor: descriptor, manifest, config: made.config, configBytes });
    await this.unpack(description, leased);
    return description;
  }

  /** Takes in an image whose blobs are all in the content store: unpacks and names it. */
  async add(leased: Containerd, image: Image, reference: ImageReference | undefined): Promise<ImageDescription> {
    const description = this.catalog.remember(image);
    await this.unpack(description, leased);
    return this.#name(description, reference);
  }

  async #name(description: ImageDescription, reference: ImageReference | undefined): Promise<ImageDescription> {
    if (reference !== undefined) await this.setName(reference, description);
    else await this.renaming(async () => this.keepDangling(description, []));
    return description;
  }

  async commit(request: CommitRequest): Promise<string> {
    const reference = request.reference === '' ? undefined : parseName(request.reference);
    return withLease(this.containerd, async (leased) => {
      const layer = await storeLayer(leased, request.layer);
      const parent = request.parent === undefined ? undefined : await this.find(request.parent.id);
      const created = new Date().toISOString();
      const host = hostPlatform();
      const config: ImageConfig = {
        created, author: request.author, architecture: parent?.config.architecture ?? host.architecture, os: parent?.config.os ?? 'linux',
        ...parent?.config.variant === undefined ? {} : { variant: parent.config.variant },
        config: request.configuration as NonNullable<ImageConfig['config']>,
        rootfs: { type: 'layers', diff_ids: [...parent?.config.rootfs.diff_ids ?? [], layer.digest] },
        history: [...parent?.config.history ?? [], { created, author: request.author, created_by: request.createdBy, ...request.comment === '' ? {} : { comment: request.comment } }],
      };
      const image = await this.build(leased, { layers: [...parent?.image.manifest.layers ?? [], layer], config }, reference);
      this.announce('create', image.id, image.id);
      if (reference !== undefined) this.announce('tag', image.id, familiarReference(reference));
      return image.id;
    });
  }

  /** Announces a change of an image. */
  announce(action: string, id: string, name: string, labels: Readonly<Record<string, string>> = {}): void {
    this.events.publish({ type: 'image', action, actor: { id, attributes: { ...labels, name } } });
  }
}

/** Stores an uncompressed layer tar; its digest is then its diff id. */
export async function storeLayer(leased: Containerd, layer: AsyncIterable<Uint8Array>): Promise<Descriptor> {
  const content = new ContainerdContent(leased);
  await using writer = await content.openWriter({ ref: `layer-import-${process.hrtime.bigint()}` });
  let size = 0;
  for await (const chunk of layer) {
    size += chunk.byteLength;
    await writer.write(chunk);
  }
  return { mediaType: MEDIA_TYPE.ociLayer, digest: await writer.commitOrFind(size), size };
}

/** An image's configuration as containers take it. */
export function toConfiguration(config: ImageConfig): ImageConfiguration {
  return { ...config, config: config.config ?? {}, history: config.history ?? [] };
}

function checkPlatform(image: ImageDescription, wanted: PlatformWanted, text: string): void {
  if (wanted.os === undefined && wanted.architecture === undefined) return;
  const host = hostPlatform();
  const platform = normalizePlatform({ os: wanted.os ?? host.os, architecture: wanted.architecture ?? host.architecture, ...wanted.variant === undefined ? {} : { variant: wanted.variant } });
  const actual = platformOfConfig(image.config);
  if (isPlatformCompatible(actual, platform)) return;
  throw new EngineApiError('not_found', 'PLATFORM_MISMATCH', `image with reference ${text} was found but does not match the specified platform: wanted ${formatPlatform(platform)}, actual: ${formatPlatform(actual)}`);
}

/** Parses a name without adding a tag. */
export function parseBareName(text: string): ImageReference {
  try {
    return parseReference(text);
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error), 'INVALID_REFERENCE');
  }
}
