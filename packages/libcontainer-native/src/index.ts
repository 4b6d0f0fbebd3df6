export { LibcontainerError, errnoKind, errnoName, errnoText, isLibcontainerError, systemError } from './errors.ts';
export type { LibcontainerErrorKind, LibcontainerErrorOptions } from './errors.ts';
export * from './fs/index.ts';
export * from './mount.ts';
export * from './netns.ts';
export * from './process/index.ts';
export * from './init/plan.ts';
export { encodePlan } from './init/encode-plan.ts';
