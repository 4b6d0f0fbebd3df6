export { isRuncError, RuncError, type RuncErrorInit, type RuncErrorKind } from './errors.ts';
export type { Features } from './features.ts';
export { parseSignal } from './kill.ts';
export type { CreateOptions, DeleteOptions, ExecOptions, KillOptions, LogEntry, RuntimeOptions, StartOptions, Stdio, UpdateResources } from './options.ts';
export { createRuntime, DEFAULT_ROOT, type ListedContainer, type Runtime, type StartedProcess } from './runtime.ts';
export type { DefaultSpecOptions } from './spec/default-spec.ts';
export type { HooksSpec, HookSpec, LinuxSpec, MountSpec, ProcessSpec, Spec } from './spec/types.ts';
export type { ContainerState, ContainerStatus } from './state/status.ts';
