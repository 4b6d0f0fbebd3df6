export { applyChanges } from './config-changes.ts';
export type { ContainerDefaults, HealthcheckConfiguration, HistoryEntry, ImageConfiguration } from './image-configuration.ts';
export { imageRoutes } from './image-routes.ts';
export type { CommitRequest, ImageService, PlatformWanted, ResolvedImage } from './image-service.ts';
export { ImageStore, type ImageStoreOptions } from './image-store.ts';
export { listImages } from './list-images.ts';
export { loadImages } from './load-images.ts';
export { layersSize } from './prune-images.ts';
