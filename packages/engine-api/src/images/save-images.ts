import type { Writable } from 'node:stream';
import { type Descriptor, type Digest, encodeTarEnd, encodeTarHeader, familiarName, MEDIA_TYPE, tarPadding } from '@dray/oci-image';
import { type CataloguedImage, repoTags } from './image-catalog.ts';
import { ContainerdContent } from './content-adapter.ts';
import { parseName } from './image-names.ts';
import type { ImageStore } from './image-store.ts';

/** An image to save, under which names. */
interface SavedImage { readonly image: CataloguedImage; readonly tags: string[] }

/** Finds what `docker save` is to hold: every named image once, with the names that were given. @throws EngineApiError not_found */
export async function imagesToSave(store: ImageStore, names: readonly string[]): Promise<SavedImage[]> {
  const saved = new Map<Digest, SavedImage>();
  for (const name of names) {
    const found = await store.find(name);
    const image = await store.catalog.ofId(found.id);
    if (image === undefined) continue;
    const entry = saved.get(image.id) ?? { image, tags: [] };
    const isId = image.id.startsWith(name) || image.id.startsWith(`sha256:${name}`);
    const given = isId ? [] : repoTags(image).filter((tag) => tag === familiarTagOf(name) || (!name.includes(':') && familiarName(parseName(tag)) === familiarName(parseName(name))));
    entry.tags.push(...given.filter((tag) => !entry.tags.includes(tag)));
    saved.set(image.id, entry);
  }
  return [...saved.values()];
}

function familiarTagOf(name: string): string {
  const reference = parseName(name);
  return `${familiarName(reference)}:${reference.tag ?? ''}`;
}

/** Writes a `docker save` archive that is an OCI layout as well. */
export async function saveImages(store: ImageStore, images: readonly SavedImage[], output: Writable): Promise<void> {
  const archive = new ArchiveWriter(output);
  const content = new ContainerdContent(store.containerd);
  const manifests: Descriptor[] = [];
  for (const { image, tags } of images) {
    const { manifest, manifestDescriptor } = image.image;
    for (const blob of [...manifest.layers, manifest.config, manifestDescriptor]) await archive.addBlob(blob, content.read(blob.digest));
    const plain = { mediaType: manifestDescriptor.mediaType, digest: manifestDescriptor.digest, size: manifestDescriptor.size };
    manifests.push(...tags.length === 0 ? [plain] : tags.map((tag) => ({ ...plain, annotations: { 'io.containerd.image.name': fullName(tag), 'org.opencontainers.image.ref.name': parseName(tag).tag ?? '' } })));
  }
  await archive.addDocument('index.json', { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests });
  await archive.addDocument('manifest.json', images.map(({ image, tags }) => ({ Config: pathOf(image.id), RepoTags: tags.length === 0 ? null : tags, Layers: image.image.manifest.layers.map((layer) => pathOf(layer.digest)) })));
  await archive.addDocument('oci-layout', { imageLayoutVersion: '1.0.0' });
  await archive.addDocument('repositories', repositories(images));
  await archive.end();
  for (const { image } of images) store.announce('save', image.id, image.id, image.config.config?.Labels);
}

function fullName(tag: string): string {
  const { domain, path, tag: name } = parseName(tag);
  return `${domain}/${path}:${name ?? ''}`;
}

function repositories(images: readonly SavedImage[]): Record<string, Record<string, string>> {
  const result: Record<string, Record<string, string>> = {};
  for (const { image, tags } of images) {
    for (const tag of tags) {
      const reference = parseName(tag);
      (result[familiarName(reference)] ??= {})[reference.tag ?? ''] = image.config.rootfs.diff_ids.at(-1)?.slice('sha256:'.length) ?? '';
    }
  }
  return result;
}

function pathOf(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

/** A tar on its way to a client, at the client's pace. */
class ArchiveWriter {
  readonly #output: Writable;
  readonly #folders = new Set<string>();
  readonly #written = new Set<Digest>();

  constructor(output: Writable) {
    this.#output = output;
  }

  async addBlob(descriptor: Descriptor, body: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#written.has(descriptor.digest)) return;
    this.#written.add(descriptor.digest);
    await this.#addFile(pathOf(descriptor.digest), descriptor.size, body);
  }

  async addDocument(path: string, document: unknown): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(document));
    await this.#addFile(path, bytes.length, [bytes]);
  }

  async #addFile(path: string, size: number, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    await this.#addFolders(path);
    await this.#write(encodeTarHeader({ type: 'file', path, size }));
    for await (const chunk of body) await this.#write(chunk);
    await this.#write(tarPadding(size));
  }

  async #addFolders(path: string): Promise<void> {
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      const folder = path.slice(0, slash + 1);
      if (this.#folders.has(folder)) continue;
      this.#folders.add(folder);
      await this.#write(encodeTarHeader({ type: 'directory', path: folder }));
    }
  }

  async end(): Promise<void> {
    await this.#write(encodeTarEnd());
    this.#output.end();
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.byteLength === 0 || this.#output.write(bytes)) return;
    await new Promise<void>((resolve, reject) => {
      const done = (settle: () => void) => (): void => {
        this.#output.off('drain', onDrain).off('close', onClose);
        settle();
      };
      const onDrain = done(resolve);
      const onClose = done(() => reject(new Error('the client left before the archive was whole')));
      this.#output.on('drain', onDrain).on('close', onClose);
    });
  }
}
