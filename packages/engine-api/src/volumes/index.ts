export { LocalVolumes, type LocalVolumesOptions } from './local-volumes.ts';
export { ANONYMOUS_LABEL } from './volume-name.ts';
export { volumeRoutes } from './volume-routes.ts';
export type { Volume, VolumeRequest, VolumeService } from './volume-service.ts';
