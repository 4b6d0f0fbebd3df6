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
  /** Written into every record. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** The socket that live readers connect to. */
  readonly attachSocket: string;
  readonly isTty: boolean;
}

/** The URI. Its query pairs become the logger's arguments. */
export function loggerUri(options: LoggerOptions): string {
  const query = new URLSearchParams(loggerPairs(options));
  return `binary://${options.loggerPath}?${query.toString().replaceAll('+', '%20')}`;
}

/** The arguments a shim makes of the URI. */
export function loggerArguments(options: LoggerOptions): string[] {
  return loggerPairs(options).flat();
}

function loggerPairs(options: LoggerOptions): [string, string][] {
  const pairs: [string, string][] = [['driver', options.driver]];
  if (options.path !== undefined) pairs.push(['path', options.path]);
  if (options.maxSizeBytes !== undefined) pairs.push(['max-size', String(options.maxSizeBytes)]);
  if (options.maxFiles !== undefined) pairs.push(['max-file', String(options.maxFiles)]);
  if (options.attributes !== undefined) pairs.push(['attrs', JSON.stringify(options.attributes)]);
  pairs.push(['attach', options.attachSocket], ['tty', options.isTty ? '1' : '0']);
  return pairs;
}
