import { setTimeout as sleep } from 'node:timers/promises';
import { timestampToDate } from '@dray/containerd-api';
import { type ContentInfo, type ContentSink, type ContentWriter, type Descriptor, type Digest, type IngestStatus, OciImageError, parseDigest, type ReadRange } from '@dray/oci-image';
import type { Containerd } from '../containerd.ts';
import { errorKind, messageOf } from '../errors.ts';

/** The actions of a write, by their numbers in the protocol. */
const [STAT, WRITE, COMMIT] = [0, 1, 2] as const;
/** What is sent in one message; containerd's clients send up to 8 MiB. */
const WRITE_BYTES_MAX = 2 * 1024 * 1024;
/** Messages that may be on the way without an answer. */
const UNANSWERED_COUNT_MAX = 4;
/** How long is waited before another try at a blob that somebody else is writing. */
const LOCKED_RETRY_MS = 100;

type WriteCall = ReturnType<Containerd['content']['write']>;
type WriteResponse = WriteCall extends AsyncIterable<infer Response> ? Response : never;
interface ContentRecord { digest: string; size: bigint; createdAt: Parameters<typeof timestampToDate>[0] | undefined; updatedAt: Parameters<typeof timestampToDate>[0] | undefined; labels: Record<string, string> }

/** containerd's content service as `@dray/oci-image` wants a content store. */
export class ContainerdContent implements ContentSink {
  readonly #containerd: Containerd;

  constructor(containerd: Containerd) {
    this.#containerd = containerd;
  }

  async info(digest: Digest): Promise<ContentInfo> {
    const { info } = await this.#containerd.content.info({ digest });
    return toInfo(info, digest);
  }

  async *read(digest: Digest, range: ReadRange = {}): AsyncGenerator<Uint8Array, void, void> {
    const responses = this.#containerd.content.read({ digest, offset: BigInt(range.offset ?? 0), size: BigInt(range.length ?? 0) }, range.signal === undefined ? {} : { signal: range.signal });
    for await (const response of responses) yield response.data;
  }

  async openWriter(options: { readonly ref: string; readonly descriptor?: Pick<Descriptor, 'digest' | 'size' | 'mediaType'>; readonly signal?: AbortSignal }): Promise<BlobWriter> {
    for (;;) {
      options.signal?.throwIfAborted();
      try {
        return await BlobWriter.open(this.#containerd, options);
      } catch (error) {
        if (errorKind(error) !== 'unavailable' || !messageOf(error).includes('locked')) throw error;
        // Somebody else downloads the same blob: it will be there, or free again.
        await sleep(LOCKED_RETRY_MS, undefined, options.signal === undefined ? {} : { signal: options.signal });
      }
    }
  }

  async updateLabels(digest: Digest, labels: Readonly<Record<string, string | null>>): Promise<ContentInfo> {
    const names = Object.keys(labels);
    const { info } = await this.#containerd.content.update({
      info: { digest, size: 0n, createdAt: undefined, updatedAt: undefined, labels: Object.fromEntries(names.map((name) => [name, labels[name] ?? ''])) },
      updateMask: names.map((name) => `labels.${name}`),
    });
    return toInfo(info, digest);
  }

  async abort(ref: string): Promise<void> {
    await this.#containerd.content.abort({ ref });
  }
}

function toInfo(info: ContentRecord | undefined, digest: Digest): ContentInfo {
  if (info === undefined) throw new OciImageError('CONTENT_NOT_FOUND', `content ${digest}: not found`);
  return {
    digest: parseDigest(info.digest),
    size: Number(info.size),
    createdAt: info.createdAt === undefined ? new Date(0) : timestampToDate(info.createdAt),
    updatedAt: info.updatedAt === undefined ? new Date(0) : timestampToDate(info.updatedAt),
    labels: info.labels,
  };
}

/** A blob on its way to containerd. Small chunks are gathered; several messages may be on the way. */
export class BlobWriter implements ContentWriter {
  readonly #call: WriteCall;
  readonly #responses: AsyncIterator<WriteResponse, undefined>;
  readonly #ref: string;
  readonly #expected: string;
  #status: IngestStatus;
  #sent: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #unanswered = 0;
  #isClosed = false;

  private constructor(options: { call: WriteCall; responses: AsyncIterator<WriteResponse, undefined>; ref: string; expected: string; status: IngestStatus }) {
    this.#call = options.call;
    this.#responses = options.responses;
    this.#ref = options.ref;
    this.#expected = options.expected;
    this.#status = options.status;
    this.#sent = options.status.offset;
  }

  static async open(containerd: Containerd, { ref, descriptor, signal }: { readonly ref: string; readonly descriptor?: Pick<Descriptor, 'digest' | 'size' | 'mediaType'>; readonly signal?: AbortSignal }): Promise<BlobWriter> {
    const call = containerd.content.write(signal === undefined ? {} : { signal });
    const responses: AsyncIterator<WriteResponse, undefined> = call[Symbol.asyncIterator]();
    const expected = descriptor?.digest ?? '';
    try {
      await call.write({ action: STAT, ref, total: BigInt(descriptor?.size ?? 0), expected, offset: 0n, data: new Uint8Array(0), labels: {} });
      const { value, done } = await responses.next();
      if (done === true) throw new OciImageError('INGEST_NOT_FOUND', `ingest "${ref}" ended before it began`);
      const status: IngestStatus = {
        ref, offset: Number(value.offset), total: Number(value.total), ...descriptor === undefined ? {} : { expected: descriptor.digest },
        startedAt: value.startedAt === undefined ? new Date() : timestampToDate(value.startedAt), updatedAt: value.updatedAt === undefined ? new Date() : timestampToDate(value.updatedAt),
      };
      return new BlobWriter({ call, responses, ref, expected, status });
    } catch (error) {
      call.cancel();
      throw error;
    }
  }

  get status(): IngestStatus {
    return this.#status;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let start = 0; start < chunk.byteLength;) {
      const part = chunk.subarray(start, start + WRITE_BYTES_MAX - this.#pendingBytes);
      this.#pending.push(part);
      this.#pendingBytes += part.byteLength;
      start += part.byteLength;
      if (this.#pendingBytes >= WRITE_BYTES_MAX) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    if (this.#pendingBytes === 0) return;
    const data = this.#takePending();
    await this.#send(WRITE, data, {});
    this.#sent += data.byteLength;
    while (this.#unanswered > UNANSWERED_COUNT_MAX) await this.#answer();
  }

  #takePending(): Uint8Array {
    const data = this.#pending.length === 1 && this.#pending[0] !== undefined ? this.#pending[0] : Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    return data;
  }

  async #send(action: typeof WRITE | typeof COMMIT, data: Uint8Array, { total = 0, expected = this.#expected, labels = {}, offset = this.#sent }: { total?: number; expected?: string; labels?: Readonly<Record<string, string>>; offset?: number }): Promise<void> {
    this.#unanswered += 1;
    try {
      await this.#call.write({ action, ref: this.#ref, total: BigInt(total), expected, offset: BigInt(offset), data, labels: { ...labels } });
    } catch (error) {
      await this.#answer(); // the reason why the stream was closed, where the server gave one
      throw error;
    }
  }

  async #answer(): Promise<WriteResponse> {
    const { value, done } = await this.#responses.next();
    this.#unanswered -= 1;
    if (done === true) throw new OciImageError('INGEST_NOT_FOUND', `ingest "${this.#ref}" ended early`);
    this.#status = { ...this.#status, offset: Number(value.offset), updatedAt: new Date() };
    return value;
  }

  async truncate(size: number): Promise<void> {
    if (size !== 0) throw new OciImageError('INVALID_OPTION', `cannot cut an ingest of containerd to ${size} bytes`);
    this.#takePending();
    while (this.#unanswered > 0) await this.#answer();
    await this.#send(WRITE, new Uint8Array(0), { offset: 0 });
    await this.#answer();
    this.#sent = 0;
  }

  async commit(expected: { readonly size?: number; readonly digest?: Digest; readonly labels?: Readonly<Record<string, string>> }): Promise<Digest> {
    const data = this.#takePending();
    try {
      await this.#send(COMMIT, data, { total: expected.size ?? this.#sent + data.byteLength, expected: expected.digest ?? this.#expected, ...expected.labels === undefined ? {} : { labels: expected.labels } });
      let response = await this.#answer();
      while (this.#unanswered > 0) response = await this.#answer();
      return parseDigest(response.digest);
    } catch (error) {
      throw commitError(error);
    }
  }

  /** Commits bytes whose digest nobody knew before; a blob that is in the store already is as good as one that was written. */
  async commitOrFind(size: number): Promise<Digest> {
    try {
      return await this.commit({ size });
    } catch (error) {
      const existing = errorKind(error) === 'already_exists' ? /sha256:[0-9a-f]{64}/.exec(messageOf(error))?.[0] : undefined;
      if (existing === undefined) throw error;
      return parseDigest(existing);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#call.end();
    this.#call.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What containerd says about a blob that is not what it should be, in the words of the interface. */
function commitError(error: unknown): unknown {
  const message = messageOf(error);
  if (errorKind(error) !== 'failed_precondition' && errorKind(error) !== 'out_of_range') return error;
  if (message.includes('digest')) return new OciImageError('DIGEST_MISMATCH', message, { cause: error });
  return message.includes('size') ? new OciImageError('SIZE_MISMATCH', message, { cause: error }) : error;
}
