import fs from 'node:fs';
import type { Logger } from '@dray/engine-api';

/** How much is said. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, fatal: 4 };

/** The daemon's log: dockerd's lines, `time="…" level=info msg="…" key=value`, on standard error. */
export class DaemonLog implements Logger {
  #rank: number;

  constructor(level: LogLevel) {
    this.#rank = RANK[level];
  }

  /** Says more or less from now on. */
  set level(level: LogLevel) {
    this.#rank = RANK[level];
  }

  debug(fields: object, message: string): void {
    this.#write('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#write('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#write('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message);
  }

  #write(level: LogLevel, fields: object, message: string): void {
    if (RANK[level] < this.#rank) return;
    const line = `time="${new Date().toISOString()}" level=${level === 'warn' ? 'warning' : level} msg=${quote(message)}${Object.entries(fields).map(([key, value]: [string, unknown]) => ` ${key === 'err' ? 'error' : key}=${show(value)}`).join('')}\n`;
    try {
      fs.writeSync(2, line);
    } catch {
      // Nobody reads the log any more; the daemon goes on.
    }
  }
}

function show(value: unknown): string {
  if (value instanceof Error) return quote(process.env['DRAY_LOG_STACKS'] === undefined ? value.message : value.stack ?? value.message);
  return typeof value === 'object' && value !== null ? quote(JSON.stringify(value)) : quote(String(value));
}

/** Quotes where the text is more than one word. */
function quote(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text);
}
