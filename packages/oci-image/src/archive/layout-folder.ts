import { open, mkdir, readFile, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FileContentStore } from '../content/index.ts';
import { OciImageError } from '../errors.ts';
import type { Descriptor } from '../manifest.ts';
import { MEDIA_TYPE } from '../media-types.ts';
import { checkLayoutVersion, parseLayoutIndex, REF_NAME_ANNOTATION } from './documents.ts';

/**
 * An OCI image layout in a folder: a content store with an index of tags. The index is replaced by rename, so it is whole at any time; two processes must not write at
 * once.
 * @see image-spec image-layout.md
 */
export class LayoutFolder {
  readonly path: string;
  readonly content: FileContentStore;

  private constructor(path: string) {
    this.path = path;
    this.content = new FileContentStore({ root: path });
  }

  /**
   * Opens a layout.
   * @throws OciImageError `ARCHIVE_INVALID` when the folder is no layout, and `create` is not set or other things are in it
   */
  static async open(path: string, options: { readonly create?: boolean } = {}): Promise<LayoutFolder> {
    const layout = new LayoutFolder(path);
    const marker = await readFile(join(path, 'oci-layout')).catch(() => undefined);
    if (marker !== undefined) {
      checkLayoutVersion(marker);
      return layout;
    }
    if (options.create !== true) throw new OciImageError('ARCHIVE_INVALID', `${JSON.stringify(path)} is not an OCI image layout`, { kind: 'not_found' });
    await mkdir(join(path, 'blobs', 'sha256'), { recursive: true });
    await layout.#replace('index.json', { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] });
    await layout.#replace('oci-layout', { imageLayoutVersion: '1.0.0' });
    return layout;
  }

  /** The entries of the index. */
  async list(): Promise<readonly Descriptor[]> {
    return parseLayoutIndex(await readFile(join(this.path, 'index.json'))).manifests;
  }

  /**
   * The entry with a tag; without one, the only entry.
   * @throws OciImageError kind `not_found`
   */
  async find(tag?: string): Promise<Descriptor> {
    const entries = await this.list();
    const matching = tag === undefined ? entries : entries.filter((entry) => entry.annotations?.[REF_NAME_ANNOTATION] === tag);
    const [first, ...others] = matching;
    if (first === undefined || (tag === undefined && others.length > 0)) {
      throw new OciImageError('MANIFEST_UNKNOWN', tag === undefined ? `${JSON.stringify(this.path)} holds ${entries.length} images: name one by its tag` : `${JSON.stringify(this.path)} has no image tagged ${JSON.stringify(tag)}`);
    }
    return first;
  }

  /** Gives a tag to an image whose parts are in the store; whatever had it loses it. */
  async tag(tag: string, descriptor: Descriptor): Promise<void> {
    const { mediaType, digest, size } = descriptor;
    const others = (await this.list()).filter((entry) => entry.annotations?.[REF_NAME_ANNOTATION] !== tag);
    await this.#replace('index.json', { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [...others, { mediaType, digest, size, annotations: { [REF_NAME_ANNOTATION]: tag } }] });
    await rmdir(join(this.path, 'ingest')).catch(() => undefined); // Other tools need not see an empty folder; one that is not empty stays.
  }

  async #replace(name: string, document: unknown): Promise<void> {
    const temporary = join(this.path, `.${name}.tmp`);
    {
      await using file = await open(temporary, 'w', 0o644);
      await file.writeFile(JSON.stringify(document));
      await file.sync();
    }
    await rename(temporary, join(this.path, name));
  }
}
