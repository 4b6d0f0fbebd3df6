export { DEFAULT_DETACH_KEYS, parseDetachKeys } from './detach-keys.ts';
export { loggerUri, type LoggerOptions } from './logger-uri.ts';
export { StreamSession, type ProcessStreams, type SessionEnd, type SessionOptions } from './stream-session.ts';
export type { OutputSelection } from './attach-socket.ts';
export { FifoOutput, openLoggerOutput, type OutputSource } from './output-source.ts';
export { startOwnLogger, type OwnLogger } from './own-logger.ts';
