import { setTimeout as delay } from 'node:timers/promises';
import { isOciImageError, OciImageError } from '../errors.ts';
import type { Descriptor } from '../manifest.ts';
import type { Digest } from '../digest.ts';
import type { ContentIngester, ContentInfo, ContentProvider, ContentWriter } from './types.ts';

/** Whether an error says that something is not there, whichever store implementation says it. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'kind' in error && error.kind === 'not_found';
}

/** Whether an error says that something is there already. */
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof Error && 'kind' in error && error.kind === 'already_exists';
}

/** The blob's info, or nothing when the store does not have it. */
export async function findContent(store: ContentProvider, digest: Digest): Promise<ContentInfo | undefined> {
  try {
    return await store.info(digest);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/**
 * Reads a whole small blob.
 * @throws OciImageError `DOCUMENT_TOO_LARGE` above `bytesMax`
 */
export async function readContent(store: ContentProvider, digest: Digest, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of store.read(digest)) {
    size += chunk.byteLength;
    if (size > bytesMax) throw new OciImageError('DOCUMENT_TOO_LARGE', `content ${digest} is larger than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** The ref under which content is ingested: as containerd names them. */
export function ingestRef(descriptor: Pick<Descriptor, 'mediaType' | 'digest'>): string {
  if (descriptor.mediaType.includes('layer') || descriptor.mediaType.includes('rootfs')) return `layer-${descriptor.digest}`;
  if (descriptor.mediaType.includes('config') || descriptor.mediaType.includes('container.image')) return `config-${descriptor.digest}`;
  if (descriptor.mediaType.includes('index') || descriptor.mediaType.includes('manifest.list')) return `index-${descriptor.digest}`;
  if (descriptor.mediaType.includes('manifest')) return `manifest-${descriptor.digest}`;
  return `unknown-${descriptor.digest}`;
}

/** How often a locked ingest is looked at again, between these bounds. */
const LOCK_POLL_MS_MIN = 20;
const LOCK_POLL_MS_MAX = 500;

/** Opens a writer; while another one has the ingest open (`INGEST_LOCKED`), waits for it: its blob will then be there, or its ingest can be resumed. */
export async function openWriterPatiently(store: ContentIngester, options: Parameters<ContentIngester['openWriter']>[0]): Promise<ContentWriter> {
  for (let wait = LOCK_POLL_MS_MIN; ; wait = Math.min(wait * 2, LOCK_POLL_MS_MAX)) {
    options.signal?.throwIfAborted();
    try {
      return await store.openWriter(options);
    } catch (error) {
      if (!isOciImageError(error, 'INGEST_LOCKED')) throw error;
      await delay(wait);
    }
  }
}

/** Stores a whole blob that is in memory. Content that is there already is left as it is, its labels are added. */
export async function writeContent(
  store: ContentIngester & ContentProvider & { updateLabels(digest: Digest, labels: Readonly<Record<string, string>>): Promise<ContentInfo> },
  descriptor: Pick<Descriptor, 'digest' | 'size' | 'mediaType'>,
  bytes: Uint8Array,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  let writer: ContentWriter;
  try {
    writer = await openWriterPatiently(store, { ref: ingestRef(descriptor), descriptor });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    if (Object.keys(labels).length > 0) await store.updateLabels(descriptor.digest, labels);
    return;
  }
  await using _writer = writer;
  if (writer.status.offset > 0) await writer.truncate(0);
  await writer.write(bytes);
  try {
    await writer.commit({ size: descriptor.size, digest: descriptor.digest, labels });
  } catch (error) {
    if (!isOciImageError(error, 'CONTENT_EXISTS') && !isAlreadyExists(error)) throw error;
    if (Object.keys(labels).length > 0) await store.updateLabels(descriptor.digest, labels);
  }
}
