import { appendFileSync } from 'node:fs';
import { timestamp } from '../state/record.ts';

/** How serious an entry is, in the words of the log. */
export type LogLevel = 'debug' | 'info' | 'warning' | 'error';

/** Where the command's log goes. */
export interface CommandLog {
  write(level: LogLevel, message: string): void;
  /** An error that ends the command: also as text on standard error when the log is a file. */
  fatal(message: string): void;
}

/** Options of {@link createLog}. */
export interface LogOptions {
  /** Appended to; standard error when absent. */
  readonly file: string | undefined;
  readonly format: 'text' | 'json';
  readonly isDebug: boolean;
}

const STDERR = '/dev/stderr';

/** Makes the log of one command. Every entry is one write of one line. */
export function createLog({ file, format, isDebug }: LogOptions): CommandLog {
  const isFile = file !== undefined && file !== '' && file !== STDERR;
  const write = (level: LogLevel, message: string): void => {
    if (level === 'debug' && !isDebug) return;
    const line = formatEntry(format, level, message);
    if (isFile) appendFileSync(file, line, { mode: 0o644 });
    else writeStderr(line);
  };
  // The file is made even when nothing is said: callers read it.
  if (isFile) appendFileSync(file, '', { mode: 0o644 });
  return {
    write,
    fatal: (message) => {
      write('error', message);
      if (isFile) writeStderr(message.endsWith('\n') ? message : `${message}\n`);
    },
  };
}

/** One line, as logrus formats it. */
export function formatEntry(format: 'text' | 'json', level: LogLevel, message: string, now: string = seconds()): string {
  if (format === 'json') return `${JSON.stringify({ level, msg: message, time: now })}\n`;
  return `time=${quoted(now)} level=${level} msg=${quoted(message)}\n`;
}

/** RFC 3339 without a fraction, as logrus stamps. */
function seconds(): string {
  return timestamp(Math.floor(Date.now() / 1000) * 1000);
}

/** Plain where it is one simple word, else quoted as Go's %q. */
function quoted(text: string): string {
  return /^[\w.@^+/-]+$/.test(text) ? text : JSON.stringify(text);
}

/** Written synchronously: the process ends right after. A closed standard error is no reason to fail in another way. */
function writeStderr(text: string): void {
  try {
    appendFileSync(2, text);
  } catch {
    // There is nowhere left to say it.
  }
}
