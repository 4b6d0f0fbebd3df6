import {
  type Descriptor, type Digest, type Image, type ImageReference, chainIds, chooseManifest, digestHex, digestOf, familiarReference, gcLabels, hostPlatform, isOciImageError, isReference, type Manifest,
  MEDIA_TYPE, parseImageConfig, parseManifestDocument, parseReference, withDefaultTag, withTag, writeContent,
} from '@dray/oci-image';
import type { Containerd } from '../containerd.ts';
import { EngineApiError, messageOf } from '../errors.ts';
import type { RouteContext } from '../http/index.ts';
import { ArchiveBlobs } from './archive-blobs.ts';
import { ContainerdContent } from './content-adapter.ts';
import type { ImageStore } from './image-store.ts';
import { withLease } from './lease.ts';
import { ProgressStream } from './progress.ts';

/** A manifest and, where the archive has it, its document as it was. */
interface FoundManifest { readonly manifest: Manifest; readonly bytes?: Buffer; readonly mediaType?: string }

/** An image found in an archive. */
interface FoundImage { readonly image: Image; readonly references: readonly ImageReference[] }

/** `POST /images/load`. */
export async function loadRoute(context: RouteContext, store: ImageStore): Promise<void> {
  const isQuiet = context.query.bool('quiet');
  const progress = new ProgressStream(() => context.startStream());
  try {
    await loadImages(store, context.body, (line) => progress.send({ stream: line }), (layer, size) => {
      if (!isQuiet) progress.layer(layer, 'Loading layer', { current: size, total: size });
    });
    progress.end();
  } catch (error) {
    progress.send({ errorDetail: { message: loadMessage(error) }, error: loadMessage(error) });
    progress.end();
  }
}

function loadMessage(error: unknown): string {
  if (isOciImageError(error, 'TAR_TRUNCATED')) return 'unexpected EOF';
  if (isOciImageError(error, 'TAR_INVALID')) return 'archive/tar: invalid tar header';
  return messageOf(error);
}

/**
 * Loads every image of a `docker save` archive or an OCI layout. `tell` gets docker's lines, `onLayer` each layer that was unpacked. Resolves to the images' ids.
 * @throws EngineApiError, OciImageError where the archive is none or is damaged; images before the damage stay
 */
export async function loadImages(store: ImageStore, archive: AsyncIterable<Uint8Array>, tell: (line: string) => void, onLayer: (id: string, sizeBytes: number) => void = () => undefined): Promise<string[]> {
  return withLease(store.containerd, async (leased) => {
    const blobs = await ArchiveBlobs.read(leased, archive);
    const ids: string[] = [];
    for (const found of await imagesIn(blobs, leased)) ids.push(await addFound(store, found, leased, tell, onLayer));
    return ids;
  });
}

async function imagesIn(blobs: ArchiveBlobs, leased: Containerd): Promise<FoundImage[]> {
  const manifestJson = blobs.document('manifest.json');
  if (manifestJson !== undefined) return imagesOfSave(blobs, manifestJson, leased);
  const indexJson = blobs.document('index.json');
  if (indexJson !== undefined) return imagesOfLayout(blobs, indexJson, leased);
  throw new EngineApiError('invalid_argument', 'ARCHIVE_INVALID', 'open manifest.json: no such file or directory');
}

async function addFound(store: ImageStore, { image, references }: FoundImage, leased: Containerd, tell: (line: string) => void, onLayer: (id: string, sizeBytes: number) => void): Promise<string> {
  const chain = chainIds(image.config.rootfs.diff_ids);
  const before = new Set(await Promise.all(chain.map(async (chainId) => await store.catalog.layerSizeBytes(chainId) > 0 ? chainId : undefined)));
  const description = await store.add(leased, image, references[0]);
  for (const [index, chainId] of chain.entries()) {
    if (!before.has(chainId)) onLayer(digestHex(image.config.rootfs.diff_ids[index] ?? chainId).slice(0, 12), image.manifest.layers[index]?.size ?? 0);
  }
  for (const reference of references.slice(1)) await store.setName(reference, description);
  store.announce('load', description.id, description.id, image.config.config?.Labels);
  if (references.length === 0) tell(`Loaded image ID: ${description.id}\n`);
  for (const reference of references) tell(`Loaded image: ${familiarReference(reference)}\n`);
  return description.id;
}

interface SavedItem { readonly config: string; readonly tags: readonly string[]; readonly layers: readonly string[] }

async function imagesOfSave(blobs: ArchiveBlobs, manifestJson: Buffer, leased: Containerd): Promise<FoundImage[]> {
  const found: FoundImage[] = [];
  for (const item of parseSaveManifest(manifestJson)) {
    const configBytes = blobs.document(item.config);
    if (configBytes === undefined) throw invalidArchive(`open ${item.config}: no such file or directory`);
    const layers = item.layers.map((path) => {
      const file = blobs.file(path);
      if (file === undefined) throw invalidArchive(`open ${path}: no such file or directory`);
      return file;
    });
    const config: Descriptor = { mediaType: MEDIA_TYPE.ociConfig, digest: digestOf(configBytes), size: configBytes.length };
    const manifest = originalManifest(blobs, config.digest) ?? { manifest: { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config, layers } };
    found.push({ image: await storeImage(leased, manifest, configBytes), references: item.tags.map((tag) => withDefaultTag(parseReference(tag))) });
  }
  return found;
}

function parseSaveManifest(bytes: Buffer): SavedItem[] {
  const document: unknown = parseJson(bytes, 'manifest.json');
  if (!Array.isArray(document)) throw invalidArchive('invalid manifest.json: want a list');
  return document.map((item: unknown): SavedItem => {
    const { Config: config, RepoTags: tags, Layers: layers } = (item ?? {}) as Record<string, unknown>;
    if (typeof config !== 'string' || !isStrings(layers) || !(tags === null || tags === undefined || isStrings(tags))) throw invalidArchive('invalid manifest.json: an image lacks Config or Layers');
    for (const tag of tags ?? []) if (!isReference(tag)) throw invalidArchive(`invalid tag ${JSON.stringify(tag)}`);
    return { config, tags: tags ?? [], layers };
  });
}

/** The manifest that the archive's index names for a configuration, so that the digest stays what it was. */
function originalManifest(blobs: ArchiveBlobs, configDigest: Digest): FoundManifest | undefined {
  const index = blobs.document('index.json');
  if (index === undefined) return undefined;
  const document = parseManifestDocument(index, MEDIA_TYPE.ociIndex);
  for (const descriptor of document.kind === 'index' ? document.index.manifests : []) {
    const bytes = blobs.documentOf(descriptor.digest);
    const inner = bytes === undefined || digestOf(bytes) !== descriptor.digest ? undefined : parseManifestDocument(bytes, descriptor.mediaType);
    if (bytes !== undefined && inner?.kind === 'manifest' && inner.manifest.config.digest === configDigest && inner.manifest.layers.every((layer) => blobs.hasBlob(layer))) {
      return { manifest: inner.manifest, bytes, mediaType: inner.mediaType };
    }
  }
  return undefined;
}

async function imagesOfLayout(blobs: ArchiveBlobs, indexJson: Buffer, leased: Containerd): Promise<FoundImage[]> {
  const document = parseManifestDocument(indexJson, MEDIA_TYPE.ociIndex);
  const found: FoundImage[] = [];
  for (const descriptor of document.kind === 'index' ? document.index.manifests : []) {
    const original = manifestOf(blobs, descriptor);
    const { manifest } = original;
    const configBytes = blobs.documentOf(manifest.config.digest);
    if (configBytes === undefined) throw invalidArchive(`open blobs/${manifest.config.digest.replace(':', '/')}: no such file or directory`);
    const missing = manifest.layers.find((layer) => !blobs.hasBlob(layer));
    if (missing !== undefined) throw invalidArchive(`open blobs/${missing.digest.replace(':', '/')}: no such file or directory`);
    const reference = layoutReference(descriptor);
    found.push({ image: await storeImage(leased, original, configBytes), references: reference === undefined ? [] : [reference] });
  }
  return found;
}

function manifestOf(blobs: ArchiveBlobs, descriptor: Descriptor, depth = 0): FoundManifest {
  const bytes = blobs.documentOf(descriptor.digest);
  if (bytes === undefined || digestOf(bytes) !== descriptor.digest || depth > 4) throw invalidArchive(`blob ${descriptor.digest} is missing or damaged`);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  return document.kind === 'manifest' ? { manifest: document.manifest, bytes, mediaType: document.mediaType } : manifestOf(blobs, chooseManifest(document.index, hostPlatform()), depth + 1);
}

function layoutReference({ annotations }: Descriptor): ImageReference | undefined {
  const full = annotations?.['io.containerd.image.name'];
  if (full !== undefined && isReference(full)) return withDefaultTag(parseReference(full));
  const name = annotations?.['org.opencontainers.image.ref.name'];
  if (name === undefined || !isReference(name) || !/[/:]/.test(name)) return undefined; // a bare tag has no repository to belong to
  const reference = parseReference(name);
  return reference.tag === undefined ? withTag(reference, 'latest') : reference;
}

/** Checks an image and writes its manifest, which older archives do not hold as a blob. */
async function storeImage(leased: Containerd, { manifest, ...original }: FoundManifest, configBytes: Buffer): Promise<Image> {
  const config = parseImageConfig(configBytes);
  if (config.rootfs.diff_ids.length !== manifest.layers.length) throw invalidArchive(`invalid manifest, layers length mismatch: expected ${config.rootfs.diff_ids.length}, got ${manifest.layers.length}`);
  for (const [index, layer] of manifest.layers.entries()) {
    const wanted = config.rootfs.diff_ids[index];
    if (layer.mediaType === MEDIA_TYPE.ociLayer && layer.digest !== wanted) throw invalidArchive(`invalid diffID for layer ${index}: expected ${JSON.stringify(wanted)}, got ${JSON.stringify(layer.digest)}`);
  }
  const bytes = original.bytes ?? Buffer.from(JSON.stringify(manifest));
  const descriptor: Descriptor = { mediaType: original.mediaType ?? MEDIA_TYPE.ociManifest, digest: digestOf(bytes), size: bytes.length };
  await writeContent(new ContainerdContent(leased), descriptor, bytes, gcLabels(parseManifestDocument(bytes, descriptor.mediaType), []));
  return { descriptor, manifestDescriptor: descriptor, manifest, config, configBytes };
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function parseJson(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw invalidArchive(`invalid ${name}: ${messageOf(error)}`);
  }
}

function invalidArchive(message: string): EngineApiError {
  return new EngineApiError('invalid_argument', 'ARCHIVE_INVALID', message);
}
