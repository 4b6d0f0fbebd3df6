import { isAttestation, parseImageConfig, type Platform, platformOfConfig, withDefaultTag } from '@dray/oci-image';
import type { DaemonConfig } from '../config.ts';
import type { RouteContext } from '../http/index.ts';
import { readAllBytes } from './read-bytes.ts';
import { parseBareName } from './image-store.ts';
import { credentialsOf, registryClient } from './pull-image.ts';
import { pullError } from './registry-errors.ts';

/** `GET /distribution/{name}/json`: what a registry has under a name. */
export async function distributionRoute(context: RouteContext, config: DaemonConfig): Promise<void> {
  const reference = withDefaultTag(parseBareName(context.params['name'] ?? ''));
  await using registry = registryClient(config, credentialsOf(context));
  try {
    const { descriptor, document } = await registry.fetchManifest(reference, { signal: context.signal });
    let platforms: readonly Platform[];
    if (document.kind === 'index') platforms = document.index.manifests.filter((entry) => !isAttestation(entry)).flatMap((entry) => entry.platform ?? []);
    else platforms = [platformOfConfig(parseImageConfig(await readAllBytes(registry.fetchBlob(reference, document.manifest.config, { signal: context.signal }))))];
    context.sendJson(200, {
      Descriptor: { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size },
      Platforms: platforms.map((platform) => ({ architecture: platform.architecture, os: platform.os, ...platform.variant === undefined ? {} : { variant: platform.variant } })),
    });
  } catch (error) {
    throw pullError(error, reference);
  }
}
