import type { Image, ImagesServer } from '@dray/containerd-api/services/images';
import { ImageCreate, ImageDelete, ImageUpdate } from '@dray/containerd-api/events';
import type { EventExchange } from '../events/index.ts';
import type { GcScheduler } from '../gc/index.ts';
import type { ImageInput, ImageRecord, ImageStore } from '../images/image-store.ts';
import { unary } from './call.ts';
import { fromDescriptor, pack, toDescriptor, toTimestamp } from './convert.ts';

/** What the service needs. */
export interface ImagesDependencies {
  readonly images: ImageStore;
  readonly events: EventExchange;
  readonly scheduler: GcScheduler;
}

/** `containerd.services.images.v1.Images` */
export function createImagesService({ images, events, scheduler }: ImagesDependencies): ImagesServer {
  return {
    get: unary(({ name }, context) => ({ image: toWire(images.get(context.namespace(), name)) })),
    list: unary(({ filters }, context) => ({ images: images.list(context.namespace(), filters).map(toWire) })),
    create: unary(({ image }, context) => {
      const namespace = context.namespace();
      const record = images.create(namespace, fromWire(image), { leaseId: context.leaseId });
      events.publish(namespace, '/images/create', pack(ImageCreate, { name: record.name, labels: record.labels }));
      scheduler.noteMutation();
      return { image: toWire(record) };
    }),
    update: unary(({ image, updateMask }, context) => {
      const namespace = context.namespace();
      const record = images.update(namespace, fromWire(image), updateMask ?? []);
      events.publish(namespace, '/images/update', pack(ImageUpdate, { name: record.name, labels: record.labels }));
      scheduler.noteDeletion();
      return { image: toWire(record) };
    }),
    delete: unary(async ({ name, sync, target }, context) => {
      const namespace = context.namespace();
      images.delete(namespace, name, { targetDigest: target?.digest });
      events.publish(namespace, '/images/delete', pack(ImageDelete, { name }));
      if (sync) await scheduler.collectNow();
      else scheduler.noteDeletion();
      return {};
    }),
  };
}

function fromWire(image: Image | undefined): ImageInput {
  return { name: image?.name ?? '', labels: image?.labels ?? {}, target: fromDescriptor(image?.target) };
}

function toWire(record: ImageRecord): Image {
  return {
    name: record.name,
    labels: { ...record.labels },
    target: toDescriptor(record.target),
    createdAt: toTimestamp(record.createdAt),
    updatedAt: toTimestamp(record.updatedAt),
  };
}
