import { randomUUID } from 'node:crypto';
import { type ContentManager, type ContentSink, isAlreadyExists, openWriterPatiently, readContent } from '../content/index.ts';
import { type Digest, Digester, isDigest } from '../digest.ts';
import { OciImageError } from '../errors.ts';
import { readTar, type TarEntry } from '../tar/index.ts';
import { archivePath } from './documents.ts';

/** The store a load writes to. With `delete`, blobs that turn out not to be needed are removed again; without, the store's garbage collection does it. */
export type LoadStore = ContentSink & Partial<Pick<ContentManager, 'delete'>>;

/** A file of an archive that is in the store now. */
export interface ArchiveFile {
  readonly digest: Digest;
  readonly size: number;
}

/** Most files and links of an archive. */
const FILES_MAX = 20_000;
/** Links followed from one name. */
const LINKS_MAX = 16;
/** Documents that are kept in memory, and the most bytes of each. */
const DOCUMENTS: ReadonlySet<string> = new Set(['manifest.json', 'index.json', 'oci-layout']);
const DOCUMENT_BYTES_MAX: number = 4 * 1024 * 1024;
/** Files docker's old archives have beside what is needed. */
const UNNEEDED = /(?:^|\/)(?:VERSION|json|repositories)$/;

/**
 * The files of an image archive, streamed into a content store while the archive is read: their order does not matter. Files under `blobs/` must have the digest
 * that is their name.
 */
export class ArchiveFiles {
  readonly #store: LoadStore;
  readonly #files = new Map<string, ArchiveFile>();
  readonly #links = new Map<string, string>();
  readonly #documents = new Map<string, Uint8Array>();
  readonly #new = new Set<Digest>();

  private constructor(store: LoadStore) {
    this.#store = store;
  }

  /** Reads a tar (not compressed any more) to its end. On failure nothing of it stays. */
  static async read(source: AsyncIterable<Uint8Array>, store: LoadStore, options: { readonly signal?: AbortSignal | undefined }): Promise<ArchiveFiles> {
    const files = new ArchiveFiles(store);
    try {
      for await (const entry of readTar(source)) {
        options.signal?.throwIfAborted();
        await files.#take(entry);
      }
      return files;
    } catch (error) {
      await files.discard(new Set());
      throw error;
    }
  }

  /** A file by its path, symlinks and hard links followed inside the archive. */
  find(path: string): ArchiveFile | undefined {
    let at = path;
    for (let links = 0; links <= LINKS_MAX; links += 1) {
      const target = this.#links.get(at);
      if (target === undefined) return this.#files.get(at);
      at = target;
    }
    throw new OciImageError('ARCHIVE_INVALID', `too many links from ${JSON.stringify(path)}`);
  }

  /** One of the documents at the archive's top. */
  document(name: 'manifest.json' | 'index.json' | 'oci-layout'): Uint8Array | undefined {
    return this.#documents.get(name);
  }

  /** The content of a small file. */
  async text(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
    const file = this.find(path);
    return file === undefined ? undefined : await readContent(this.#store, file.digest, bytesMax);
  }

  /** Whether the archive brought a blob that the store did not have. */
  isNew(digest: Digest): boolean {
    return this.#new.has(digest);
  }

  /** Removes what the archive brought and nobody needs. */
  async discard(needed: ReadonlySet<Digest>): Promise<void> {
    for (const digest of this.#new) {
      if (needed.has(digest)) continue;
      await this.#store.delete?.(digest);
      this.#new.delete(digest);
    }
  }

  async #take(entry: TarEntry): Promise<void> {
    const { header } = entry;
    const path = archivePath(header.path);
    if (this.#files.size + this.#links.size >= FILES_MAX) throw new OciImageError('LAYER_LIMIT', `archive has more than ${FILES_MAX} files`);
    switch (header.type) {
      case 'symlink': this.#links.set(path, archivePath(`${path.slice(0, path.lastIndexOf('/') + 1)}${header.linkPath}`)); break;
      case 'hardlink': this.#links.set(path, archivePath(header.linkPath)); break;
      case 'file':
        if (DOCUMENTS.has(path)) this.#documents.set(path, await readDocument(path, entry));
        else if (!UNNEEDED.test(path)) this.#files.set(path, await this.#keep(path, entry));
        break;
      default: // Folders carry nothing; anything else has no business here.
    }
  }

  async #keep(path: string, entry: TarEntry): Promise<ArchiveFile> {
    const ref = `load-${randomUUID()}`;
    const expected = digestOfPath(path);
    const { size } = entry.header;
    if (expected !== undefined && await this.#has(expected)) return { digest: expected, size };
    const digester = new Digester();
    const writer = await openWriterPatiently(this.#store, { ref });
    try {
      await using _writer = writer;
      for await (const chunk of entry.body) {
        if (expected === undefined) digester.update(chunk);
        await writer.write(chunk);
      }
      const digest = await writer.commit({ size, digest: expected ?? digester.digest() });
      this.#new.add(digest);
      return { digest, size };
    } catch (error) {
      if (isAlreadyExists(error)) return { digest: expected ?? digester.digest(), size };
      await this.#store.abort(ref).catch(() => undefined); // The first error is the one that matters.
      throw error;
    }
  }

  async #has(digest: Digest): Promise<boolean> {
    return await this.#store.info(digest).then(() => true, () => false);
  }
}

async function readDocument(path: string, entry: TarEntry): Promise<Uint8Array> {
  if (entry.header.size > DOCUMENT_BYTES_MAX) throw new OciImageError('DOCUMENT_TOO_LARGE', `${path} is ${entry.header.size} bytes, at most ${DOCUMENT_BYTES_MAX} are read`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry.body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** The digest in the name of a blob. */
function digestOfPath(path: string): Digest | undefined {
  const [blobs, algorithm, hex, ...rest] = path.split('/');
  if (blobs !== 'blobs' || algorithm === undefined || hex === undefined || rest.length > 0) return undefined;
  const digest = `${algorithm}:${hex}`;
  return isDigest(digest) ? digest : undefined;
}
