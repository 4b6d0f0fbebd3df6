/** Sources, destinations and stream messages of the transfer service. */
export { ContainerPath } from './gen/types/transfer/container.ts';
export { ImageReference, ImageStore, UnpackConfiguration } from './gen/types/transfer/imagestore.ts';
export { ImageExportStream, ImageImportStream } from './gen/types/transfer/importexport.ts';
export { Progress } from './gen/types/transfer/progress.ts';
export { AuthRequest, AuthResponse, AuthType, HTTPDebug, OCIRegistry, RegistryResolver } from './gen/types/transfer/registry.ts';
export { Data, ReadStream, WindowUpdate, WriteStream } from './gen/types/transfer/streaming.ts';
