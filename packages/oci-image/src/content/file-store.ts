import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestAlgorithm, digestHex, isDigest, parseDigest } from '../digest.ts';
import { OciImageError } from '../errors.ts';
import type { Descriptor } from '../manifest.ts';
import { FileWriter, readIngestStatus } from './file-writer.ts';
import type { ContentInfo, ContentStore, ContentWriter, IngestStatus, ReadRange } from './types.ts';

/** Bytes read from disk at a time. */
const READ_CHUNK_BYTES = 256 * 1024;

/** Where a {@link FileContentStore} keeps labels. Without one, labels are dropped. */
export interface LabelStore {
  get(digest: Digest): Promise<Readonly<Record<string, string>>>;
  set(digest: Digest, labels: Readonly<Record<string, string>>): Promise<void>;
  delete(digest: Digest): Promise<void>;
}

/** Options of {@link FileContentStore}. */
export interface FileContentStoreOptions {
  /** Folder of the store; made when it is missing, with mode 0700. */
  readonly root: string;
  readonly labels?: LabelStore;
}

/**
 * A content store in a folder, laid out as containerd's: `blobs/<algorithm>/<hex>` and `ingest/<sha256 of ref>/{ref,data,startedat,total}`. A blob appears by
 * rename after fsync, so it is whole or absent; unfinished ingests survive a crash and go on where they were. One process may write at a time.
 */
export class FileContentStore implements ContentStore {
  readonly #root: string;
  readonly #labels: LabelStore | undefined;
  readonly #open = new Set<string>();

  constructor(options: FileContentStoreOptions) {
    this.#root = options.root;
    this.#labels = options.labels;
  }

  /** The file that holds, or would hold, a blob. Reading it directly is the fast path for unpacking. */
  blobPath(digest: Digest): string {
    parseDigest(digest);
    return join(this.#root, 'blobs', digestAlgorithm(digest), digestHex(digest));
  }

  async info(digest: Digest): Promise<ContentInfo> {
    try {
      const stats = await stat(this.blobPath(digest));
      const labels = (await this.#labels?.get(digest)) ?? {};
      return { digest, size: stats.size, createdAt: stats.mtime, updatedAt: stats.ctime, labels };
    } catch (error) {
      throw notFound(error, digest);
    }
  }

  async *read(digest: Digest, range: ReadRange = {}): AsyncGenerator<Uint8Array, void, void> {
    await using file = await open(this.blobPath(digest), 'r').catch((error: unknown) => {
      throw notFound(error, digest);
    });
    let offset = range.offset ?? 0;
    const { size } = await file.stat();
    if (offset > size) throw new OciImageError('INVALID_OPTION', `cannot read content ${digest} from ${offset}: size is ${size}`, { kind: 'out_of_range' });
    const end = range.length === undefined ? size : Math.min(size, offset + range.length);
    while (offset < end) {
      range.signal?.throwIfAborted();
      const buffer = Buffer.allocUnsafeSlow(Math.min(READ_CHUNK_BYTES, end - offset));
      const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, offset);
      if (bytesRead === 0) throw new OciImageError('SIZE_MISMATCH', `content ${digest} ended at ${offset} bytes, want ${end}`);
      offset += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async openWriter(options: { readonly ref: string; readonly descriptor?: Pick<Descriptor, 'digest' | 'size' | 'mediaType'>; readonly signal?: AbortSignal }): Promise<ContentWriter> {
    options.signal?.throwIfAborted();
    const { ref, descriptor } = options;
    if (ref === '') throw new OciImageError('INVALID_OPTION', 'ingest ref must not be empty');
    if (this.#open.has(ref)) throw new OciImageError('INGEST_LOCKED', `ref ${ref} locked by another writer`);
    this.#open.add(ref);
    try {
      if (descriptor !== undefined && await this.#has(descriptor.digest)) throw contentExists(descriptor.digest);
      return await FileWriter.open({
        ref,
        folder: this.#ingestFolder(ref),
        total: descriptor?.size ?? 0,
        ...(descriptor === undefined ? {} : { expected: descriptor.digest }),
        onCommit: async (digest, dataPath, labels) => this.#commit(digest, dataPath, labels),
        onClose: () => this.#open.delete(ref),
      });
    } catch (error) {
      this.#open.delete(ref);
      throw error;
    }
  }

  async updateLabels(digest: Digest, labels: Readonly<Record<string, string | null>>): Promise<ContentInfo> {
    const info = await this.info(digest);
    if (this.#labels === undefined) return info;
    const merged = Object.entries({ ...info.labels, ...labels }).filter((entry): entry is [string, string] => entry[1] !== null);
    await this.#labels.set(digest, Object.fromEntries(merged));
    return await this.info(digest);
  }

  async *list(): AsyncGenerator<ContentInfo, void, void> {
    for (const algorithm of await names(join(this.#root, 'blobs'))) {
      for (const hex of await names(join(this.#root, 'blobs', algorithm))) {
        const digest = `${algorithm}:${hex}`;
        if (isDigest(digest)) yield await this.info(digest);
      }
    }
  }

  async delete(digest: Digest): Promise<void> {
    await unlink(this.blobPath(digest)).catch((error: unknown) => {
      throw notFound(error, digest);
    });
    await this.#labels?.delete(digest);
  }

  async *listIngests(): AsyncGenerator<IngestStatus, void, void> {
    for (const name of await names(join(this.#root, 'ingest'))) {
      const status = await readIngestStatus(join(this.#root, 'ingest', name));
      if (status !== undefined) yield status;
    }
  }

  async abort(ref: string): Promise<void> {
    const folder = this.#ingestFolder(ref);
    await readFile(join(folder, 'ref')).catch((error: unknown) => {
      throw new OciImageError('INGEST_NOT_FOUND', `ingest ref ${JSON.stringify(ref)} not found`, { cause: error });
    });
    await rm(folder, { recursive: true, force: true });
  }

  #ingestFolder(ref: string): string {
    return join(this.#root, 'ingest', createHash('sha256').update(ref).digest('hex'));
  }

  async #has(digest: Digest): Promise<boolean> {
    return await access(this.blobPath(digest), constants.F_OK).then(() => true, () => false);
  }

  async #commit(digest: Digest, dataPath: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const folder = join(this.#root, 'blobs', digestAlgorithm(digest));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const isNew = !(await this.#has(digest));
    if (isNew) {
      await rename(dataPath, this.blobPath(digest));
      await syncFolder(folder);
    }
    if (Object.keys(labels).length > 0) await this.updateLabels(digest, labels);
    if (!isNew) throw contentExists(digest);
  }
}

/** Makes a rename in `folder` durable. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function contentExists(digest: Digest): OciImageError {
  return new OciImageError('CONTENT_EXISTS', `content ${digest}: already exists`);
}

function notFound(error: unknown, digest: Digest): unknown {
  return isErrno(error, 'ENOENT') ? new OciImageError('CONTENT_NOT_FOUND', `content digest ${digest}: not found`, { cause: error }) : error;
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
