import type { EventBus } from '../events/index.ts';
import type { Filters, Route } from '../http/index.ts';
import { asBodyObject, stringField, stringMapField } from '../request-fields.ts';
import { EngineApiError, conflict } from '../errors.ts';
import type { LocalVolumes } from './local-volumes.ts';
import { ANONYMOUS_LABEL } from './volume-name.ts';
import type { Volume } from './volume-service.ts';

/** The endpoints under `/volumes`. */
export function volumeRoutes(volumes: LocalVolumes, events: EventBus): Route[] {
  let isPruning = false;
  return [
    { method: 'GET', path: '/volumes', handle: (context) => {
      const filters = context.query.filters(['dangling', 'driver', 'label', 'name']);
      context.sendJson(200, { Volumes: volumes.list().filter((volume) => isWanted(volume, filters, volumes)), Warnings: null });
    } },
    { method: 'POST', path: '/volumes/create', handle: async (context) => {
      const body = asBodyObject(await context.readJson());
      if (typeof body['ClusterVolumeSpec'] === 'object' && body['ClusterVolumeSpec'] !== null) throw new EngineApiError('unavailable', 'NOT_A_MANAGER', 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.');
      const options = stringMapField(body, 'DriverOpts');
      const labels = stringMapField(body, 'Labels');
      context.sendJson(201, await volumes.create({ name: stringField(body, 'Name'), driver: stringField(body, 'Driver'), ...options === undefined ? {} : { options }, ...labels === undefined ? {} : { labels } }));
    } },
    { method: 'POST', path: '/volumes/prune', handle: async (context) => {
      await context.drainBody();
      const filters = context.query.filters(['label', 'label!', 'all']);
      if (isPruning) throw conflict('a prune operation is already running', 'PRUNE_RUNNING');
      isPruning = true;
      try {
        const isAll = !context.version.atLeast('1.42') || filters.bool('all', false);
        const pruned = await prune(volumes, (volume) => (isAll || Object.hasOwn(volume.Labels ?? {}, ANONYMOUS_LABEL)) && filters.matchLabels('label', volume.Labels ?? {}) && filters.matchNoLabels('label!', volume.Labels ?? {}));
        events.publish({ type: 'volume', action: 'prune', actor: { id: '', attributes: { reclaimed: String(pruned.SpaceReclaimed) } } });
        context.sendJson(200, pruned);
      } finally {
        isPruning = false;
      }
    } },
    { method: 'GET', path: '/volumes/{name}', handle: async (context) => context.sendJson(200, await volumes.get(context.params['name'] ?? '')) },
    { method: 'PUT', path: '/volumes/{name}', handle: async (context) => {
      await context.drainBody();
      throw new EngineApiError('unavailable', 'NOT_A_MANAGER', 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.');
    } },
    { method: 'DELETE', path: '/volumes/{name}', handle: async (context) => {
      await volumes.remove(context.params['name'] ?? '', { force: context.query.bool('force') });
      context.sendEmpty(204);
    } },
  ];
}

function isWanted(volume: Volume, filters: Filters, volumes: LocalVolumes): boolean {
  return filters.match('name', volume.Name) && filters.exact('driver', volume.Driver) && filters.matchLabels('label', volume.Labels ?? {})
    && (!filters.has('dangling') || filters.bool('dangling', true) === (volumes.referenceCount(volume.Name) === 0));
}

async function prune(volumes: LocalVolumes, isWantedGone: (volume: Volume) => boolean): Promise<{ VolumesDeleted: string[]; SpaceReclaimed: number }> {
  const deleted: string[] = [];
  let reclaimed = 0;
  for (const volume of volumes.list()) {
    if (volumes.referenceCount(volume.Name) > 0 || !isWantedGone(volume)) continue;
    const bytes = await volumes.sizeBytes(volume.Name);
    await volumes.remove(volume.Name, { force: true });
    deleted.push(volume.Name);
    reclaimed += bytes;
  }
  return { VolumesDeleted: deleted, SpaceReclaimed: reclaimed };
}
