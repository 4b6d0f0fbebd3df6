import { type Descriptor, type Digest, type Image, type ImageConfig, type Platform, chainIds, hostPlatform, isOciImageError, loadImage } from '@dray/oci-image';
import type { Containerd } from '../containerd.ts';
import { errorKind } from '../errors.ts';
import { ContainerdContent } from './content-adapter.ts';
import { type ImageRecord, ImageRecords } from './image-records.ts';
import { type RecordName, readRecordName } from './image-names.ts';

/** How many descriptions of images are kept in memory. */
const CACHE_COUNT_MAX = 256;

/** What a record's target is on this machine. */
export interface ImageDescription {
  /** Digest of the configuration. */
  readonly id: Digest;
  readonly image: Image;
  readonly config: ImageConfig;
  /** One per layer, base first. */
  readonly chainIds: readonly Digest[];
}

/** A record with what its name says. */
export interface NamedRecord { readonly record: ImageRecord; readonly name: RecordName }

/** An image with all its names. */
export interface CataloguedImage extends ImageDescription { readonly records: readonly NamedRecord[] }

/** Reads images from containerd. Descriptions are kept in memory: they are named by digests and never change. */
export class ImageCatalog {
  readonly records: ImageRecords;
  readonly #containerd: Containerd;
  readonly #content: ContainerdContent;
  readonly #descriptions = new Map<Digest, ImageDescription>();
  readonly #layerSizes = new Map<string, number>();
  readonly #snapshotter: string;
  readonly #platform: Platform = hostPlatform();

  constructor(options: { containerd: Containerd; snapshotter: string }) {
    this.#containerd = options.containerd;
    this.#snapshotter = options.snapshotter;
    this.records = new ImageRecords(options.containerd);
    this.#content = new ContainerdContent(options.containerd);
  }

  /** What a target is, or undefined where it is no image for this machine or parts of it are missing. */
  async describe(target: Descriptor): Promise<ImageDescription | undefined> {
    const known = this.#descriptions.get(target.digest);
    if (known !== undefined) return known;
    try {
      const image = await loadImage(this.#content, target, this.#platform);
      return this.remember(image);
    } catch (error) {
      if (errorKind(error) === 'not_found' || isOciImageError(error, 'UNSUPPORTED_MEDIA_TYPE', 'INVALID_DOCUMENT')) return undefined;
      throw error;
    }
  }

  /** Takes in an image that was just stored. */
  remember(image: Image): ImageDescription {
    const description: ImageDescription = { id: image.manifest.config.digest, image, config: image.config, chainIds: chainIds(image.config.rootfs.diff_ids) };
    if (this.#descriptions.size >= CACHE_COUNT_MAX) this.#descriptions.delete(this.#descriptions.keys().next().value ?? image.descriptor.digest);
    this.#descriptions.set(image.descriptor.digest, description);
    return description;
  }

  /** All images, each once. */
  async list(): Promise<CataloguedImage[]> {
    const images = new Map<Digest, CataloguedImage & { records: NamedRecord[] }>();
    const records = await this.records.list();
    const descriptions = await Promise.all(records.map((record) => this.describe(record.target)));
    for (const [index, record] of records.entries()) {
      const description = descriptions[index];
      if (description === undefined) continue;
      const known = images.get(description.id);
      const named: NamedRecord = { record, name: readRecordName(record.name) };
      if (known === undefined) images.set(description.id, { ...description, records: [named] });
      else known.records.push(named);
    }
    return [...images.values()];
  }

  /** The image of a record, with all its names. */
  async ofId(id: Digest): Promise<CataloguedImage | undefined> {
    return (await this.list()).find((image) => image.id === id);
  }

  /** How many bytes the files of one layer take; 0 where the layer is not unpacked. */
  async layerSizeBytes(chainId: string): Promise<number> {
    const known = this.#layerSizes.get(chainId);
    if (known !== undefined) return known;
    try {
      const size = Number((await this.#containerd.snapshots.usage({ snapshotter: this.#snapshotter, key: chainId })).size);
      this.#layerSizes.set(chainId, size);
      return size;
    } catch (error) {
      if (errorKind(error) === 'not_found') return 0;
      throw error;
    }
  }

  /** How many bytes the files of all layers of an image take. */
  async sizeBytes(image: ImageDescription): Promise<number> {
    const sizes = await Promise.all(image.chainIds.map((chainId) => this.layerSizeBytes(chainId)));
    return sizes.reduce((sum, size) => sum + size, 0);
  }
}

/** The records of a kind. */
export function recordsOf(image: CataloguedImage, kind: 'tag' | 'digest'): { record: ImageRecord; name: Extract<RecordName, { familiar: string }> }[] {
  return image.records.flatMap(({ record, name }) => name.kind === kind ? [{ record, name }] : []);
}

/** Familiar names with tags, sorted. */
export function repoTags(image: CataloguedImage): string[] {
  return recordsOf(image, 'tag').map(({ name }) => name.familiar).sort();
}

/** Familiar names with digests, sorted. */
export function repoDigests(image: CataloguedImage): string[] {
  return recordsOf(image, 'digest').map(({ name }) => name.familiar).sort();
}
