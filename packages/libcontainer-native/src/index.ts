export { LibcontainerError, errnoKind, errnoName, errnoText, isLibcontainerError, systemError } from './errors.ts';
export type { LibcontainerErrorKind, LibcontainerErrorOptions } from './errors.ts';
export * from './init/plan.ts';
export { encodePlan } from './init/encode-plan.ts';
export { compileSeccomp, SECCOMP_ACTIONS, SECCOMP_ARCHITECTURES, SECCOMP_FLAGS, SECCOMP_OPERATORS, type CompiledSeccomp, type SeccompArg, type SeccompProfile, type SeccompRule } from './seccomp/index.ts';
