import { type ContentProvider, readContent } from '../content/index.ts';
import { type Digest, digestHex } from '../digest.ts';
import type { Image } from '../image.ts';
import { type Descriptor, MANIFEST_BYTES_MAX } from '../manifest.ts';
import { familiarName, familiarReference, parseReference } from '../reference.ts';
import { encodeTarEnd, encodeTarHeader, tarPadding } from '../tar/index.ts';
import { IMAGE_NAME_ANNOTATION, LAYOUT_INDEX_MEDIA_TYPE, REF_NAME_ANNOTATION } from './documents.ts';

/** An image to save, with the full names it should have in the archive. */
export interface SavedImage {
  readonly image: Image;
  readonly names: readonly string[];
}

/**
 * Writes images as docker's archive of version 25 and later: an OCI layout, and beside it `manifest.json` and `repositories` for everything older. Blobs are
 * written once, as they are in the store. The same images give the same bytes.
 * @throws OciImageError kind `not_found` when a blob is missing
 */
export async function* saveArchive(options: { readonly content: ContentProvider; readonly images: readonly SavedImage[]; readonly signal?: AbortSignal }): AsyncGenerator<Uint8Array, void, void> {
  const { content, images, signal } = options;
  for (const folder of ['blobs/', 'blobs/sha256/']) yield encodeTarHeader({ type: 'directory', path: folder });
  for (const descriptor of blobsOf(images)) {
    signal?.throwIfAborted();
    yield* blobEntry(content, descriptor, signal);
  }
  for (const [path, document] of documentsOf(images)) yield fileEntry(path, Buffer.from(JSON.stringify(document), 'utf8'));
  yield encodeTarEnd();
}

/** Every blob once, in the order of the images. */
function blobsOf(images: readonly SavedImage[]): Descriptor[] {
  const blobs = new Map<Digest, Descriptor>();
  for (const { image } of images) {
    for (const part of [...image.manifest.layers, image.manifest.config, image.manifestDescriptor]) blobs.set(part.digest, part);
  }
  return [...blobs.values()];
}

async function* blobEntry(content: ContentProvider, descriptor: Descriptor, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, void> {
  const { size } = await content.info(descriptor.digest);
  yield encodeTarHeader({ type: 'file', path: blobPath(descriptor.digest), size });
  if (size <= MANIFEST_BYTES_MAX) yield await readContent(content, descriptor.digest, MANIFEST_BYTES_MAX);
  else yield* content.read(descriptor.digest, signal === undefined ? {} : { signal });
  if (size % 512 !== 0) yield tarPadding(size);
}

function documentsOf(images: readonly SavedImage[]): [string, unknown][] {
  const manifests = images.flatMap(({ image, names }) => {
    const { mediaType, digest, size } = image.manifestDescriptor;
    const platform = { architecture: image.config.architecture, os: image.config.os, ...(image.config.variant === undefined ? {} : { variant: image.config.variant }) };
    const entry = { mediaType, digest, size, platform };
    if (names.length === 0) return [entry];
    return names.map((name) => ({ ...entry, annotations: { [IMAGE_NAME_ANNOTATION]: name, [REF_NAME_ANNOTATION]: parseReference(name).tag ?? '' } }));
  });
  const docker = images.map(({ image, names }) => ({
    Config: blobPath(image.manifest.config.digest),
    RepoTags: names.length === 0 ? null : names.map((name) => familiarReference(parseReference(name))),
    Layers: image.manifest.layers.map((layer) => blobPath(layer.digest)),
  }));
  const repositories = repositoriesOf(images);
  return [
    ['index.json', { schemaVersion: 2, mediaType: LAYOUT_INDEX_MEDIA_TYPE, manifests }],
    ['manifest.json', docker],
    ['oci-layout', { imageLayoutVersion: '1.0.0' }],
    ...(Object.keys(repositories).length === 0 ? [] : [['repositories', repositories] satisfies [string, unknown]]),
  ];
}

function repositoriesOf(images: readonly SavedImage[]): Record<string, Record<string, string>> {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, names } of images) {
    for (const reference of names.map(parseReference)) {
      const top = image.manifest.layers.at(-1);
      if (reference.tag !== undefined && top !== undefined) (repositories[familiarName(reference)] ??= {})[reference.tag] = digestHex(top.digest);
    }
  }
  return repositories;
}

function fileEntry(path: string, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([encodeTarHeader({ type: 'file', path, size: bytes.byteLength }), bytes, tarPadding(bytes.byteLength)]);
}

function blobPath(digest: Digest): string {
  return `blobs/${digest.slice(0, digest.indexOf(':'))}/${digestHex(digest)}`;
}
