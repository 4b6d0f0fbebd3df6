import type { Filters } from '../http/index.ts';
import { type CataloguedImage, recordsOf, repoTags } from './image-catalog.ts';
import { untilFilter } from '../until-filter.ts';
import type { ImageStore } from './image-store.ts';
import { type RemovalLine, removeImage } from './remove-image.ts';

/** Removes images that no container uses: those without a tag, or with `dangling=false` all. */
export async function pruneImages(store: ImageStore, filters: Filters): Promise<{ ImagesDeleted: RemovalLine[] | null; SpaceReclaimed: number }> {
  const isDanglingOnly = filters.bool('dangling', true);
  const until = untilFilter(filters);
  const used = new Set(store.containers().map((container) => container.imageId));
  const before = await layersSize(store);
  const lines: RemovalLine[] = [];
  for (const image of await store.catalog.list()) {
    if (used.has(image.id) || (isDanglingOnly && repoTags(image).length > 0)) continue;
    if (until !== undefined && (Date.parse(image.config.created ?? '') || 0) > until) continue;
    if (!filters.matchLabels('label', image.config.config?.Labels) || !filters.matchNoLabels('label!', image.config.config?.Labels)) continue;
    lines.push(...await removeWhole(store, image));
  }
  return { ImagesDeleted: lines.length === 0 ? null : lines, SpaceReclaimed: Math.max(0, before - await layersSize(store)) };
}

async function removeWhole(store: ImageStore, image: CataloguedImage): Promise<RemovalLine[]> {
  const lines: RemovalLine[] = [];
  const tags = recordsOf(image, 'tag');
  for (const { name } of tags.slice(0, -1)) lines.push(...await removeImage(store, name.familiar, { force: true }));
  return [...lines, ...await removeImage(store, tags.at(-1)?.name.familiar ?? image.id, { force: tags.length === 0 })];
}

/** How many bytes the layers of all images take, each layer once. */
export async function layersSize(store: ImageStore): Promise<number> {
  const chainIds = new Set((await store.catalog.list()).flatMap((image) => image.chainIds));
  const sizes = await Promise.all([...chainIds].map((chainId) => store.catalog.layerSizeBytes(chainId)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
