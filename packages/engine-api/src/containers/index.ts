export type { ContainerReference, ContainerService, ContainerUsage } from './container-service.ts';
export { createContainerService } from './create-container-service.ts';
