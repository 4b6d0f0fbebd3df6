import { type ContentProvider, readContent } from './content/index.ts';
import type { Digest } from './digest.ts';
import { type Descriptor, MANIFEST_BYTES_MAX, type ManifestDocument, parseManifestDocument } from './manifest.ts';
import { isForeignLayerMediaType } from './media-types.ts';
import { canonicalName, type ImageReference, withDefaultTag } from './reference.ts';
import type { PushedBlob, RegistryClient } from './registry/index.ts';

/** Blobs uploaded at the same time. */
export const PARALLEL_UPLOADS_DEFAULT = 5;

/** What a push tells while it works: enough for docker's progress lines. */
export type PushEvent =
  | { readonly type: 'start'; readonly repository: string; readonly layers: readonly Descriptor[] }
  | { readonly type: 'blob'; readonly descriptor: Descriptor; readonly status: 'preparing' | PushedBlob }
  | { readonly type: 'blob'; readonly descriptor: Descriptor; readonly status: 'pushing'; readonly current: number; readonly total: number }
  | { readonly type: 'complete'; readonly tag: string | undefined; readonly descriptor: Descriptor };

/** Options of {@link push}. */
export interface PushOptions {
  readonly reference: ImageReference;
  readonly registry: Pick<RegistryClient, 'pushBlob' | 'pushManifest'>;
  readonly content: ContentProvider;
  /** The manifest or index to push; everything it names must be in the store. */
  readonly descriptor: Descriptor;
  readonly parallelUploads?: number;
  readonly onProgress?: (event: PushEvent) => void;
  readonly signal?: AbortSignal;
}

/**
 * Pushes an image: blobs first, then manifests, an index last. Blobs the registry has are not sent; those that came from another repository of the same registry are
 * mounted.
 * @returns the pushed descriptor
 * @throws OciImageError `REGISTRY_*`, kind `not_found` when a part is not in the store
 */
export async function push(options: PushOptions): Promise<Descriptor> {
  const reference = withDefaultTag(options.reference);
  const root = await readDocument(options.content, options.descriptor);
  const manifests = root.document.kind === 'manifest' ? [root] : [];
  if (root.document.kind === 'index') for (const child of root.document.index.manifests) manifests.push(await readDocument(options.content, child));
  const layers = manifests.flatMap(({ document }) => (document.kind === 'manifest' ? document.manifest.layers : []));
  const configs = manifests.flatMap(({ document }) => (document.kind === 'manifest' ? [document.manifest.config] : []));
  options.onProgress?.({ type: 'start', repository: canonicalName(reference), layers });
  await pushBlobs(options, reference, [...layers, ...configs]);
  const byDigest: ImageReference = { domain: reference.domain, path: reference.path };
  if (root.document.kind === 'index') for (const child of manifests) await options.registry.pushManifest(byDigest, { bytes: child.bytes, mediaType: child.document.mediaType }, signalOf(options));
  await options.registry.pushManifest(reference, { bytes: root.bytes, mediaType: root.document.mediaType }, signalOf(options));
  options.onProgress?.({ type: 'complete', tag: reference.tag, descriptor: options.descriptor });
  return options.descriptor;
}

async function pushBlobs(options: PushOptions, reference: ImageReference, blobs: readonly Descriptor[]): Promise<void> {
  const wanted = [...new Map(blobs.filter((blob) => !isForeignLayerMediaType(blob.mediaType)).map((blob) => [blob.digest, blob])).values()];
  for (const descriptor of wanted) options.onProgress?.({ type: 'blob', descriptor, status: 'preparing' });
  const queue = wanted.values();
  const failure = new AbortController();
  const signal = options.signal === undefined ? failure.signal : AbortSignal.any([options.signal, failure.signal]);
  const workers = Array.from({ length: Math.max(1, options.parallelUploads ?? PARALLEL_UPLOADS_DEFAULT) }, async () => {
    for (const descriptor of queue) {
      signal.throwIfAborted();
      await pushBlob(options, reference, descriptor, signal);
    }
  });
  const results = await Promise.allSettled(workers.map(async (worker) => {
    await worker.catch((error: unknown) => {
      failure.abort(error);
      throw error;
    });
  }));
  options.signal?.throwIfAborted();
  if (results.some((result) => result.status === 'rejected')) throw failure.signal.reason;
}

async function pushBlob(options: PushOptions, reference: ImageReference, descriptor: Descriptor, signal: AbortSignal): Promise<void> {
  const { labels } = await options.content.info(descriptor.digest);
  const source = labels[`containerd.io/distribution.source.${reference.domain}`]?.split(',')[0];
  const status = await options.registry.pushBlob(reference, descriptor, {
    signal,
    ...(source === undefined || source === reference.path ? {} : { mountFrom: source }),
    open: () => options.content.read(descriptor.digest, { signal }),
    onProgress: (current) => {
      options.onProgress?.({ type: 'blob', descriptor, status: 'pushing', current, total: descriptor.size });
    },
  });
  options.onProgress?.({ type: 'blob', descriptor, status });
}

async function readDocument(content: ContentProvider, descriptor: Pick<Descriptor, 'digest' | 'mediaType'>): Promise<{ readonly digest: Digest; readonly bytes: Uint8Array; readonly document: ManifestDocument }> {
  const bytes = await readContent(content, descriptor.digest, MANIFEST_BYTES_MAX);
  return { digest: descriptor.digest, bytes, document: parseManifestDocument(bytes, descriptor.mediaType) };
}

function signalOf(options: PushOptions): { readonly signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}
