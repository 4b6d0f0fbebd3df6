import { timestampToDate } from '@dray/containerd-api';
import { type Descriptor, parseDigest } from '@dray/oci-image';
import type { Containerd } from '../containerd.ts';
import { errorKind } from '../errors.ts';

/** One of containerd's image records: a name for a manifest or an index. */
export interface ImageRecord {
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
  readonly updatedAt: Date;
}

interface WireImage {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly target: { readonly mediaType: string; readonly digest: string; readonly size: bigint } | undefined;
  readonly updatedAt: Parameters<typeof timestampToDate>[0] | undefined;
}

/** containerd's image service. */
export class ImageRecords {
  readonly #containerd: Containerd;

  constructor(containerd: Containerd) {
    this.#containerd = containerd;
  }

  async list(): Promise<ImageRecord[]> {
    const { images } = await this.#containerd.images.list({ filters: [] });
    return images.flatMap((image) => toRecord(image) ?? []);
  }

  /** The record of a name, or undefined. */
  async find(name: string): Promise<ImageRecord | undefined> {
    try {
      const { image } = await this.#containerd.images.get({ name });
      return image === undefined ? undefined : toRecord(image);
    } catch (error) {
      if (errorKind(error) === 'not_found') return undefined;
      throw error;
    }
  }

  /** Points a name at a target, whether the name is known or not. */
  async put(name: string, target: Descriptor): Promise<void> {
    const image = {
      name, labels: {}, createdAt: undefined, updatedAt: undefined,
      target: { mediaType: target.mediaType, digest: target.digest, size: BigInt(target.size), annotations: {} },
    };
    try {
      await this.#containerd.images.create({ image });
    } catch (error) {
      if (errorKind(error) !== 'already_exists') throw error;
      await this.#containerd.images.update({ image, updateMask: ['target'] });
    }
  }

  /** Forgets a name; one that is not there is forgotten already. With `sync` what only it kept is gone afterwards. */
  async remove(name: string, options: { sync?: boolean } = {}): Promise<void> {
    try {
      await this.#containerd.images.delete({ name, sync: options.sync ?? false });
    } catch (error) {
      if (errorKind(error) !== 'not_found') throw error;
    }
  }
}

function toRecord(image: WireImage): ImageRecord | undefined {
  if (image.target === undefined) return undefined;
  return {
    name: image.name,
    target: { mediaType: image.target.mediaType, digest: parseDigest(image.target.digest), size: Number(image.target.size) },
    labels: image.labels,
    updatedAt: image.updatedAt === undefined ? new Date(0) : timestampToDate(image.updatedAt),
  };
}
