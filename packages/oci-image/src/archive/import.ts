import { randomUUID } from 'node:crypto';
import { decompress } from '../compression.ts';
import { type ContentSink, isAlreadyExists } from '../content/index.ts';
import { Digester } from '../digest.ts';
import type { Image } from '../image.ts';
import type { ContainerDefaults } from '../image-config.ts';
import { writeImage } from '../image-write.ts';
import { MEDIA_TYPE } from '../media-types.ts';
import { hostPlatform, type Platform } from '../platform.ts';
import { TarDecoder } from '../tar/index.ts';

/** Options of {@link importRootfs}. */
export interface ImportOptions {
  /** A tar of a root file system, compressed or not. */
  readonly source: AsyncIterable<Uint8Array>;
  readonly content: ContentSink;
  /** The image's defaults (docker's `--change`). */
  readonly defaults?: ContainerDefaults;
  /** Comment in configuration and history. */
  readonly message?: string;
  readonly platform?: Platform;
  /** Default: now. */
  readonly created?: Date;
  readonly signal?: AbortSignal;
}

/**
 * Makes an image of one layer from a root file system's tar, as `docker import` does: the layer is the archive as it is, decompressed. The archive is read through
 * and must be a whole tar.
 * @throws OciImageError `TAR_INVALID`, `TAR_TRUNCATED`, `COMPRESSION_*`
 */
export async function importRootfs(options: ImportOptions): Promise<Image> {
  const { content, signal } = options;
  const ref = `import-${randomUUID()}`;
  const digester = new Digester();
  const decoder = new TarDecoder();
  const writer = await content.openWriter({ ref, ...(signal === undefined ? {} : { signal }) });
  try {
    await using _writer = writer;
    for await (const chunk of decompress(options.source)) {
      signal?.throwIfAborted();
      for (const _event of decoder.push(chunk)) { /* only checked */ }
      digester.update(chunk);
      await writer.write(chunk);
    }
    decoder.end();
    await writer.commit({ size: digester.size, digest: digester.digest() });
  } catch (error) {
    if (!isAlreadyExists(error)) {
      await content.abort(ref).catch(() => undefined); // The first error is the one that matters.
      throw error;
    }
  }
  const platform = options.platform ?? hostPlatform();
  const created = (options.created ?? new Date()).toISOString();
  const comment = options.message ?? '';
  return await writeImage(content, {
    layers: [{ mediaType: MEDIA_TYPE.ociLayer, digest: digester.digest(), size: digester.size }],
    config: {
      created, architecture: platform.architecture, os: platform.os, ...(platform.variant === undefined ? {} : { variant: platform.variant }), comment,
      config: options.defaults ?? {},
      rootfs: { type: 'layers', diff_ids: [digester.digest()] },
      history: [{ created, comment }],
    },
  });
}
