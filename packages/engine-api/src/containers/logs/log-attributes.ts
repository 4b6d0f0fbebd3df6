/** What the log options `labels`, `env` and their `-regex` forms put into every record. */
import { envKey } from '../create/merge.ts';
import type { ContainerConfig, LogConfig } from '../create/types.ts';

/** The attributes of a container's log records; empty when none are asked for. A pattern that is none selects nothing. */
export function logAttributes(config: Pick<ContainerConfig, 'Labels' | 'Env'>, log: LogConfig): Record<string, string> {
  const options = log.Config ?? {};
  const labels = Object.entries(config.Labels ?? {});
  const variables = (config.Env ?? []).filter((entry) => entry.includes('=')).map((entry): [string, string] => [envKey(entry), entry.slice(envKey(entry).length + 1)]);
  return Object.fromEntries([
    ...labels.filter(([name]) => isWanted(name, options['labels'], options['labels-regex'])),
    ...variables.filter(([name]) => isWanted(name, options['env'], options['env-regex'])),
  ]);
}

function isWanted(name: string, list: string | undefined, pattern: string | undefined): boolean {
  if (list?.split(',').includes(name) === true) return true;
  if (pattern === undefined || pattern === '') return false;
  try {
    return new RegExp(pattern, 'u').test(name);
  } catch {
    return false; // see above
  }
}
