import { lookup } from 'node:dns/promises';
import { invalid } from '../errors.ts';
import type { MountDescription } from '../kernel-port.ts';

const KNOWN: ReadonlySet<string> = new Set(['type', 'o', 'device', 'size']);

/** Refuses options that the `local` driver does not know or that are not whole. @throws EngineApiError invalid_argument */
export function checkLocalOptions(name: string, options: Readonly<Record<string, string>>): void {
  for (const key of Object.keys(options)) {
    if (!KNOWN.has(key)) throw invalid(`create ${name}: invalid option: ${JSON.stringify(key)}`, 'INVALID_VOLUME_OPTION');
  }
  if (options['size'] !== undefined) throw invalid(`create ${name}: quota size requested but no quota support`, 'INVALID_VOLUME_OPTION');
  if (Object.keys(options).length === 0) return;
  for (const key of ['device', 'type']) {
    const isOptional = key === 'type' && (options['o'] ?? '').split(',').some((flag) => flag === 'bind' || flag === 'rbind');
    if ((options[key] ?? '') === '' && !isOptional) throw invalid(`create ${name}: missing required option: ${JSON.stringify(key)}`, 'INVALID_VOLUME_OPTION');
  }
}

/** What has to be mounted for a volume with such options; undefined: nothing, the folder is all. */
export async function mountOfOptions(options: Readonly<Record<string, string>> | null): Promise<MountDescription | undefined> {
  if (options === null || Object.keys(options).length === 0) return undefined;
  const flags = (options['o'] ?? '').split(',').filter((flag) => flag !== '');
  const type = options['type'] ?? 'none';
  return { type, source: options['device'] ?? '', options: /^(?:nfs|cifs)/.test(type) ? await Promise.all(flags.map(resolveAddress)) : flags };
}

/** The kernel does not resolve names. */
async function resolveAddress(flag: string): Promise<string> {
  const host = /^addr=(.+)$/.exec(flag)?.[1];
  return host === undefined ? flag : `addr=${(await lookup(host)).address}`;
}
