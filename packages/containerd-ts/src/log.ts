import { destination, pino } from 'pino';
import type { LogLevel } from './config.ts';
import type { Logger } from './logger.ts';

/** The daemon's log: a line of JSON on standard error for each event. A closed standard error does not end the daemon. */
export function createLogger(level: LogLevel): Logger {
  const sink = destination({ dest: 2, sync: true });
  sink.on('error', () => undefined);
  return pino({ name: 'dray-containerd', level: level === 'panic' ? 'fatal' : level, base: null }, sink);
}
