/** The endpoints that carry files: archive, export, changes, commit. */
import type { Route } from '../../http/index.ts';
import type { Engine } from '../lifecycle/engine.ts';

/** Routes of files. */
export function archiveRoutes(_engine: Engine): Route[] {
  return [];
}
