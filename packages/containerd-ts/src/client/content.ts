import { ContainerdApiError, isContainerdApiError, type ContainerdConnection } from '@dray/containerd-api';
import { WriteAction, type Info, type WriteContentResponse } from '@dray/containerd-api/services/content';
import { expectField, labelPaths, toDateOrEpoch, toSafeNumber, type CallOptions, type Labels, type ListOptions } from './values.ts';

/** A blob of the content store. */
export interface ContentRecord {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly labels: Labels;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A write under way, or left over. */
export interface IngestRecord {
  readonly ref: string;
  /** Bytes that have been written. */
  readonly offset: number;
  /** Bytes expected; 0 when unknown. */
  readonly total: number;
  readonly startedAt: Date;
  readonly updatedAt: Date;
}

/** What is to be written. */
export interface ContentWriteOptions extends CallOptions {
  /** Names the write until it is whole. One left over under this name is taken up again. */
  readonly ref: string;
  /** The write fails unless the bytes have this digest. */
  readonly digest?: string;
  /** The write fails unless there are so many bytes. */
  readonly size?: number;
  readonly labels?: Labels;
}

/** Bytes in one message of a write; well below the 16 MiB that a message may have. */
const WRITE_BYTES_MAX = 1 << 20;

/** How long dropping a refused write may take. */
const CLEAN_UP_MS_MAX = 30_000;

/** How long the daemon may take to let go of a write that failed here. */
const END_MS_MAX = 2000;

/** How long to wait for another writer of the same ref, and between looks. */
const LOCKED_MS_MAX = 2000;
const LOCKED_RETRY_MS = 100;

/** containerd's content store. */
export class ContentClient {
  readonly #connection: ContainerdConnection;

  constructor(connection: ContainerdConnection) {
    this.#connection = connection;
  }

  /** @throws ContainerdApiError not_found */
  async info(digest: string, options: CallOptions = {}): Promise<ContentRecord> {
    return toContentRecord(expectField((await this.#connection.content.info({ digest }, options)).info, 'content info'));
  }

  /** All that pass the filters, one by one. */
  async *list(options: ListOptions = {}): AsyncGenerator<ContentRecord> {
    const messages = this.#connection.content.list({ filters: [...(options.filters ?? [])] }, options);
    for await (const { info } of messages) yield* info.map(toContentRecord);
  }

  /** The bytes from `offset`, `size` of them or to the end. @throws ContainerdApiError not_found, out_of_range */
  async *read(digest: string, options: CallOptions & { readonly offset?: number; readonly size?: number } = {}): AsyncGenerator<Uint8Array> {
    const { offset = 0, size = 0 } = options;
    const messages = this.#connection.content.read({ digest, offset: BigInt(offset), size: BigInt(size) }, options);
    for await (const { data } of messages) yield data;
  }

  /**
   * A whole blob, such as a manifest.
   * @throws ContainerdApiError not_found; resource_exhausted MALFORMED when it has more than `bytesMax` (default 4 MiB) bytes
   */
  async readAll(digest: string, options: CallOptions & { readonly bytesMax?: number } = {}): Promise<Uint8Array> {
    const { bytesMax = 4 << 20, ...call } = options;
    const { size } = await this.info(digest, call);
    if (size > bytesMax) throw new ContainerdApiError('resource_exhausted', 'MALFORMED', `blob "${digest}" has ${size} bytes, want at most ${bytesMax}`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.read(digest, call)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /**
   * Stores a blob and resolves with what it is. A blob that is there already is no error: its record is returned, and `source` is not
   * read to its end. When writing fails or is aborted, what was written stays and a later write under the same ref continues after it;
   * bytes whose digest or size is refused are dropped.
   * @throws ContainerdApiError failed_precondition when digest or size are not as given; unavailable when another writer keeps the ref
   */
  async write(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: ContentWriteOptions): Promise<ContentRecord> {
    const deadline = Date.now() + LOCKED_MS_MAX;
    for (;;) {
      try {
        return await this.#writeOnce(source, options);
      } catch (error) {
        if (!isLocked(error) || Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, LOCKED_RETRY_MS * (0.5 + Math.random())));
        options.signal?.throwIfAborted();
      }
    }
  }

  /** Sets these labels and leaves the others; an empty value removes a label. */
  async setLabels(digest: string, labels: Labels, options: CallOptions = {}): Promise<ContentRecord> {
    const request = { info: { digest, labels }, updateMask: labelPaths(labels) };
    return toContentRecord(expectField((await this.#connection.content.update(request, options)).info, 'content info'));
  }

  /** @throws ContainerdApiError not_found */
  async delete(digest: string, options: CallOptions = {}): Promise<void> {
    await this.#connection.content.delete({ digest }, options);
  }

  /** Writes under way or left over. */
  async ingests(options: ListOptions = {}): Promise<IngestRecord[]> {
    const { statuses } = await this.#connection.content.listStatuses({ filters: [...(options.filters ?? [])] }, options);
    return statuses.map(({ ref, offset, total, startedAt, updatedAt }) => ({
      ref,
      offset: toSafeNumber(offset),
      total: toSafeNumber(total),
      startedAt: toDateOrEpoch(startedAt),
      updatedAt: toDateOrEpoch(updatedAt),
    }));
  }

  /** Drops a write and what it has written. @throws ContainerdApiError not_found */
  async abort(ref: string, options: CallOptions = {}): Promise<void> {
    await this.#connection.content.abort({ ref }, options);
  }

  async #writeOnce(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, options: ContentWriteOptions): Promise<ContentRecord> {
    const { ref, digest = '', size, labels = {}, signal } = options;
    const call = this.#connection.content.write(signal === undefined ? {} : { signal });
    const answers = call[Symbol.asyncIterator]();
    let isCommitting = false;
    let finished: Promise<unknown> = Promise.resolve();
    try {
      await call.write({ action: WriteAction.STAT, ref, total: BigInt(size ?? 0), expected: digest });
      const opened = expectField((await answers.next()).value as WriteContentResponse | undefined, 'write status');
      const committed = lastAnswer(answers);
      const failed = committed.then(() => Promise.reject(endedEarly()));
      // Both are awaited below; until then a failure is not unhandled.
      failed.catch(() => undefined);
      finished = committed.catch(() => undefined);
      const offset = await sendAll(source, toSafeNumber(opened.offset), async (position, data) => {
        await Promise.race([call.write({ action: WriteAction.WRITE, offset: BigInt(position), data }), failed]);
      });
      isCommitting = true;
      await call.write({ action: WriteAction.COMMIT, offset: BigInt(offset), total: BigInt(size ?? offset), expected: digest, labels: { ...labels } });
      call.end();
      return await this.info((await committed).digest, signal === undefined ? {} : { signal });
    } catch (error) {
      // Ended rather than cancelled, so that the daemon has let go of the ref when this rejects.
      call.end();
      await Promise.race([finished, new Promise((resolve) => setTimeout(resolve, END_MS_MAX).unref())]);
      call.cancel();
      const kind = isContainerdApiError(error) ? error.kind : undefined;
      if (digest !== '' && kind === 'already_exists') return this.info(digest, signal === undefined ? {} : { signal });
      // Bytes that are not what they should be help no later write.
      if (isCommitting && kind === 'failed_precondition') await this.#dropIngest(ref);
      throw error;
    }
  }

  async #dropIngest(ref: string): Promise<void> {
    try {
      await this.abort(ref, { signal: AbortSignal.timeout(CLEAN_UP_MS_MAX) });
    } catch (error) {
      // The write's own error is the one to report.
      if (!isContainerdApiError(error)) throw error;
    }
  }
}

/** Sends what comes after the first `skip` bytes, in pieces, and resolves with the offset of the end. */
async function sendAll(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  skip: number,
  send: (offset: number, data: Uint8Array) => Promise<void>,
): Promise<number> {
  let position = 0;
  for await (const chunk of source) {
    const start = Math.max(0, skip - position);
    for (let from = start; from < chunk.length; from += WRITE_BYTES_MAX) {
      await send(position + from, chunk.subarray(from, from + WRITE_BYTES_MAX));
    }
    position += chunk.length;
  }
  return position;
}

async function lastAnswer(answers: AsyncIterableIterator<WriteContentResponse>): Promise<WriteContentResponse> {
  let last: WriteContentResponse | undefined;
  for (;;) {
    const result = await answers.next();
    if (result.done === true) break;
    last = result.value;
  }
  return expectField(last, 'write status');
}

function endedEarly(): ContainerdApiError {
  return new ContainerdApiError('aborted', 'STATUS', 'containerd ended the write before it was committed');
}

function isLocked(error: unknown): boolean {
  return isContainerdApiError(error) && error.kind === 'unavailable' && error.message.includes('locked');
}

function toContentRecord({ digest, size, labels, createdAt, updatedAt }: Info): ContentRecord {
  return { digest, size: toSafeNumber(size), labels, createdAt: toDateOrEpoch(createdAt), updatedAt: toDateOrEpoch(updatedAt) };
}
