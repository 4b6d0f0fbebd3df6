export { type EngineErrorCode, EngineError, isEngineError } from './errors.ts';
export { parseCommandLine } from './command-line.ts';
export { readDaemonJson } from './daemon-json.ts';
export { kernel } from './kernel.ts';
export { DaemonLog, type LogLevel } from './log.ts';
export { type RunningDaemon, runDaemon } from './run-daemon.ts';
export { type Settings, makeSettings } from './settings.ts';
