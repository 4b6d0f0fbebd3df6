import { parseRegistryAuth } from '@dray/oci-image';
import type { DaemonConfig } from '../config.ts';
import { invalid, notImplemented } from '../errors.ts';
import type { RouteContext } from '../http/index.ts';
import { parseBareName, type ImageStore } from './image-store.ts';

/** `POST /images/{name}/push`. */
export async function pushRoute(context: RouteContext, _store: ImageStore, _config: DaemonConfig): Promise<void> {
  parseBareName(context.params['name'] ?? '');
  if (context.header('X-Registry-Auth') === '') throw invalid('Bad parameters and missing X-Registry-Auth: EOF');
  parseRegistryAuth(context.header('X-Registry-Auth'));
  throw notImplemented('pushing images is not implemented');
}
