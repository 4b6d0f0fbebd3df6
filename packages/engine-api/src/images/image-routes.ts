import type { DaemonConfig } from '../config.ts';
import { conflict, invalid, notFound, notImplemented } from '../errors.ts';
import type { Route, RouteContext } from '../http/index.ts';
import type { CataloguedImage } from './image-catalog.ts';
import { distributionRoute } from './distribution.ts';
import type { ImageStore } from './image-store.ts';
import { historyEntries, inspectEntry } from './image-view.ts';
import { importRoute } from './import-image.ts';
import { IMAGE_FILTERS, listImages } from './list-images.ts';
import { loadRoute } from './load-images.ts';
import { pruneImages } from './prune-images.ts';
import { pullRoute } from './pull-image.ts';
import { pushRoute } from './push-image.ts';
import { removeImage } from './remove-image.ts';
import { imagesToSave, saveImages } from './save-images.ts';
import { searchRoute } from './search-images.ts';
import { tagImage } from './tag-image.ts';

/** The endpoints under `/images`, and `/distribution`. */
export function imageRoutes(store: ImageStore, config: DaemonConfig): Route[] {
  let isPruning = false;
  return [
    { method: 'GET', path: '/images/json', handle: async (context) => context.sendJson(200, await listImages(store, {
      filters: context.query.filters(IMAGE_FILTERS), version: context.version, hasDigests: context.query.bool('digests'), hasSharedSize: context.query.bool('shared-size'), hasContainers: false,
    })) },
    { method: 'POST', path: '/images/create', handle: (context) => context.query.get('fromImage') !== '' || context.query.get('fromSrc') === '' ? pullRoute(context, store, config) : importRoute(context, store) },
    { method: 'GET', path: '/images/{name}/json', handle: async (context) => {
      if (context.query.bool('manifests') && context.query.get('platform') !== '') throw invalid('conflicting options: manifests and platform options cannot both be set');
      context.sendJson(200, await inspectEntry(await named(context, store), store.catalog, store.snapshotter, context.version));
    } },
    { method: 'GET', path: '/images/{name}/history', handle: async (context) => context.sendJson(200, await historyEntries(await named(context, store), store.catalog)) },
    { method: 'POST', path: '/images/{name}/tag', handle: async (context) => {
      await tagImage(store, nameOf(context), context.query.get('repo'), context.query.get('tag'));
      context.sendEmpty(201);
    } },
    { method: 'POST', path: '/images/{name}/push', handle: (context) => pushRoute(context, store, config) },
    { method: 'DELETE', path: '/images/{name}', handle: async (context) => {
      if (nameOf(context).trim() === '') throw invalid('image name cannot be blank');
      if (context.query.has('platforms')) throw notImplemented('removing single platforms of an image is not implemented');
      context.sendJson(200, await removeImage(store, nameOf(context), { force: context.query.bool('force') }));
    } },
    { method: 'POST', path: '/images/prune', handle: async (context) => {
      await context.drainBody();
      const filters = context.query.filters(['dangling', 'label', 'label!', 'until']);
      if (isPruning) throw conflict('a prune operation is already running', 'PRUNE_RUNNING');
      isPruning = true;
      try {
        const pruned = await pruneImages(store, filters);
        store.events.publish({ type: 'image', action: 'prune', actor: { id: '', attributes: { reclaimed: String(pruned.SpaceReclaimed) } } });
        context.sendJson(200, pruned);
      } finally {
        isPruning = false;
      }
    } },
    { method: 'GET', path: '/images/get', handle: (context) => save(context, store, context.query.getAll('names').flatMap((names) => names.split(','))) },
    { method: 'GET', path: '/images/{name}/get', handle: (context) => save(context, store, [nameOf(context)]) },
    { method: 'POST', path: '/images/load', handle: (context) => loadRoute(context, store) },
    { method: 'GET', path: '/images/search', handle: searchRoute },
    { method: 'GET', path: '/distribution/{name}/json', handle: (context) => distributionRoute(context, config) },
  ];
}

function nameOf(context: RouteContext): string {
  return context.params['name'] ?? '';
}

async function named(context: RouteContext, store: ImageStore): Promise<CataloguedImage> {
  const found = await store.find(nameOf(context));
  const image = await store.catalog.ofId(found.id);
  if (image === undefined) throw notFound(`No such image: ${nameOf(context)}`, 'NO_SUCH_IMAGE'); // removed meanwhile
  return image;
}

async function save(context: RouteContext, store: ImageStore, names: readonly string[]): Promise<void> {
  const images = await imagesToSave(store, names);
  await saveImages(store, images, context.startStream({ contentType: 'application/x-tar' }));
}
