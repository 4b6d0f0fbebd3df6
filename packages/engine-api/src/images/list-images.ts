import type { ContainerReference } from '../containers/container-service.ts';
import { invalid, notFound } from '../errors.ts';
import type { ApiVersion, Filters } from '../http/index.ts';
import { untilFilter } from '../until-filter.ts';
import { type CataloguedImage, type ImageCatalog, recordsOf, repoTags } from './image-catalog.ts';
import type { ImageStore } from './image-store.ts';
import { listEntry } from './image-view.ts';
import { matchesReferencePattern } from './reference-pattern.ts';

/** The filter keys of `GET /images/json`. */
export const IMAGE_FILTERS: readonly string[] = ['before', 'dangling', 'label', 'label!', 'reference', 'since', 'until'];

/** What to list. */
export interface ListOptions { readonly filters: Filters; readonly version: ApiVersion; readonly hasDigests: boolean; readonly hasSharedSize: boolean; readonly hasContainers: boolean }

/** Images that pass the filters, newest first. @throws EngineApiError invalid_argument */
export async function listImages(store: ImageStore, options: ListOptions): Promise<Record<string, unknown>[]> {
  const all = await store.catalog.list();
  const wanted = await selectImages(store, all, options.filters);
  const shared = options.hasSharedSize ? sharedLayers(all) : undefined;
  const containers: readonly ContainerReference[] = options.hasContainers ? store.containers() : [];
  return Promise.all(wanted.map(async (image) => listEntry(image, store.catalog, {
    version: options.version,
    hasDigests: options.hasDigests,
    sharedSizeBytes: shared === undefined ? -1 : await sizeOf(store.catalog, image.chainIds.filter((chainId) => shared.has(chainId))),
    containerCount: options.hasContainers ? containers.filter((container) => container.imageId === image.id).length : -1,
  })));
}

/** Applies filters, newest image first. */
export async function selectImages(store: ImageStore, images: readonly CataloguedImage[], filters: Filters): Promise<CataloguedImage[]> {
  const [before, since, until] = [await createdOf(store, filters, 'before'), await createdOf(store, filters, 'since'), untilFilter(filters)];
  return images.filter((image) => {
    const created = createdMs(image);
    if (before !== undefined && created >= before) return false;
    if (since !== undefined && created <= since) return false;
    if (until !== undefined && created >= until) return false;
    const labels = image.config.config?.Labels;
    if (!filters.matchLabels('label', labels) || !filters.matchNoLabels('label!', labels)) return false;
    if (filters.has('dangling') && filters.bool('dangling', false) !== (repoTags(image).length === 0)) return false;
    return true;
  }).flatMap((image) => withMatchingNames(image, filters.get('reference'))).sort((a, b) => createdMs(b) - createdMs(a));
}

/** The image with those of its names that fit one of the patterns; nothing where none does. */
function withMatchingNames(image: CataloguedImage, patterns: readonly string[]): CataloguedImage[] {
  if (patterns.length === 0) return [image];
  const fits = (one: { record: { name: string }; name: { familiar: string; repository: string } }): boolean => patterns.some((pattern) => matchesReferencePattern(pattern, one.name));
  const names = new Set([...recordsOf(image, 'tag'), ...recordsOf(image, 'digest')].filter(fits).map(({ record }) => record.name));
  return names.size === 0 ? [] : [{ ...image, records: image.records.filter(({ record }) => names.has(record.name)) }];
}

function createdMs(image: CataloguedImage): number {
  return Date.parse(image.config.created ?? '') || 0;
}

async function createdOf(store: ImageStore, filters: Filters, key: string): Promise<number | undefined> {
  const value = filters.get(key)[0];
  if (value === undefined) return undefined;
  if (filters.get(key).length > 1) throw invalid(`invalid filter '${key}=[${filters.get(key).join(' ')}]'`, 'INVALID_FILTER');
  const image = await store.find(value).catch(() => { throw notFound(`No such image: ${value}`, 'NO_SUCH_IMAGE'); });
  return Date.parse(image.config.created ?? '') || 0;
}

/** Layers that more than one image has. */
export function sharedLayers(images: readonly CataloguedImage[]): Set<string> {
  const counts = new Map<string, number>();
  for (const image of images) for (const chainId of image.chainIds) counts.set(chainId, (counts.get(chainId) ?? 0) + 1);
  return new Set([...counts].filter(([, count]) => count > 1).map(([chainId]) => chainId));
}

/** How many bytes layers take. */
export async function sizeOf(catalog: ImageCatalog, chainIds: readonly string[]): Promise<number> {
  const sizes = await Promise.all(chainIds.map((chainId) => catalog.layerSizeBytes(chainId)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
