export type { DaemonConfig, NetworkConfig, RuntimeConfig, UlimitConfig } from './config.ts';
export type { DaemonContext, DaemonPaths } from './context.ts';
export { EngineApiError, type ErrorKind, isEngineApiError } from './errors.ts';
export type { KernelPort, MountDescription } from './kernel-port.ts';
export { type Logger, silentLogger } from './logger.ts';
