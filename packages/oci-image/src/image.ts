import { type ContentProvider, readContent } from './content/index.ts';
import type { Digest } from './digest.ts';
import { invalidDocument } from './document.ts';
import { OciImageError } from './errors.ts';
import { IMAGE_CONFIG_BYTES_MAX, type ImageConfig, parseImageConfig, platformOfConfig } from './image-config.ts';
import { type Descriptor, type Index, isAttestation, type Manifest, MANIFEST_BYTES_MAX, type ManifestDocument, parseManifestDocument } from './manifest.ts';
import { isIndexMediaType, isLayerMediaType, isManifestMediaType } from './media-types.ts';
import { choosePlatform, formatPlatform, isPlatformCompatible, type Platform } from './platform.ts';

/** One image for one platform, with everything that describes it. */
export interface Image {
  /** What the reference names: an index or a manifest. */
  readonly descriptor: Descriptor;
  /** The manifest of the chosen platform; the same as `descriptor` when that is no index. */
  readonly manifestDescriptor: Descriptor;
  readonly manifest: Manifest;
  /** The configuration's descriptor is the manifest's `config`; its digest is docker's image id. */
  readonly config: ImageConfig;
  /** The configuration's exact bytes. */
  readonly configBytes: Uint8Array;
}

/** Indexes may nest this deep. */
const INDEX_DEPTH_MAX = 4;

/**
 * Chooses an index's entry for `platform`. Attestations and media types that are unknown are passed over; a single entry without a platform counts.
 * @throws OciImageError `NO_MATCHING_PLATFORM`, worded as docker does
 */
export function chooseManifest(index: Index, platform: Platform): Descriptor {
  const candidates = index.manifests.filter((entry) => !isAttestation(entry) && (isManifestMediaType(entry.mediaType) || isIndexMediaType(entry.mediaType)));
  const position = choosePlatform(candidates.map((entry) => entry.platform), platform);
  const unnamed = candidates.filter((entry) => entry.platform === undefined);
  const chosen = position >= 0 ? candidates[position] : unnamed.length === 1 ? unnamed[0] : undefined;
  if (chosen === undefined) {
    throw new OciImageError('NO_MATCHING_PLATFORM', `no matching manifest for ${formatPlatform(platform)} in the manifest list entries`);
  }
  return chosen;
}

/**
 * Follows indexes down to the manifest for `platform`.
 * @param fetch reads a manifest document; it must check the digest
 */
export async function descend(
  root: { readonly descriptor: Descriptor; readonly document: ManifestDocument },
  platform: Platform,
  fetch: (descriptor: Descriptor) => Promise<ManifestDocument>,
): Promise<{ readonly descriptor: Descriptor; readonly manifest: Manifest }> {
  let { descriptor, document } = root;
  for (let depth = 0; document.kind === 'index'; depth += 1) {
    if (depth >= INDEX_DEPTH_MAX) throw new OciImageError('INVALID_DOCUMENT', `index ${root.descriptor.digest} nests deeper than ${INDEX_DEPTH_MAX}`);
    descriptor = chooseManifest(document.index, platform);
    document = await fetch(descriptor);
  }
  return { descriptor, manifest: document.manifest };
}

/**
 * Parses the configuration that `manifest` names and checks that both tell the same layers.
 * @throws OciImageError `INVALID_DOCUMENT`; `NO_MATCHING_PLATFORM` when `platform` is given and the image is for another
 */
export function readImageConfig(manifest: Manifest, configBytes: Uint8Array, options: { readonly platform?: Platform | undefined; readonly name: string }): ImageConfig {
  const stray = manifest.layers.find((layer) => !isLayerMediaType(layer.mediaType));
  if (stray !== undefined) {
    throw new OciImageError('UNSUPPORTED_MEDIA_TYPE', `media type ${JSON.stringify(stray.mediaType)} of ${stray.digest} is not an image layer`);
  }
  const config = parseImageConfig(configBytes);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    return invalidDocument('image config', `names ${config.rootfs.diff_ids.length} layers, the manifest has ${manifest.layers.length}`);
  }
  checkPlatform(config, options);
  return config;
}

/** Refuses an image that is for another platform than asked for. @throws OciImageError `NO_MATCHING_PLATFORM` */
export function checkPlatform(config: ImageConfig, options: { readonly platform?: Platform | undefined; readonly name: string }): void {
  const actual = platformOfConfig(config);
  if (options.platform === undefined || isPlatformCompatible(actual, options.platform)) return;
  throw new OciImageError('NO_MATCHING_PLATFORM', `image with reference ${options.name} was found but does not match the specified platform: wanted ${formatPlatform(options.platform)}, actual: ${formatPlatform(actual)}`);
}

/**
 * Reads an image that is in a content store already.
 * @throws OciImageError kind `not_found` when a part is missing, and as {@link readImageConfig}
 */
export async function loadImage(content: ContentProvider, descriptor: Descriptor, platform: Platform): Promise<Image> {
  const fetch = async (wanted: Descriptor): Promise<ManifestDocument> => parseManifestDocument(await readContent(content, wanted.digest, MANIFEST_BYTES_MAX), wanted.mediaType);
  const chosen = await descend({ descriptor, document: await fetch(descriptor) }, platform, fetch);
  const configBytes = await readContent(content, chosen.manifest.config.digest, IMAGE_CONFIG_BYTES_MAX);
  const config = readImageConfig(chosen.manifest, configBytes, { name: descriptor.digest });
  return { descriptor, manifestDescriptor: chosen.descriptor, manifest: chosen.manifest, config, configBytes };
}

/** The labels by which containerd's garbage collector keeps what a manifest document names. */
export function gcLabels(document: ManifestDocument, kept: readonly Digest[]): Record<string, string> {
  const prefix = 'containerd.io/gc.ref.content';
  if (document.kind === 'index') {
    const manifests = document.index.manifests.filter((entry) => kept.includes(entry.digest));
    return Object.fromEntries(manifests.map((entry, index) => [`${prefix}.m.${index}`, entry.digest]));
  }
  const layers = document.manifest.layers.map((layer, index): [string, string] => [`${prefix}.l.${index}`, layer.digest]);
  return Object.fromEntries([[`${prefix}.config`, document.manifest.config.digest], ...layers]);
}
