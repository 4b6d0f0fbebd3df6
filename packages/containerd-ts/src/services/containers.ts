import type { Container, ContainersServer } from '@dray/containerd-api/services/containers';
import { ContainerCreate, ContainerDelete, ContainerUpdate } from '@dray/containerd-api/events';
import type { ContainerRecord } from '../containers/container-record.ts';
import type { ContainerInput, ContainerStore } from '../containers/container-store.ts';
import { invalidArgument } from '../errors.ts';
import type { EventExchange } from '../events/index.ts';
import type { GcScheduler } from '../gc/index.ts';
import { serverStream, unary } from './call.ts';
import { pack, toAny, toTimestamp } from './convert.ts';

/** What the service needs. */
export interface ContainersDependencies {
  readonly containers: ContainerStore;
  readonly events: EventExchange;
  readonly scheduler: GcScheduler;
}

/** `containerd.services.containers.v1.Containers` */
export function createContainersService({ containers, events, scheduler }: ContainersDependencies): ContainersServer {
  return {
    get: unary(({ id }, context) => ({ container: toWire(containers.get(context.namespace(), id)) })),
    list: unary(({ filters }, context) => ({ containers: containers.list(context.namespace(), filters).map(toWire) })),
    listStream: serverStream(async function* ({ filters }, context) {
      for (const record of containers.list(context.namespace(), filters)) yield { container: toWire(record) };
    }),
    create: unary(({ container }, context) => {
      const namespace = context.namespace();
      const record = containers.create(namespace, fromWire(container));
      const runtime = { name: record.runtime.name, options: toAny(record.runtime.options) };
      events.publish(namespace, '/containers/create', pack(ContainerCreate, { id: record.id, image: record.image, runtime }));
      scheduler.noteMutation();
      return { container: toWire(record) };
    }),
    update: unary(({ container, updateMask }, context) => {
      const namespace = context.namespace();
      const record = containers.update(namespace, fromWire(container), updateMask ?? []);
      const { id, image, labels, snapshotKey } = record;
      events.publish(namespace, '/containers/update', pack(ContainerUpdate, { id, image, labels, snapshotKey }));
      scheduler.noteMutation();
      return { container: toWire(record) };
    }),
    delete: unary(({ id }, context) => {
      const namespace = context.namespace();
      containers.delete(namespace, id);
      events.publish(namespace, '/containers/delete', pack(ContainerDelete, { id }));
      scheduler.noteDeletion();
      return {};
    }),
  };
}

function fromWire(container: Container | undefined): ContainerInput {
  if (container === undefined) throw invalidArgument('INVALID_CONTAINER', 'container must be set');
  const { id, labels, image, runtime, spec, snapshotter, snapshotKey, extensions, sandbox } = container;
  return { id, labels, image, runtime: { name: runtime?.name ?? '', options: runtime?.options }, spec, snapshotter, snapshotKey, extensions, sandbox };
}

function toWire(record: ContainerRecord): Container {
  return {
    ...record,
    labels: { ...record.labels },
    runtime: { name: record.runtime.name, options: toAny(record.runtime.options) },
    spec: toAny(record.spec),
    extensions: { ...record.extensions },
    createdAt: toTimestamp(record.createdAt),
    updatedAt: toTimestamp(record.updatedAt),
  };
}
