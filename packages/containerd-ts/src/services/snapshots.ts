import { SnapshotCommit, SnapshotPrepare, SnapshotRemove } from '@dray/containerd-api/events';
import { Kind, type Info, type SnapshotsServer } from '@dray/containerd-api/services/snapshots';
import { invalidArgument } from '../errors.ts';
import type { EventExchange } from '../events/index.ts';
import type { GcScheduler } from '../gc/index.ts';
import type { SnapshotInfo, SnapshotStore } from '../snapshots/index.ts';
import { serverStream, unary } from './call.ts';
import { pack, toMounts, toTimestamp } from './convert.ts';

/** What the service needs. */
export interface SnapshotsDependencies {
  /** The stores by snapshotter. */
  readonly snapshots: ReadonlyMap<string, SnapshotStore>;
  readonly events: EventExchange;
  readonly scheduler: GcScheduler;
}

/** Records in one message of a listing. */
const LIST_BATCH = 100;

const KINDS = { view: Kind.VIEW, active: Kind.ACTIVE, committed: Kind.COMMITTED } as const;

/** `containerd.services.snapshots.v1.Snapshots` */
export function createSnapshotsService({ snapshots, events, scheduler }: SnapshotsDependencies): SnapshotsServer {
  const storeOf = (snapshotter: string): SnapshotStore => requireStore(snapshots, snapshotter);
  return {
    prepare: unary(async ({ snapshotter, key, parent, labels }, context) => {
      const namespace = context.namespace();
      const mounts = await storeOf(snapshotter).prepare(namespace, { key, parent, labels, leaseId: context.leaseId });
      events.publish(namespace, '/snapshot/prepare', pack(SnapshotPrepare, { key, parent, snapshotter }));
      scheduler.noteMutation();
      return { mounts: toMounts(mounts) };
    }),
    view: unary(async ({ snapshotter, key, parent, labels }, context) => {
      const namespace = context.namespace();
      const mounts = await storeOf(snapshotter).view(namespace, { key, parent, labels, leaseId: context.leaseId });
      events.publish(namespace, '/snapshot/prepare', pack(SnapshotPrepare, { key, parent, snapshotter }));
      scheduler.noteMutation();
      return { mounts: toMounts(mounts) };
    }),
    mounts: unary(({ snapshotter, key }, context) => ({ mounts: toMounts(storeOf(snapshotter).mounts(context.namespace(), key)) })),
    commit: unary(({ snapshotter, name, key, labels }, context) => {
      const namespace = context.namespace();
      storeOf(snapshotter).commit(namespace, { name, key, labels, leaseId: context.leaseId });
      events.publish(namespace, '/snapshot/commit', pack(SnapshotCommit, { key, name, snapshotter }));
      scheduler.noteMutation();
      return {};
    }),
    remove: unary(async ({ snapshotter, key }, context) => {
      const namespace = context.namespace();
      await storeOf(snapshotter).remove(namespace, key);
      events.publish(namespace, '/snapshot/remove', pack(SnapshotRemove, { key, snapshotter }));
      scheduler.noteMutation();
      return {};
    }),
    stat: unary(({ snapshotter, key }, context) => ({ info: toWire(storeOf(snapshotter).stat(context.namespace(), key)) })),
    update: unary(({ snapshotter, info, updateMask }, context) => ({
      info: toWire(storeOf(snapshotter).update(context.namespace(), { name: info?.name ?? '', labels: info?.labels ?? {} }, updateMask ?? [])),
    })),
    list: serverStream(async function* ({ snapshotter, filters }, context) {
      const infos = storeOf(snapshotter).list(context.namespace(), filters);
      for (let at = 0; at < infos.length; at += LIST_BATCH) yield { info: infos.slice(at, at + LIST_BATCH).map(toWire) };
    }),
    usage: unary(({ snapshotter, key }, context) => storeOf(snapshotter).usage(context.namespace(), key)),
    cleanup: unary(async ({ snapshotter }) => {
      await storeOf(snapshotter).sweep();
      return {};
    }),
  };
}

function requireStore(snapshots: ReadonlyMap<string, SnapshotStore>, snapshotter: string): SnapshotStore {
  if (snapshotter === '') throw invalidArgument('UNKNOWN_SNAPSHOTTER', 'snapshotter argument missing');
  const store = snapshots.get(snapshotter);
  if (store === undefined) throw invalidArgument('UNKNOWN_SNAPSHOTTER', `snapshotter not loaded: ${snapshotter}`);
  return store;
}

function toWire(info: SnapshotInfo): Info {
  return {
    name: info.name,
    parent: info.parent,
    kind: KINDS[info.kind],
    labels: { ...info.labels },
    createdAt: toTimestamp(info.createdAt),
    updatedAt: toTimestamp(info.updatedAt),
  };
}
