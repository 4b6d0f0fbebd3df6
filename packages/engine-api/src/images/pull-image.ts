import {
  type CredentialSource, type Credentials, type Digest, digestHex, familiarName, familiarReference, fixedCredentials, type Image, type ImageReference, isDigest, parsePlatform, parseRegistryAuth,
  pull, type PullEvent, RegistryClient, withDigest, withTag,
} from '@dray/oci-image';
import type { DaemonConfig } from '../config.ts';
import { invalid, messageOf } from '../errors.ts';
import type { RouteContext } from '../http/index.ts';
import { ContainerdContent } from './content-adapter.ts';
import { parseBareName, type ImageStore } from './image-store.ts';
import { withLease } from './lease.ts';
import { ProgressStream } from './progress.ts';
import { pullError } from './registry-errors.ts';
import { SnapshotUnpacker } from './snapshot-unpacker.ts';

const LAYER_STATUS = {
  pulling_fs_layer: 'Pulling fs layer', waiting: 'Waiting', downloading: 'Downloading', verifying: 'Verifying Checksum', download_complete: 'Download complete',
  extracting: 'Extracting', pull_complete: 'Pull complete', already_exists: 'Already exists',
} as const;

/** Credentials of `X-Registry-Auth`. On pull a header that cannot be read counts as none. */
export function credentialsOf(context: RouteContext): Credentials | undefined {
  try {
    return parseRegistryAuth(context.header('X-Registry-Auth'));
  } catch {
    return undefined;
  }
}

/** A registry client with the daemon's settings. */
export function registryClient(config: DaemonConfig, credentials: Credentials | undefined): RegistryClient {
  const source: CredentialSource = fixedCredentials(credentials);
  return new RegistryClient({
    credentials: source, insecureRegistries: config.insecureRegistries, mirrors: config.registryMirrors, userAgent: `docker/${config.version} dray`,
    retry: { attemptsMax: config.maxDownloadAttempts },
  });
}

/** `POST /images/create?fromImage=…`. */
export async function pullRoute(context: RouteContext, store: ImageStore, config: DaemonConfig): Promise<void> {
  const { query } = context;
  const bare = parseBareName(query.get('fromImage'));
  const tag = query.get('tag');
  const platform = query.get('platform') === '' ? undefined : parsePlatform(query.get('platform').toLowerCase());
  const progress = new ProgressStream(() => context.startStream());
  await using registry = registryClient(config, credentialsOf(context));
  const signal = context.signal;
  const references = tag !== '' ? [isDigest(tag) ? withDigest(bare, tag) : withTag(bare, tag)]
    : bare.tag !== undefined || bare.digest !== undefined ? [bare] : undefined;
  let current = bare;
  try {
    for await (const reference of references ?? allTags(registry, bare, signal)) {
      current = reference;
      await pullOne(reference, { store, registry, progress, signal, parallelLayers: config.maxConcurrentDownloads, ...platform === undefined ? {} : { platform } });
    }
    if (references === undefined && !progress.isStarted) throw invalid(`no tags found for ${familiarName(bare)}`);
    progress.end();
  } catch (error) {
    const worded = pullError(error, current);
    progress.fail(worded, messageOf(worded));
  }
}

async function* allTags(registry: RegistryClient, bare: ImageReference, signal: AbortSignal): AsyncGenerator<ImageReference, void, void> {
  for await (const tag of registry.listTags(bare, { signal })) yield withTag(bare, tag);
}

/** How to pull. */
export interface PullOneOptions {
  readonly store: ImageStore;
  readonly registry: RegistryClient;
  readonly progress: ProgressStream;
  readonly signal: AbortSignal;
  readonly parallelLayers: number;
  readonly platform?: ReturnType<typeof parsePlatform>;
}

/** Pulls one image and names it. @throws what the registry client and containerd throw */
export async function pullOne(reference: ImageReference, { store, registry, progress, signal, parallelLayers, platform }: PullOneOptions): Promise<void> {
  let digest: Digest | undefined;
  const isChanged = await withLease(store.containerd, async (leased) => {
    const image = await pull({
      reference, registry, content: new ContainerdContent(leased), unpacker: new SnapshotUnpacker(leased, store.snapshotter), parallelLayers, signal,
      ...platform === undefined ? {} : { platform },
      onProgress: (event) => tellProgress(event, reference, progress),
    });
    digest = image.descriptor.digest;
    return nameImage(store, image, reference, leased);
  });
  progress.status(`Digest: ${digest ?? ''}`);
  progress.status(`Status: ${isChanged ? 'Downloaded newer image' : 'Image is up to date'} for ${familiarReference(reference)}`);
  store.announce('pull', familiarReference(reference), familiarName(reference));
}

/** Names a pulled image by its tag and by its digest, as dockerd does. */
async function nameImage(store: ImageStore, image: Image, reference: ImageReference, leased: ImageStore['containerd']): Promise<boolean> {
  const description = store.catalog.remember(image);
  await store.keepSnapshots(description, leased);
  const isNewDigest = await store.setName(withDigest(reference, image.descriptor.digest), description);
  return reference.tag === undefined || reference.digest !== undefined ? isNewDigest : store.setName(reference, description);
}

function tellProgress(event: PullEvent, reference: ImageReference, progress: ProgressStream): void {
  if (event.type === 'resolved') progress.status(`Pulling from ${reference.path}`, reference.digest ?? reference.tag ?? '');
  if (event.type !== 'layer') return;
  const id = digestHex(event.descriptor.digest).slice(0, 12);
  const step = event.progress;
  switch (step.status) {
    case 'retrying': return progress.layer(id, `Retrying in ${Math.ceil(step.delayMs / 1000)} second${Math.ceil(step.delayMs / 1000) === 1 ? '' : 's'}`);
    case 'downloading':
    case 'extracting': return progress.layer(id, LAYER_STATUS[step.status], { current: step.current, total: step.total });
    default: return progress.layer(id, LAYER_STATUS[step.status]);
  }
}
