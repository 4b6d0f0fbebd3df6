/** What the parts log to; pino's logger fits. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Drops every line. */
export const SILENT: Logger = { debug: drop, info: drop, warn: drop, error: drop };

function drop(): void {
  // A library is silent unless its user asks for lines.
}
