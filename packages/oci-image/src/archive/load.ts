import { decompress } from '../compression.ts';
import { readContent } from '../content/index.ts';
import { type Digest, Digester, digestAlgorithm } from '../digest.ts';
import { isOciImageError, OciImageError } from '../errors.ts';
import { checkPlatform, gcLabels, type Image, loadImage } from '../image.ts';
import { IMAGE_CONFIG_BYTES_MAX, type ImageConfig, parseImageConfig } from '../image-config.ts';
import { writeImage } from '../image-write.ts';
import { type Descriptor, MANIFEST_BYTES_MAX, parseManifestDocument } from '../manifest.ts';
import { isIndexMediaType, isManifestMediaType, MEDIA_TYPE } from '../media-types.ts';
import { hostPlatform, type Platform } from '../platform.ts';
import { canonicalReference, familiarReference, parseReference, withDefaultTag } from '../reference.ts';
import { ArchiveFiles, type LoadStore } from './archive-files.ts';
import { checkLayoutVersion, type DockerArchiveEntry, nameOfEntry, parseDockerManifest, parseLayoutIndex } from './documents.ts';

/** Options of {@link loadArchive}. */
export interface LoadOptions {
  /** The archive: a tar, compressed or not. */
  readonly source: AsyncIterable<Uint8Array>;
  readonly content: LoadStore;
  /** Which platform of a multi-platform image. Default: this machine's. */
  readonly platform?: Platform;
  /** Recompute the diff ids of compressed layers. Default true; set false when the layers are unpacked afterwards, which checks them too. */
  readonly verifiesDiffIds?: boolean;
  readonly signal?: AbortSignal;
}

/** An image that an archive held. */
export interface LoadedImage {
  readonly image: Image;
  /** Full names with tags, such as `docker.io/library/busybox:latest`; none for an untagged image. */
  readonly names: readonly string[];
}

/**
 * Loads the images of an archive into a content store: docker's (`docker save`, old and new) or an OCI layout in a tar. Giving the images their names is the
 * caller's. When it fails, nothing that the archive brought stays.
 * @throws OciImageError `ARCHIVE_INVALID`, `ARCHIVE_UNSAFE`, `TAR_*`, `COMPRESSION_*`, `DIGEST_MISMATCH`, `DIFF_ID_MISMATCH`, `INVALID_DOCUMENT`, …
 */
export async function loadArchive(options: LoadOptions): Promise<LoadedImage[]> {
  const files = await ArchiveFiles.read(decompress(options.source), options.content, options);
  const needed = new Set<Digest>();
  try {
    const images = await readImages(files, options);
    for (const { image } of images) {
      for (const part of [image.descriptor, image.manifestDescriptor, image.manifest.config, ...image.manifest.layers]) needed.add(part.digest);
    }
    return images;
  } catch (error) {
    needed.clear();
    throw error;
  } finally {
    await files.discard(needed);
  }
}

async function readImages(files: ArchiveFiles, options: LoadOptions): Promise<LoadedImage[]> {
  const layout = files.document('oci-layout');
  const index = files.document('index.json');
  const docker = files.document('manifest.json');
  if (layout !== undefined && index !== undefined) {
    checkLayoutVersion(layout);
    return await layoutImages(parseLayoutIndex(index).manifests, docker === undefined ? [] : parseDockerManifest(docker), files, options);
  }
  if (docker === undefined) throw new OciImageError('ARCHIVE_INVALID', 'invalid archive: does not contain a manifest.json');
  const images: LoadedImage[] = [];
  for (const entry of parseDockerManifest(docker)) images.push(await dockerImage(entry, files, options));
  return images;
}

/** Several entries of an index may name one image. */
async function layoutImages(entries: readonly Descriptor[], docker: readonly DockerArchiveEntry[], files: ArchiveFiles, options: LoadOptions): Promise<LoadedImage[]> {
  const images = new Map<Digest, { image: Image; names: Set<string> }>();
  for (const entry of entries) {
    if (!isIndexMediaType(entry.mediaType) && !isManifestMediaType(entry.mediaType)) continue;
    const known = images.get(entry.digest) ?? { image: await layoutImage(entry, options), names: new Set<string>() };
    images.set(entry.digest, known);
    const name = nameOfEntry(entry);
    if (name !== undefined) known.names.add(name);
  }
  for (const { image, names } of images.values()) {
    const tagged = docker.filter((candidate) => names.size === 0 && files.find(candidate.config)?.digest === image.manifest.config.digest);
    for (const tag of tagged.flatMap((candidate) => candidate.repoTags)) names.add(fullName(tag));
  }
  return [...images.values()].map(({ image, names }) => ({ image, names: [...names] }));
}

async function layoutImage(entry: Descriptor, options: LoadOptions): Promise<Image> {
  const { mediaType, digest, size } = entry;
  try {
    const image = await loadImage(options.content, { mediaType, digest, size }, options.platform ?? hostPlatform());
    for (const layer of image.manifest.layers) await options.content.info(layer.digest);
    await checkDiffIds(image.config, image.manifest.layers, options);
    for (const part of new Set([image.descriptor, image.manifestDescriptor])) {
      const document = parseManifestDocument(await readContent(options.content, part.digest, MANIFEST_BYTES_MAX), part.mediaType);
      await options.content.updateLabels(part.digest, gcLabels(document, [image.manifestDescriptor.digest]));
    }
    return image;
  } catch (error) {
    if (isOciImageError(error, 'CONTENT_NOT_FOUND')) throw new OciImageError('ARCHIVE_INVALID', `archive is not complete: ${error.message}`, { cause: error });
    throw error;
  }
}

async function dockerImage(entry: DockerArchiveEntry, files: ArchiveFiles, options: LoadOptions): Promise<LoadedImage> {
  const names = entry.repoTags.map(fullName);
  const configBytes = await files.text(entry.config, IMAGE_CONFIG_BYTES_MAX);
  if (configBytes === undefined) throw missing(entry.config);
  const config = parseImageConfig(configBytes);
  if (config.rootfs.diff_ids.length !== entry.layers.length) {
    throw new OciImageError('ARCHIVE_INVALID', `invalid manifest, layers length mismatch: expected ${entry.layers.length}, got ${config.rootfs.diff_ids.length}`);
  }
  const layers: Descriptor[] = [];
  for (const path of entry.layers) {
    const file = files.find(path);
    if (file === undefined) throw missing(path);
    layers.push({ mediaType: await layerMediaType(file.digest, options.content), digest: file.digest, size: file.size });
  }
  await checkDiffIds(config, layers, options);
  checkPlatform(config, { platform: options.platform, name: names[0] ?? entry.config });
  return { image: await writeImage(options.content, { config, configBytes, layers, format: 'docker' }), names };
}

/** Media type by the blob's first bytes. */
async function layerMediaType(digest: Digest, content: LoadStore): Promise<string> {
  for await (const chunk of content.read(digest, { length: 6 })) {
    if (chunk[0] === 0x1f && chunk[1] === 0x8b) return MEDIA_TYPE.dockerLayerGzip;
    if (chunk[0] === 0x28 && chunk[1] === 0xb5 && chunk[2] === 0x2f && chunk[3] === 0xfd) return MEDIA_TYPE.dockerLayerZstd;
    break;
  }
  return MEDIA_TYPE.dockerLayer;
}

/** A layer that is not compressed has its diff id as digest; others are decompressed once to tell. */
async function checkDiffIds(config: ImageConfig, layers: readonly Descriptor[], options: LoadOptions): Promise<void> {
  for (const [position, layer] of layers.entries()) {
    const wanted = config.rootfs.diff_ids[position];
    if (wanted === undefined || wanted === layer.digest) continue;
    if (options.verifiesDiffIds === false && layer.mediaType !== MEDIA_TYPE.dockerLayer && layer.mediaType !== MEDIA_TYPE.ociLayer) continue;
    options.signal?.throwIfAborted();
    const digester = new Digester(digestAlgorithm(wanted));
    for await (const chunk of decompress(options.content.read(layer.digest))) digester.update(chunk);
    const actual = digester.digest();
    if (actual !== wanted) throw new OciImageError('DIFF_ID_MISMATCH', `invalid diffID for layer ${position}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(actual)}`);
  }
}

function fullName(tag: string): string {
  return canonicalReference(withDefaultTag(parseReference(tag)));
}

function missing(path: string): OciImageError {
  return new OciImageError('ARCHIVE_INVALID', `invalid archive: ${JSON.stringify(path)} is missing`);
}

/** What docker prints for a loaded image: its names, or its id when it has none. */
export function loadedMessages(loaded: LoadedImage): string[] {
  if (loaded.names.length === 0) return [`Loaded image ID: ${loaded.image.manifest.config.digest}`];
  return loaded.names.map((name) => `Loaded image: ${familiarReference(parseReference(name))}`);
}
