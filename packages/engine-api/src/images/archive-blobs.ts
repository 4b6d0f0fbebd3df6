import { type Descriptor, type Digest, MEDIA_TYPE, decompress, digestOf, readTar, sniffCompression } from '@dray/oci-image';
import type { Containerd } from '../containerd.ts';
import { EngineApiError } from '../errors.ts';
import { ContainerdContent } from './content-adapter.ts';

/** Documents of an archive (manifests, configurations) are kept in memory up to this size each. */
const DOCUMENT_BYTES_MAX = 8 * 1024 * 1024;
/** All documents together. */
const DOCUMENTS_BYTES_MAX = 64 * 1024 * 1024;
/** How many entries an archive of images may have. */
const ENTRY_COUNT_MAX = 65_536;
/** How many links may lead to one file. */
const LINK_DEPTH_MAX = 8;

/** One file of an archive, in the content store. */
export interface ArchiveFile {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
}

/** The files of an archive of images. Their bytes are in the content store; small ones are in memory too. */
export class ArchiveBlobs {
  readonly #files = new Map<string, ArchiveFile>();
  readonly #documents = new Map<string, Buffer>();
  readonly #links = new Map<string, string>();
  #documentBytes = 0;

  /** Reads an archive, compressed or not, to its end. Nothing is unpacked anywhere: names in the archive are keys of a table. @throws OciImageError */
  static async read(leased: Containerd, archive: AsyncIterable<Uint8Array>): Promise<ArchiveBlobs> {
    const blobs = new ArchiveBlobs();
    const content = new ContainerdContent(leased);
    let count = 0;
    for await (const { header, body } of readTar(decompress(archive))) {
      count += 1;
      if (count > ENTRY_COUNT_MAX) throw new EngineApiError('invalid_argument', 'ARCHIVE_INVALID', `archive has more than ${ENTRY_COUNT_MAX} entries`);
      const path = normalize(header.path);
      if (header.type === 'symlink') blobs.#links.set(path, normalize(header.linkPath.startsWith('/') ? header.linkPath : `${parentOf(path)}/${header.linkPath}`));
      else if (header.type === 'hardlink') blobs.#links.set(path, normalize(header.linkPath));
      else if (header.type === 'file') await blobs.#store(content, path, header.size, body);
    }
    return blobs;
  }

  async #store(content: ContainerdContent, path: string, size: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    if (size <= DOCUMENT_BYTES_MAX && this.#documentBytes + size <= DOCUMENTS_BYTES_MAX) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(Buffer.from(chunk));
      const bytes = Buffer.concat(chunks);
      this.#documentBytes += bytes.length;
      this.#documents.set(path, bytes);
      this.#files.set(path, { digest: digestOf(bytes), size: bytes.length, mediaType: layerType(bytes) });
      await writeUnnamed(content, bytes);
      return;
    }
    this.#files.set(path, await writeStream(content, body));
  }

  /** A file by its path in the archive, links followed inside the archive. */
  file(path: string): ArchiveFile | undefined {
    return this.#files.get(this.#resolve(path));
  }

  /** The bytes of a small file. */
  document(path: string): Buffer | undefined {
    return this.#documents.get(this.#resolve(path));
  }

  /** A small file by its digest. */
  documentOf(digest: string): Buffer | undefined {
    return this.document(`blobs/${digest.replace(':', '/')}`);
  }

  /** Whether all that a manifest names is in the archive as a blob. */
  hasBlob(descriptor: Descriptor): boolean {
    const file = this.file(`blobs/${descriptor.digest.replace(':', '/')}`);
    return file?.digest === descriptor.digest && file.size === descriptor.size;
  }

  #resolve(path: string): string {
    let current = normalize(path);
    for (let depth = 0; depth < LINK_DEPTH_MAX; depth += 1) {
      const next = this.#links.get(current);
      if (next === undefined) return current;
      current = next;
    }
    throw new EngineApiError('invalid_argument', 'ARCHIVE_INVALID', `archive: too many links at ${JSON.stringify(path)}`);
  }
}

async function writeUnnamed(content: ContainerdContent, bytes: Buffer): Promise<void> {
  await writeStream(content, [bytes]);
}

async function writeStream(content: ContainerdContent, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<ArchiveFile> {
  await using writer = await content.openWriter({ ref: `archive-${process.hrtime.bigint()}` });
  let size = 0;
  let head: Buffer = Buffer.alloc(0);
  for await (const chunk of body) {
    if (head.length < 8) head = Buffer.concat([head, chunk.subarray(0, 8)]);
    size += chunk.byteLength;
    await writer.write(Buffer.from(chunk)); // the tar reader's chunks are views of a buffer it may use again
  }
  return { digest: await writer.commitOrFind(size), size, mediaType: layerType(head) };
}

function layerType(head: Uint8Array): string {
  const compression = sniffCompression(head);
  if (compression === 'gzip') return MEDIA_TYPE.ociLayerGzip;
  return compression === 'zstd' ? MEDIA_TYPE.ociLayerZstd : MEDIA_TYPE.ociLayer;
}

/** A path with `.` and `..` worked out; it cannot leave the archive. */
function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
