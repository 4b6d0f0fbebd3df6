import { ContentDelete } from '@dray/containerd-api/events';
import type { ContentServer, Info, Status } from '@dray/containerd-api/services/content';
import type { BlobInfo, ContentStore, IngestStatus, IngestStore } from '../content/index.ts';
import type { EventExchange } from '../events/index.ts';
import type { GcScheduler } from '../gc/index.ts';
import { serverStream, unary } from './call.ts';
import { createContentWrite } from './content-write.ts';
import { pack, toTimestamp } from './convert.ts';

/** What the service needs. */
export interface ContentServiceDependencies {
  readonly content: ContentStore;
  readonly ingests: IngestStore;
  readonly events: EventExchange;
  readonly scheduler: GcScheduler;
}

/** Records in one message of a listing. */
const LIST_BATCH = 100;

/** `containerd.services.content.v1.Content` */
export function createContentService({ content, ingests, events, scheduler }: ContentServiceDependencies): ContentServer {
  return {
    info: unary(({ digest }, context) => ({ info: toWire(content.info(context.namespace(), digest)) })),
    update: unary(({ info, updateMask }, context) => ({
      info: toWire(content.update(context.namespace(), { digest: info?.digest ?? '', labels: info?.labels ?? {} }, updateMask ?? [])),
    })),
    list: serverStream(async function* ({ filters }, context) {
      const infos = content.list(context.namespace(), filters);
      for (let at = 0; at < infos.length; at += LIST_BATCH) yield { info: infos.slice(at, at + LIST_BATCH).map(toWire) };
    }),
    delete: unary(async ({ digest }, context) => {
      const namespace = context.namespace();
      await content.delete(namespace, digest);
      events.publish(namespace, '/content/delete', pack(ContentDelete, { digest }));
      scheduler.noteDeletion();
      return {};
    }),
    read: serverStream(async function* ({ digest, offset, size }, context) {
      let at = 0n;
      for await (const data of content.read(context.namespace(), digest, { offset, size })) {
        yield { offset: offset + at, data };
        at += BigInt(data.length);
      }
    }),
    status: unary(({ ref }, context) => ({ status: toWireStatus(ingests.status(context.namespace(), ref)) })),
    listStatuses: unary(({ filters }, context) => ({ statuses: ingests.list(context.namespace(), filters).map(toWireStatus) })),
    write: createContentWrite({ content, ingests, events, scheduler }),
    abort: unary(async ({ ref }, context) => {
      await ingests.abort(context.namespace(), ref);
      return {};
    }),
  };
}

function toWire(info: BlobInfo): Info {
  return { digest: info.digest, size: info.size, labels: { ...info.labels }, createdAt: toTimestamp(info.createdAt), updatedAt: toTimestamp(info.updatedAt) };
}

function toWireStatus(status: IngestStatus): Status {
  return { ...status, startedAt: toTimestamp(status.startedAt), updatedAt: toTimestamp(status.updatedAt) };
}
