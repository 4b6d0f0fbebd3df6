import type { NamespacesServer } from '@dray/containerd-api/services/namespaces';
import { NamespaceCreate, NamespaceDelete, NamespaceUpdate } from '@dray/containerd-api/events';
import { invalidArgument } from '../errors.ts';
import type { EventExchange } from '../events/index.ts';
import { parseFilters, readMap, select } from '../filters/index.ts';
import type { Namespace, NamespaceStore } from '../namespaces/namespace-store.ts';
import { unary } from './call.ts';
import { pack } from './convert.ts';

/** `containerd.services.namespaces.v1.Namespaces` */
export function createNamespacesService({ namespaces, events }: { readonly namespaces: NamespaceStore; readonly events: EventExchange }): NamespacesServer {
  return {
    get: unary(({ name }) => ({ namespace: { name, labels: { ...namespaces.labels(name) } } })),
    list: unary(({ filter }) => ({ namespaces: select(parseFilters(filter === '' ? [] : [filter]), namespaces.list(), readField).map(toWire) })),
    create: unary(({ namespace }) => {
      const created = namespace ?? { name: '', labels: {} };
      namespaces.create(created);
      events.publish(created.name, '/namespaces/create', pack(NamespaceCreate, created));
      return { namespace: created };
    }),
    update: unary(({ namespace, updateMask }) => {
      const input = namespace ?? { name: '', labels: {} };
      const updated = namespaces.update(input.name, { labels: input.labels, labelKeys: labelKeys(updateMask) });
      events.publish(updated.name, '/namespaces/update', pack(NamespaceUpdate, updated));
      return { namespace: toWire(updated) };
    }),
    delete: unary(({ name }) => {
      namespaces.delete(name);
      events.publish(name, '/namespaces/delete', pack(NamespaceDelete, { name }));
      return {};
    }),
  };
}

/** The labels a mask names; undefined for all of them. */
function labelKeys(mask: readonly string[] | undefined): string[] | undefined {
  if (mask === undefined || mask.length === 0 || mask.includes('labels')) return undefined;
  return mask.map((path) => {
    if (!path.startsWith('labels.')) throw invalidArgument('INVALID_FIELD_MASK', `cannot update ${JSON.stringify(path)} field`);
    return path.slice('labels.'.length);
  });
}

function readField(namespace: Namespace, path: readonly string[]): string | undefined {
  if (path[0] === 'name') return namespace.name;
  return path[0] === 'labels' ? readMap(namespace.labels, path.slice(1)) : undefined;
}

function toWire(namespace: Namespace): { name: string; labels: Record<string, string> } {
  return { name: namespace.name, labels: { ...namespace.labels } };
}
