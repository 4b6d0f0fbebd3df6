import { createRequire } from 'node:module';

/** What `docker version` shows for the engine. */
export interface EngineVersion { readonly version: string; readonly gitCommit: string; readonly buildTime: string }

/** The version of this package. */
export function engineVersion(): EngineVersion {
  const manifest = createRequire(import.meta.url)('@dray/engine/package.json') as { version: string; dray?: { gitCommit?: string; buildTime?: string } };
  return { version: manifest.version, gitCommit: manifest.dray?.gitCommit ?? '', buildTime: manifest.dray?.buildTime ?? '' };
}
