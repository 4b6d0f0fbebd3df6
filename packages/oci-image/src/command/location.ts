import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { LayoutFolder, loadArchive, saveArchive } from '../archive/index.ts';
import type { ContentStore } from '../content/index.ts';
import { OciImageError } from '../errors.ts';
import { type Image, loadImage } from '../image.ts';
import { hostPlatform, type Platform } from '../platform.ts';
import { pull, type PullEvent } from '../pull.ts';
import { push } from '../push.ts';
import { canonicalReference, parseReference, withDefaultTag } from '../reference.ts';
import type { RegistryClient } from '../registry/index.ts';

/** Where an image is, as skopeo writes it. */
export type Location =
  | { readonly kind: 'registry'; readonly reference: string }
  | { readonly kind: 'layout'; readonly path: string; readonly tag: string | undefined }
  | { readonly kind: 'archive'; readonly path: string; readonly name: string | undefined };

/** What reading and writing a location need. */
export interface LocationContext {
  readonly registry: RegistryClient;
  /** Where an image is kept on its way, unless the location has a store itself. */
  readonly scratch: ContentStore;
  readonly platform: Platform | undefined;
  readonly onProgress: (event: PullEvent) => void;
}

/** Parses `docker://REF`, `oci:DIR[:TAG]`, `docker-archive:FILE[:REF]`; without a prefix it is a registry's. @throws OciImageError `INVALID_OPTION` */
export function parseLocation(text: string): Location {
  const match = /^(oci|docker-archive):([^:]+)(?::(.+))?$/.exec(text);
  if (match?.[1] === 'oci') return { kind: 'layout', path: match[2] ?? '', tag: match[3] };
  if (match?.[1] === 'docker-archive') return { kind: 'archive', path: match[2] ?? '', name: match[3] };
  if (/^(?:oci|docker-archive):/.test(text)) throw new OciImageError('INVALID_OPTION', `invalid image location ${JSON.stringify(text)}`);
  return { kind: 'registry', reference: text.replace(/^docker:\/\//, '') };
}

/** Brings an image into a store. */
export async function readLocation(location: Location, context: LocationContext, into: ContentStore = context.scratch): Promise<{ readonly image: Image; readonly content: ContentStore }> {
  switch (location.kind) {
    case 'registry': {
      const image = await pull({
        reference: parseReference(location.reference), registry: context.registry, content: into, onProgress: context.onProgress, ...(context.platform === undefined ? {} : { platform: context.platform }),
      });
      return { image, content: into };
    }
    case 'layout': {
      const layout = await LayoutFolder.open(location.path);
      return { image: await loadImage(layout.content, await layout.find(location.tag), context.platform ?? hostPlatform()), content: layout.content };
    }
    default: {
      const loaded = await loadArchive({ source: createReadStream(location.path), content: into, ...(context.platform === undefined ? {} : { platform: context.platform }) });
      const wanted = location.name === undefined ? undefined : canonicalReference(withDefaultTag(parseReference(location.name)));
      const found = wanted === undefined ? (loaded.length === 1 ? loaded[0] : undefined) : loaded.find(({ names }) => names.includes(wanted));
      if (found === undefined) throw new OciImageError('MANIFEST_UNKNOWN', `${JSON.stringify(location.path)} holds ${loaded.length} images, none chosen`);
      return { image: found.image, content: into };
    }
  }
}

/** Brings an image from a store to a location. */
export async function writeLocation(location: Location, image: Image, content: ContentStore, context: LocationContext): Promise<void> {
  switch (location.kind) {
    case 'registry':
      await push({ reference: parseReference(location.reference), registry: context.registry, content, descriptor: image.manifestDescriptor });
      return;
    case 'layout': {
      const layout = await LayoutFolder.open(location.path, { create: true });
      for (const part of [...image.manifest.layers, image.manifest.config, image.manifestDescriptor]) await copyBlob(content, layout.content, part);
      await layout.tag(location.tag ?? 'latest', image.manifestDescriptor);
      return;
    }
    default: {
      const names = location.name === undefined ? [] : [canonicalReference(withDefaultTag(parseReference(location.name)))];
      await writeFileOf(location.path, saveArchive({ content, images: [{ image, names }] }));
    }
  }
}

async function copyBlob(from: ContentStore, to: ContentStore, part: Image['descriptor']): Promise<void> {
  if (await to.info(part.digest).then(() => true, () => false)) return;
  await using writer = await to.openWriter({ ref: `copy-${part.digest}`, descriptor: part });
  for await (const chunk of from.read(part.digest, { offset: writer.status.offset })) await writer.write(chunk);
  await writer.commit({ size: part.size, digest: part.digest });
}

async function writeFileOf(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const stream = createWriteStream(path, { flags: 'wx' });
  try {
    for await (const chunk of chunks) if (!stream.write(chunk)) await once(stream, 'drain');
    stream.end();
    await finished(stream);
  } catch (error) {
    stream.destroy();
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) await rm(path, { force: true });
    throw error;
  }
}
