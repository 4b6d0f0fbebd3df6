import type { ContainerDefaults, Digest, ImageConfig } from '@dray/oci-image';

/** An image that is there, unpacked. */
export interface BuildImage {
  /** `sha256:…` of its configuration. */
  readonly id: string;
  readonly config: ImageConfig;
}

/** A layer that is stored and belongs to no image yet. */
export interface BuildLayer {
  /** Digest of the uncompressed tar. */
  readonly diffId: Digest;
  /** An archive without entries: it becomes no layer of the image, only a line of its history. */
  readonly isEmpty: boolean;
}

/** A container made for one step. */
export interface StepContainer { readonly id: string; readonly warnings: readonly string[] }

/** A piece of a command's output. */
export type OutputListener = (stream: 'stdout' | 'stderr', text: string) => void;

/**
 * The engine as a build needs it: the builder knows Dockerfiles, the engine images and containers. Every call rejects with the engine's own error, whose
 * message goes to the client as it is. One object serves one build; what it stored and no image refers to is released when the build's owner closes it.
 */
export interface BuildEngine {
  /** Finds an image by name or id; pulls it where it is not there, or always where the build asks for that. */
  findImage(reference: string, platform: string | undefined): Promise<BuildImage>;
  /** Calls `use` with a folder that is the image's root file system, read only. */
  withRoot<T>(image: BuildImage, use: (root: string) => Promise<T>): Promise<T>;
  /** Calls `change` with a writable root file system on top of an image (or of nothing) and stores what it changed as a layer. */
  changeRoot(parent: BuildImage | undefined, change: (root: string) => Promise<void>): Promise<BuildLayer>;
  /** Makes a container whose configuration is `config` alone: nothing of the image's is laid under it. */
  createContainer(image: BuildImage | undefined, config: ContainerDefaults, options: { readonly platform: string | undefined }): Promise<StepContainer>;
  /** Runs a container to its end. Resolves to the exit code; aborting kills it. */
  runContainer(id: string, onOutput: OutputListener, signal: AbortSignal): Promise<number>;
  /** Stores what a container changed as a layer. */
  layerOfContainer(id: string, parent: BuildImage | undefined): Promise<BuildLayer>;
  removeContainer(id: string): Promise<void>;
  /** Makes an image of the parent's layers, `layer` and a configuration that lists them. */
  createImage(parent: BuildImage | undefined, layer: BuildLayer | undefined, config: ImageConfig): Promise<BuildImage>;
  /** The image that the step `key` on top of `parent` gave before. */
  cachedImage(parent: BuildImage | undefined, key: string): Promise<BuildImage | undefined>;
  /** Remembers what a step gave. */
  cacheImage(parent: BuildImage | undefined, key: string, image: BuildImage): Promise<void>;
  /** Fetches the content of an `ADD` from a URL into a file. Resolves to its time of change, where the server told one. */
  download(url: string, file: string): Promise<Date | undefined>;
  /** A folder for files of this build. */
  readonly temporary: string;
}

/** Where a build's messages go. */
export interface BuildOutput {
  stdout(text: string): void;
  stderr(text: string): void;
  /** The id of the image a stage gave. */
  image(id: string): void;
}
