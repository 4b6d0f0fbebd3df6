import { createHash } from 'node:crypto';
import type { ContainerDefaults } from '@dray/oci-image';

/** What a step is known by in the cache, together with its parent: everything its container would be made with, the command first of all. */
export function cacheKey(config: ContainerDefaults): string {
  return createHash('sha256').update(JSON.stringify(sorted(config))).digest('hex');
}

/** The same value gives the same text, in whatever order its members were set. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined).sort(([a], [b]) => a < b ? -1 : 1).map(([key, member]) => [key, sorted(member)]));
}
