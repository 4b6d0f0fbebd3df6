import { decompress, familiarReference, hostPlatform, parsePlatform, readTar, withDefaultTag, withTag } from '@dray/oci-image';
import { invalid, messageOf } from '../errors.ts';
import type { RouteContext } from '../http/index.ts';
import { applyChanges } from './config-changes.ts';
import { parseBareName, storeLayer, type ImageStore } from './image-store.ts';
import { withLease } from './lease.ts';
import { ProgressStream } from './progress.ts';

/** `POST /images/create?fromSrc=…`: a flat file system becomes an image of one layer. */
export async function importRoute(context: RouteContext, store: ImageStore): Promise<void> {
  const { query } = context;
  const source = query.get('fromSrc');
  const repository = query.get('repo');
  const tag = query.get('tag');
  const bare = repository === '' ? undefined : parseBareName(repository);
  if (bare?.digest !== undefined) throw invalid('cannot import digest reference', 'INVALID_REFERENCE');
  const reference = bare === undefined ? undefined : withDefaultTag(tag === '' ? bare : withTag(bare, tag));
  const platform = query.get('platform') === '' ? hostPlatform() : parsePlatform(query.get('platform').toLowerCase());
  if (platform.os !== 'linux') throw invalid(`operating system is not supported`, 'UNSUPPORTED_PLATFORM');
  const config = applyChanges({}, query.getAll('changes'));
  const message = query.get('message') === '' ? `Imported from ${source}` : query.get('message');
  const progress = new ProgressStream(() => context.startStream());
  try {
    const body = source === '-' ? context.body : await download(source, progress, context.signal);
    const id = await withLease(store.containerd, async (leased) => {
      const layer = await storeLayer(leased, checkedTar(decompress(body)));
      const created = new Date().toISOString();
      const image = await store.build(leased, { layers: [layer], config: {
        created, architecture: platform.architecture, ...platform.variant === undefined ? {} : { variant: platform.variant }, os: platform.os,
        config: config as NonNullable<Parameters<ImageStore['build']>[1]['config']['config']>,
        rootfs: { type: 'layers', diff_ids: [layer.digest] }, history: [{ created, comment: message }], comment: message,
      } }, reference);
      return image.id;
    });
    store.announce('import', id, reference === undefined ? id : familiarReference(reference));
    progress.status(id);
    progress.end();
  } catch (error) {
    progress.fail(error, messageOf(error));
  }
}

/** Passes a tar on while making sure that it is one. */
async function* checkedTar(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const queue: Uint8Array[] = [];
  let count = 0;
  const tee = (async function* copy(): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of bytes) {
      queue.push(Buffer.from(chunk));
      yield chunk;
    }
  })();
  const entries = readTar(tee);
  for (;;) {
    const next = await entries.next();
    yield* queue.splice(0);
    if (next.done === true) break;
    count += 1;
    for await (const _part of next.value.body) yield* queue.splice(0);
  }
  if (count === 0) throw invalid('archive/tar: the archive is empty', 'ARCHIVE_INVALID');
}

async function download(source: string, progress: ProgressStream, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  const url = /^https?:\/\//.test(source) ? source : `http://${source}`;
  progress.status(`Downloading from ${url}`);
  const response = await fetch(url, { signal });
  if (!response.ok || response.body === null) throw invalid(`failed to GET ${url} with status ${response.status} ${response.statusText}: ${(await response.text()).slice(0, 1024)}`);
  return response.body as AsyncIterable<Uint8Array>;
}
