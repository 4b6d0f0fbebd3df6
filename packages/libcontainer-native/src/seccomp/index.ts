export { SECCOMP_ARCHITECTURES } from './architectures.ts';
export { compileSeccomp, type CompiledSeccomp } from './compile.ts';
export { SECCOMP_ACTIONS, SECCOMP_FLAGS, SECCOMP_OPERATORS, type SeccompArg, type SeccompProfile, type SeccompRule } from './profile.ts';
