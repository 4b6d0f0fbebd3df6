export { type ErrorKind, isOciImageError, OciImageError, type OciImageErrorCode } from './errors.ts';
export { chainIds, type Digest, type DigestAlgorithm, digestAlgorithm, Digester, digestHex, digestOf, isDigest, parseDigest } from './digest.ts';
export {
  canonicalName, canonicalReference, DEFAULT_DOMAIN, DEFAULT_TAG, familiarName, familiarReference, type ImageReference, isReference, isTag, parseReference, withDefaultTag, withDigest, withTag,
} from './reference.ts';
export { type Compression, compressionOfMediaType, isConfigMediaType, isForeignLayerMediaType, isIndexMediaType, isLayerMediaType, isManifestMediaType, MEDIA_TYPE } from './media-types.ts';
export { choosePlatform, compatiblePlatforms, formatPlatform, hostPlatform, isPlatformCompatible, normalizePlatform, parsePlatform, type Platform } from './platform.ts';
export {
  type Descriptor, type Index, isAttestation, type Manifest, MANIFEST_BYTES_MAX, type ManifestDocument, parseIndex, parseManifest, parseManifestDocument, readDescriptor,
} from './manifest.ts';
export {
  type ContainerDefaults, encodeImageConfig, type HealthConfig, type HistoryEntry, IMAGE_CONFIG_BYTES_MAX, type ImageConfig, parseImageConfig, platformOfConfig, readContainerDefaults,
} from './image-config.ts';
export { chooseManifest, gcLabels, type Image, loadImage } from './image.ts';
export * from './content/index.ts';
export * from './registry/index.ts';
export { type LayerProgress, type LayerUnpacker, PARALLEL_LAYERS_DEFAULT, pull, type PullEvent, type PullOptions, type PullSource, sourceLabel, type UnpackRequest } from './pull.ts';
export * from './bundle/index.ts';
export { decompress, type DecompressionLimits, sniffCompression } from './compression.ts';
export * from './tar/index.ts';
export * from './archive/index.ts';
export { type ImageFormat, writeImage } from './image-write.ts';
export { applyLayer, packTree, readFileFromLayers } from './layers-lazy.ts';
export type { AppliedLayer, ApplyLayerOptions } from './layers/apply-here.ts';
export type { PackedLayer, PackLayerOptions } from './layers/pack-here.ts';
export type { LayerForm } from './layers/target-tree.ts';
export type { LayerLimits } from './layers/limits.ts';
export type { PackTreeOptions } from './layers/tree-reader.ts';
export { LayerWorkers, type LayerWorkersOptions } from './layers/workers.ts';
export { PARALLEL_UPLOADS_DEFAULT, push, type PushEvent, type PushOptions } from './push.ts';
