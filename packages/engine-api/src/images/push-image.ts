import { type Descriptor, type RegistryClient, canonicalName, canonicalReference, digestHex, familiarName, familiarReference, type ImageReference, parseRegistryAuth, push, type PushEvent, withDigest, withTag } from '@dray/oci-image';
import type { DaemonConfig } from '../config.ts';
import { invalid, notFound } from '../errors.ts';
import type { RouteContext } from '../http/index.ts';
import { ContainerdContent } from './content-adapter.ts';
import { type CataloguedImage, type ImageDescription, recordsOf } from './image-catalog.ts';
import { type ImageStore, parseBareName } from './image-store.ts';
import { ProgressStream } from './progress.ts';
import { registryClient } from './pull-image.ts';
import { pushErrorMessage } from './registry-errors.ts';

/** `POST /images/{name}/push`: one tag, or without a tag all of a repository. */
export async function pushRoute(context: RouteContext, store: ImageStore, config: DaemonConfig): Promise<void> {
  const bare = parseBareName(context.params['name'] ?? '');
  const header = context.header('X-Registry-Auth');
  if (header === '') throw invalid('Bad parameters and missing X-Registry-Auth: EOF');
  const credentials = parseRegistryAuth(header);
  const tag = context.query.get('tag');
  const progress = new ProgressStream(() => context.startStream());
  progress.status(`The push refers to repository [${canonicalName(bare)}]`);
  try {
    await using registry = registryClient(config, credentials);
    for (const { reference, image } of await imagesToPush(store, bare, tag)) {
      await pushOne(reference, image, { store, registry, progress, parallelUploads: config.maxConcurrentUploads, signal: context.signal });
    }
    progress.end();
  } catch (error) {
    progress.fail(error, pushErrorMessage(error));
  }
}

interface Pushable { readonly reference: ImageReference; readonly image: ImageDescription }

async function imagesToPush(store: ImageStore, bare: ImageReference, tag: string): Promise<Pushable[]> {
  if (tag !== '' || bare.tag !== undefined) {
    const reference = withTag(bare, tag === '' ? bare.tag ?? '' : tag);
    const image = await store.findByReference(reference);
    if (image === undefined) throw notFound(`An image does not exist locally with the tag: ${familiarName(bare)}`, 'NO_SUCH_IMAGE');
    return [{ reference, image }];
  }
  const all = (await store.catalog.list()).flatMap((image: CataloguedImage) => recordsOf(image, 'tag').filter(({ name }) => canonicalName(name.reference) === canonicalName(bare)).map(({ name }) => ({ reference: name.reference, image })));
  if (all.length === 0) throw notFound(`An image does not exist locally with the tag: ${familiarName(bare)}`, 'NO_SUCH_IMAGE');
  return all.sort((a, b) => canonicalReference(a.reference) < canonicalReference(b.reference) ? -1 : 1);
}

interface PushOneOptions { readonly store: ImageStore; readonly registry: RegistryClient; readonly progress: ProgressStream; readonly parallelUploads: number; readonly signal: AbortSignal }

async function pushOne(reference: ImageReference, image: ImageDescription, { store, registry, progress, parallelUploads, signal }: PushOneOptions): Promise<void> {
  const { manifestDescriptor, manifest } = image.image;
  const shortIds = new Map(manifest.layers.map((layer, index) => [layer.digest, digestHex(image.config.rootfs.diff_ids[index] ?? layer.digest).slice(0, 12)]));
  await push({ reference, registry, content: new ContainerdContent(store.containerd), descriptor: manifestDescriptor, parallelUploads, signal, onProgress: (event) => tellProgress(event, shortIds, progress) });
  await store.setName(withDigest(reference, manifestDescriptor.digest), { ...image, image: { ...image.image, descriptor: manifestDescriptor } });
  progress.status(`${reference.tag ?? ''}: digest: ${manifestDescriptor.digest} size: ${manifestDescriptor.size}`);
  progress.send({ aux: { Tag: reference.tag ?? '', Digest: manifestDescriptor.digest, Size: manifestDescriptor.size } });
  store.announce('push', familiarReference(reference), familiarName(reference), image.config.config?.Labels);
}

function tellProgress(event: PushEvent, shortIds: ReadonlyMap<Descriptor['digest'], string>, progress: ProgressStream): void {
  if (event.type !== 'blob') return;
  const id = shortIds.get(event.descriptor.digest);
  if (id === undefined) return; // the configuration is no layer
  switch (event.status) {
    case 'preparing': return progress.layer(id, 'Preparing');
    case 'pushing': return progress.layer(id, 'Pushing', { current: event.current, total: event.total });
    case 'exists': return progress.layer(id, 'Layer already exists');
    case 'mounted': return progress.layer(id, 'Mounted');
    case 'pushed': return progress.layer(id, 'Pushed');
  }
}
