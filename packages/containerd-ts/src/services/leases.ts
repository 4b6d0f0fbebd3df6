import type { Lease as WireLease, LeasesServer, Resource } from '@dray/containerd-api/services/leases';
import type { GcScheduler } from '../gc/index.ts';
import type { Lease, LeaseResource, LeaseStore } from '../leases/lease-store.ts';
import { unary } from './call.ts';
import { toTimestamp } from './convert.ts';

/** `containerd.services.leases.v1.Leases` */
export function createLeasesService({ leases, scheduler }: { readonly leases: LeaseStore; readonly scheduler: GcScheduler }): LeasesServer {
  return {
    create: unary((input, context) => ({ lease: toWire(leases.create(context.namespace(), input)) })),
    delete: unary(async ({ id, sync }, context) => {
      leases.delete(context.namespace(), id);
      if (sync) await scheduler.collectNow();
      else scheduler.noteDeletion();
      return {};
    }),
    list: unary(({ filters }, context) => ({ leases: leases.list(context.namespace(), filters).map(toWire) })),
    addResource: unary(({ id, resource }, context) => {
      leases.addResource(context.namespace(), id, fromResource(resource));
      return {};
    }),
    deleteResource: unary(({ id, resource }, context) => {
      leases.deleteResource(context.namespace(), id, fromResource(resource));
      scheduler.noteDeletion();
      return {};
    }),
    listResources: unary(({ id }, context) => ({ resources: leases.listResources(context.namespace(), id) })),
  };
}

function fromResource(resource: Resource | undefined): LeaseResource {
  return resource ?? { type: '', id: '' };
}

function toWire(lease: Lease): WireLease {
  return { id: lease.id, labels: { ...lease.labels }, createdAt: toTimestamp(lease.createdAt) };
}
