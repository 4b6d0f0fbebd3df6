import { isContainerdApiError, type ContainerdConnection } from '@dray/containerd-api';
import type { Image } from '@dray/containerd-api/services/images';
import {
  expectField,
  fromContentDescriptor,
  labelPaths,
  toContentDescriptor,
  toDateOrEpoch,
  type CallOptions,
  type ContentDescriptor,
  type Labels,
  type ListOptions,
} from './values.ts';

/** A name for content. */
export interface ImageRecord {
  readonly name: string;
  readonly labels: Labels;
  readonly target: ContentDescriptor;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What an image is made of. */
export interface ImageSpec {
  readonly name: string;
  readonly target: ContentDescriptor;
  readonly labels?: Labels;
}

/** containerd's image names. Pulling and unpacking is `@dray/oci-image`'s part. */
export class ImagesClient {
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection) {
    this.#connection = connection;
  }

  /** @throws ContainerdApiError not_found */
  async get(name: string, options: CallOptions = {}): Promise<ImageRecord> {
    return toImageRecord((await this.#connection.images.get({ name }, options)).image);
  }

  async list(options: ListOptions = {}): Promise<ImageRecord[]> {
    const { images } = await this.#connection.images.list({ filters: [...(options.filters ?? [])] }, options);
    return images.map(toImageRecord);
  }

  /** @throws ContainerdApiError already_exists */
  async create(image: ImageSpec, options: CallOptions = {}): Promise<ImageRecord> {
    return toImageRecord((await this.#connection.images.create({ image: fromImageSpec(image) }, options)).image);
  }

  /** Creates the image, or lets the one of that name point to the target and adds the labels. */
  async put(image: ImageSpec, options: CallOptions = {}): Promise<ImageRecord> {
    try {
      return await this.create(image, options);
    } catch (error) {
      if (!isContainerdApiError(error) || error.kind !== 'already_exists') throw error;
    }
    const updateMask = ['target', ...labelPaths(image.labels ?? {})];
    return toImageRecord((await this.#connection.images.update({ image: fromImageSpec(image), updateMask }, options)).image);
  }

  /** Sets these labels and leaves the others; an empty value removes a label. */
  async setLabels(name: string, labels: Labels, options: CallOptions = {}): Promise<ImageRecord> {
    return toImageRecord((await this.#connection.images.update({ image: { name, labels }, updateMask: labelPaths(labels) }, options)).image);
  }

  /** Removes the name. With `isSync`, answers only when what it alone kept has been collected. @throws ContainerdApiError not_found */
  async delete(name: string, options: CallOptions & { readonly isSync?: boolean } = {}): Promise<void> {
    await this.#connection.images.delete({ name, sync: options.isSync ?? false }, options);
  }
}

function toImageRecord(image: Image | undefined): ImageRecord {
  const { name, labels, target, createdAt, updatedAt } = expectField(image, 'image');
  return { name, labels, target: toContentDescriptor(target), createdAt: toDateOrEpoch(createdAt), updatedAt: toDateOrEpoch(updatedAt) };
}

function fromImageSpec({ name, labels = {}, target }: ImageSpec): Image {
  return { name, labels: { ...labels }, target: fromContentDescriptor(target), createdAt: undefined, updatedAt: undefined };
}
