export { type Config, type ConfigOverrides, loadConfig, type LogLevel, parseConfig, renderDefaultConfig, type SocketConfig } from './config.ts';
export { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
export { ContainerdError, type ContainerdErrorOptions, type ErrorKind, isContainerdError } from './errors.ts';
export { createKernel } from './libcontainer-kernel.ts';
export { type Logger, SILENT } from './logger.ts';
export { type Kernel } from './tasks/index.ts';
