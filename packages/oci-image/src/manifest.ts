import { type Digest, digestOf, parseDigest } from './digest.ts';
import { asArray, asObject, asSize, asString, asStringMap, asStrings, invalidDocument, type JsonObject, optional, parseJson } from './document.ts';
import { OciImageError } from './errors.ts';
import { isIndexMediaType, isManifestMediaType, MEDIA_TYPE } from './media-types.ts';
import { type Platform, readPlatform } from './platform.ts';

/** Largest manifest or index that is read: what registries must accept at least. */
export const MANIFEST_BYTES_MAX: number = 4 * 1024 * 1024;

/** A pointer to content: its type, digest and size. @see image-spec descriptor.md */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** The content itself, base64. Checked against digest and size when it was parsed. */
  readonly data?: string;
  readonly platform?: Platform;
  readonly artifactType?: string;
}

/** One image for one platform. @see image-spec manifest.md */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A list of manifests, usually one for each platform. @see image-spec image-index.md */
export interface Index {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What a registry serves under a manifest reference. */
export type ManifestDocument =
  | { readonly kind: 'manifest'; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: 'index'; readonly mediaType: string; readonly index: Index };

/**
 * Parses a manifest or an index. The type comes from `mediaType` (the descriptor's or Content-Type) and must agree with the body's own; a body that could be
 * read both ways is refused (CVE-2021-41190).
 * @throws OciImageError `DOCUMENT_TOO_LARGE`, `INVALID_DOCUMENT`, `INVALID_DIGEST`, `UNSUPPORTED_MEDIA_TYPE`
 */
export function parseManifestDocument(bytes: Uint8Array, mediaType?: string): ManifestDocument {
  const object = asObject(parseJson(bytes, { what: 'manifest', bytesMax: MANIFEST_BYTES_MAX }), 'manifest');
  if (object['schemaVersion'] === 1 || mediaType === MEDIA_TYPE.dockerSchema1 || mediaType === MEDIA_TYPE.dockerSchema1Signed) {
    throw new OciImageError('UNSUPPORTED_MEDIA_TYPE', 'Docker Image manifest version 2, schema 1 is not supported: the image must be pushed again in a newer format');
  }
  const type = documentType(object, mediaType);
  if (isIndexMediaType(type)) return { kind: 'index', mediaType: type, index: readIndex(object) };
  if (isManifestMediaType(type)) return { kind: 'manifest', mediaType: type, manifest: readManifest(object) };
  throw new OciImageError('UNSUPPORTED_MEDIA_TYPE', `media type ${JSON.stringify(type)} is neither a manifest nor an index`);
}

/** Parses an image manifest. @throws as {@link parseManifestDocument} */
export function parseManifest(bytes: Uint8Array, mediaType?: string): Manifest {
  const document = parseManifestDocument(bytes, mediaType);
  if (document.kind !== 'manifest') return invalidDocument('manifest', 'is an index');
  return document.manifest;
}

/** Parses an index or a manifest list. @throws as {@link parseManifestDocument} */
export function parseIndex(bytes: Uint8Array, mediaType?: string): Index {
  const document = parseManifestDocument(bytes, mediaType);
  if (document.kind !== 'index') return invalidDocument('index', 'is a manifest');
  return document.index;
}

/** Reads one descriptor. @throws OciImageError `INVALID_DOCUMENT`, `INVALID_DIGEST`, `DIGEST_MISMATCH` */
export function readDescriptor(value: unknown, path: string): Descriptor {
  const object = asObject(value, path);
  const descriptor: Descriptor = {
    mediaType: asString(object['mediaType'], `${path}.mediaType`),
    digest: parseDigest(asString(object['digest'], `${path}.digest`)),
    size: asSize(object['size'], `${path}.size`),
    ...optional(object, path, 'urls', asStrings),
    ...optional(object, path, 'annotations', asStringMap),
    ...optional(object, path, 'data', asString),
    ...optional(object, path, 'platform', readPlatform),
    ...optional(object, path, 'artifactType', asString),
  };
  if (descriptor.data !== undefined) checkEmbedded(descriptor, path);
  return descriptor;
}

/** The content a descriptor carries itself, if it does. */
export function embeddedContent(descriptor: Descriptor): Uint8Array | undefined {
  return descriptor.data === undefined ? undefined : Buffer.from(descriptor.data, 'base64');
}

/** Whether `descriptor` is an attestation or another entry that is no image to run. */
export function isAttestation(descriptor: Descriptor): boolean {
  return descriptor.annotations?.['vnd.docker.reference.type'] !== undefined
    || (descriptor.platform?.os === 'unknown' && descriptor.platform.architecture === 'unknown');
}

function documentType(object: JsonObject, outer: string | undefined): string {
  const own = optional(object, 'manifest', 'mediaType', asString).mediaType;
  if (own !== undefined && outer !== undefined && own !== outer) {
    return invalidDocument('manifest.mediaType', `is ${JSON.stringify(own)}, but it was announced as ${JSON.stringify(outer)}`);
  }
  const hasManifests = isPresent(object['manifests']);
  const hasLayers = isPresent(object['layers']) || isPresent(object['config']);
  if (isPresent(object['fsLayers']) || (hasManifests && hasLayers)) return invalidDocument('manifest', 'has the fields of more than one type of document');
  const type = own ?? outer ?? (hasManifests ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.ociManifest);
  if (isIndexMediaType(type) && hasLayers) return invalidDocument('index', 'has the fields of a manifest');
  if (isManifestMediaType(type) && hasManifests) return invalidDocument('manifest', 'has the fields of an index');
  return type;
}

function readManifest(object: JsonObject): Manifest {
  return {
    ...readCommon(object, 'manifest'),
    config: readDescriptor(object['config'], 'manifest.config'),
    layers: asArray(object['layers'] ?? [], 'manifest.layers', readDescriptor),
  };
}

function readIndex(object: JsonObject): Index {
  return { ...readCommon(object, 'index'), manifests: asArray(object['manifests'] ?? [], 'index.manifests', readDescriptor) };
}

function readCommon(object: JsonObject, path: string): Omit<Index, 'manifests'> {
  if (object['schemaVersion'] !== 2) return invalidDocument(`${path}.schemaVersion`, 'must be 2');
  return {
    schemaVersion: 2,
    ...optional(object, path, 'mediaType', asString),
    ...optional(object, path, 'artifactType', asString),
    ...optional(object, path, 'subject', readDescriptor),
    ...optional(object, path, 'annotations', asStringMap),
  };
}

function checkEmbedded(descriptor: Descriptor, path: string): void {
  const content = embeddedContent(descriptor);
  if (content?.byteLength !== descriptor.size) throw new OciImageError('SIZE_MISMATCH', `${path}.data is ${content?.byteLength ?? 0} bytes, want ${descriptor.size}`);
  const algorithm = descriptor.digest.startsWith('sha512:') ? 'sha512' : descriptor.digest.startsWith('sha384:') ? 'sha384' : 'sha256';
  if (digestOf(content, algorithm) !== descriptor.digest) throw new OciImageError('DIGEST_MISMATCH', `${path}.data does not have the digest ${descriptor.digest}`);
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
