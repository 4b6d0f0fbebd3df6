import type { handleBidiStreamingCall, ServerDuplexStream } from '@grpc/grpc-js';
import { ContentCreate } from '@dray/containerd-api/events';
import { WriteAction, type WriteContentRequest, type WriteContentResponse } from '@dray/containerd-api/services/content';
import type { IngestWriter } from '../content/index.ts';
import { alreadyExists, invalidArgument } from '../errors.ts';
import { contextOf, type CallContext } from './call.ts';
import type { ContentServiceDependencies } from './content.ts';
import { pack, toTimestamp } from './convert.ts';
import { toStatus } from './status.ts';

type WriteCall = ServerDuplexStream<WriteContentRequest, WriteContentResponse>;

/** `Content.Write`: one answer to each request. A client that goes away leaves an ingest to resume. */
export function createContentWrite(dependencies: ContentServiceDependencies): handleBidiStreamingCall<WriteContentRequest, WriteContentResponse> {
  return (call) => {
    serve(call, dependencies).then(
      () => {
        call.end();
      },
      (error: unknown) => {
        if (!call.cancelled) call.emit('error', toStatus(error, call.getPath()));
      },
    );
  };
}

async function serve(call: WriteCall, dependencies: ContentServiceDependencies): Promise<void> {
  const context = contextOf(call);
  let session: WriteSession | undefined;
  try {
    // The stream must survive the loop's end: the answer to a commit goes out over it.
    for await (const message of call.iterator({ destroyOnReturn: false })) {
      const request = message as WriteContentRequest;
      session ??= await WriteSession.open(request, context, dependencies);
      const response = await session.handle(request);
      call.write(response);
      if (request.action === WriteAction.COMMIT) return;
    }
  } catch (error) {
    // A client that breaks the stream off is no fault: what it sent stays.
    if (!call.cancelled) throw error;
  } finally {
    await session?.close();
  }
}

class WriteSession {
  readonly #writer: IngestWriter;
  readonly #ref: string;
  readonly #namespace: string;
  readonly #dependencies: ContentServiceDependencies;
  #total: bigint;
  #expected: string;

  private constructor(writer: IngestWriter, first: WriteContentRequest, namespace: string, dependencies: ContentServiceDependencies) {
    this.#writer = writer;
    this.#ref = first.ref;
    this.#namespace = namespace;
    this.#dependencies = dependencies;
    this.#total = first.total;
    this.#expected = first.expected;
  }

  static async open(first: WriteContentRequest, context: CallContext, dependencies: ContentServiceDependencies): Promise<WriteSession> {
    if (first.ref === '') throw invalidArgument('INVALID_REF', 'first message must have a reference');
    const namespace = context.namespace();
    const { ref, total, expected } = first;
    const writer = await dependencies.ingests.open(namespace, { ref, total, expected, leaseId: context.leaseId });
    return new WriteSession(writer, first, namespace, dependencies);
  }

  async handle(request: WriteContentRequest): Promise<WriteContentResponse> {
    await this.#learn(request);
    if (request.action !== WriteAction.STAT) await this.#receive(request);
    const committed = request.action === WriteAction.COMMIT ? await this.#commit(request) : undefined;
    const status = this.#writer.status();
    return {
      action: request.action,
      startedAt: toTimestamp(status.startedAt),
      updatedAt: toTimestamp(status.updatedAt),
      offset: committed?.size ?? status.offset,
      total: this.#total,
      digest: committed?.digest ?? this.#writer.digest(),
    };
  }

  close(): Promise<void> {
    return this.#writer.close();
  }

  /** Takes what a request tells of the whole. */
  async #learn(request: WriteContentRequest): Promise<void> {
    if (request.expected !== '') {
      if (this.#expected !== '' && this.#expected !== request.expected) {
        throw invalidArgument('DIGEST_CHANGED', `mismatched expected digest: ${request.expected} != ${this.#expected}`);
      }
      this.#expected = request.expected;
      await this.#refuseKnown();
    }
    if (request.total <= 0n) return;
    if (this.#total > 0n && this.#total !== request.total) {
      throw invalidArgument('TOTAL_CHANGED', `mismatched total: ${String(request.total)} != ${String(this.#total)}`);
    }
    this.#total = request.total;
  }

  /** Content that arrived by another way meanwhile makes this ingest needless. */
  async #refuseKnown(): Promise<void> {
    const { content, ingests } = this.#dependencies;
    if (content.find(this.#namespace, this.#expected) === undefined) return;
    await this.close();
    await ingests.abort(this.#namespace, this.#ref);
    throw alreadyExists('CONTENT_EXISTS', `blob with expected digest ${this.#expected} exists`);
  }

  async #receive(request: WriteContentRequest): Promise<void> {
    const { offset } = this.#writer.status();
    if (request.data.length > 0 || request.offset !== offset) await this.#writer.write(request.offset, request.data);
  }

  async #commit(request: WriteContentRequest): Promise<{ readonly digest: string; readonly size: bigint }> {
    const { events, scheduler } = this.#dependencies;
    const committed = await this.#writer.commit({ size: this.#total, digest: this.#expected, labels: request.labels });
    events.publish(this.#namespace, '/content/create', pack(ContentCreate, committed));
    scheduler.noteMutation();
    return committed;
  }
}
