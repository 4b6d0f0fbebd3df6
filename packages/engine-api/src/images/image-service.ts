import type { Readable } from 'node:stream';
import type { ImageConfiguration } from './image-configuration.ts';

/** An image that is there and unpacked, as a container needs it. */
export interface ResolvedImage {
  /** `sha256:…` of the configuration, which is the image's id. */
  readonly id: string;
  /** The configuration as the image's author wrote it. */
  readonly configuration: ImageConfiguration;
  /** The key of the committed snapshot that holds the image's whole file system; the parent for a container's snapshot. The empty string: no layers. */
  readonly chainId: string;
  readonly snapshotter: string;
  /** A name of containerd's image record for this image, as `Container.image` wants. */
  readonly recordName: string;
  /** The manifest's digest. */
  readonly manifestDigest: string;
  /** Familiar names such as `busybox:latest`. */
  readonly repoTags: readonly string[];
}

/** A platform such as linux/arm64/v8; absent parts are as the machine is. */
export interface PlatformWanted { readonly os?: string; readonly architecture?: string; readonly variant?: string }

/** How `commit` describes the new image. */
export interface CommitRequest {
  readonly parent: ResolvedImage | undefined;
  /** An uncompressed layer tar. */
  readonly layer: Readable;
  readonly configuration: ImageConfiguration['config'];
  readonly author: string;
  readonly comment: string;
  readonly createdBy: string;
  /** Familiar reference to give the image, or empty. */
  readonly reference: string;
}

/** Images as containers and builds need them. */
export interface ImageService {
  /**
   * Finds an image by id, name, digest or id prefix.
   * @throws EngineApiError not_found `No such image: x`, and where a platform is asked for and the image's is another
   */
  resolve(reference: string, platform?: PlatformWanted): Promise<ResolvedImage>;
  /** How many images there are. */
  count(): Promise<number>;
  /** Puts a layer on top of an image. Resolves to the new image's id. */
  commit(request: CommitRequest): Promise<string>;
}
