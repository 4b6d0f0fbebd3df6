import type { Descriptor } from '../manifest.ts';
import type { Digest } from '../digest.ts';

/** What a store knows of one blob. */
export interface ContentInfo {
  readonly digest: Digest;
  readonly size: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly labels: Readonly<Record<string, string>>;
}

/** State of an unfinished ingest. */
export interface IngestStatus {
  readonly ref: string;
  /** Bytes accepted so far: where the next write goes. */
  readonly offset: number;
  /** Expected size, 0 when unknown. */
  readonly total: number;
  readonly expected?: Digest;
  readonly startedAt: Date;
  readonly updatedAt: Date;
}

/** Part of a blob to read: `length` bytes from `offset`; to the end when there is no length. */
export interface ReadRange {
  readonly offset?: number;
  readonly length?: number;
  readonly signal?: AbortSignal;
}

/** Reads blobs. */
export interface ContentProvider {
  /** @throws OciImageError kind `not_found` */
  info(digest: Digest): Promise<ContentInfo>;
  /**
   * Streams a blob. A consumer that stops early (`break`) releases what the stream holds.
   * @throws OciImageError kind `not_found` on the first pull; `out_of_range` when the offset is past the end
   */
  read(digest: Digest, range?: ReadRange): AsyncIterable<Uint8Array>;
}

/**
 * One blob being written. Write in order, then `commit` once, then `close`. Closing without a commit keeps what was written: another writer with the same ref
 * goes on from there.
 */
export interface ContentWriter extends AsyncDisposable {
  readonly status: IngestStatus;
  /** Appends. Resolves when more may be written; the chunk belongs to the writer and must not be changed afterwards. */
  write(chunk: Uint8Array): Promise<void>;
  /** Drops everything after `size` bytes; 0 starts again. */
  truncate(size: number): Promise<void>;
  /**
   * Makes the blob visible, whole and checked. **The implementation verifies size and digest** of everything written, resumed bytes included.
   * @throws OciImageError `SIZE_MISMATCH`, `DIGEST_MISMATCH` (the ingest stays, `abort` it); `CONTENT_EXISTS` when the store has the blob already
   */
  commit(expected: { readonly size?: number; readonly digest?: Digest; readonly labels?: Readonly<Record<string, string>> }): Promise<Digest>;
  /** Releases the writer; idempotent. */
  close(): Promise<void>;
}

/** Takes in blobs. */
export interface ContentIngester {
  /**
   * Opens the ingest named `ref`, new or resumed: look at `status.offset`.
   * @throws OciImageError `CONTENT_EXISTS` when `descriptor`'s blob is there already; `INGEST_LOCKED` when another writer has the ref open
   */
  openWriter(options: { readonly ref: string; readonly descriptor?: Pick<Descriptor, 'digest' | 'size' | 'mediaType'>; readonly signal?: AbortSignal }): Promise<ContentWriter>;
}

/** Keeps blobs. */
export interface ContentManager {
  /** Sets and, with `null`, removes labels. @throws OciImageError kind `not_found` */
  updateLabels(digest: Digest, labels: Readonly<Record<string, string | null>>): Promise<ContentInfo>;
  /** Every blob, in no particular order. */
  list(): AsyncIterable<ContentInfo>;
  /** @throws OciImageError kind `not_found` */
  delete(digest: Digest): Promise<void>;
  /** Every unfinished ingest. */
  listIngests(): AsyncIterable<IngestStatus>;
  /** Drops an unfinished ingest. @throws OciImageError kind `not_found` */
  abort(ref: string): Promise<void>;
}

/** What pull, load and import need of a store. An adapter over containerd's content service implements the same. */
export type ContentSink = ContentProvider & ContentIngester & Pick<ContentManager, 'updateLabels' | 'abort'>;

/** A whole content store. */
export interface ContentStore extends ContentProvider, ContentIngester, ContentManager {}
