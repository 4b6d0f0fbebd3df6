/** Where a process's output goes: a `binary://` logger, which containerd's shims start (and ours runs in its monitor). */

/** What the logger is told. */
export interface LoggerOptions {
  readonly loggerPath: string;
  /** `json-file` writes the log; `none` only serves live readers. */
  readonly driver: 'json-file' | 'none';
  /** The log file, for `json-file`. */
  readonly path?: string;
  readonly maxSizeBytes?: number;
  readonly maxFiles?: number;
  /** The socket that live readers connect to. */
  readonly attachSocket: string;
  readonly isTty: boolean;
}

/** The URI. Its query pairs become the logger's arguments, in this order. */
export function loggerUri(options: LoggerOptions): string {
  const query = new URLSearchParams({ driver: options.driver });
  if (options.path !== undefined) query.set('path', options.path);
  if (options.maxSizeBytes !== undefined) query.set('max-size', String(options.maxSizeBytes));
  if (options.maxFiles !== undefined) query.set('max-file', String(options.maxFiles));
  query.set('attach', options.attachSocket);
  query.set('tty', options.isTty ? '1' : '0');
  return `binary://${options.loggerPath}?${query.toString().replaceAll('+', '%20')}`;
}
