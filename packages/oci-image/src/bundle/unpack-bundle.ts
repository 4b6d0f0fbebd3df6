import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentProvider } from '../content/index.ts';
import { OciImageError } from '../errors.ts';
import type { Image } from '../image.ts';
import { readFileFromLayers } from '../layers-lazy.ts';
import { LayerWorkers } from '../layers/workers.ts';
import type { LayerLimits } from '../layers/limits.ts';
import { defaultSpec, type RuntimeSpec } from './default-spec.ts';
import { imageAnnotations, type ProcessRequest, resolveProcess } from './process.ts';

/** A store whose blobs are files that a worker can read by itself: the fast path. */
interface BlobFiles {
  blobPath(digest: Image['descriptor']['digest']): string;
}

/** Options of {@link unpackBundle}. */
export interface UnpackBundleOptions {
  readonly image: Image;
  readonly content: ContentProvider & Partial<BlobFiles>;
  /** Folder of the bundle: must not exist. */
  readonly bundle: string;
  readonly request?: ProcessRequest;
  readonly limits?: LayerLimits;
  /** Called for each layer before it is unpacked. */
  readonly onLayer?: (index: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Makes an OCI bundle of an image: `rootfs` with all layers, `config.json` with the image's process. The bundle's folder is 0700 while it is filled. On failure it is
 * removed.
 * @throws OciImageError kind `already_exists` when the folder exists; as applyLayer and resolveProcess do
 */
export async function unpackBundle(options: UnpackBundleOptions): Promise<RuntimeSpec> {
  const { bundle } = options;
  await mkdir(bundle, { mode: 0o700 }).catch((error: unknown) => {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    throw isThere ? new OciImageError('INVALID_OPTION', `bundle ${JSON.stringify(bundle)} exists already`, { kind: 'already_exists', cause: error }) : error;
  });
  try {
    return await fillBundle(options);
  } catch (error) {
    await rm(bundle, { recursive: true, force: true });
    throw error;
  }
}

async function fillBundle(options: UnpackBundleOptions): Promise<RuntimeSpec> {
  const { image, content, bundle, signal, limits } = options;
  const rootfs = join(bundle, 'rootfs');
  await mkdir(rootfs);
  await chmod(rootfs, 0o755);
  await using workers = new LayerWorkers({ workersMax: 1 });
  for (const [index, layer] of image.manifest.layers.entries()) {
    options.onLayer?.(index);
    const diffId = image.config.rootfs.diff_ids[index];
    await workers.apply({
      source: content.blobPath?.(layer.digest) ?? content.read(layer.digest), target: rootfs, form: 'plain', isBase: index === 0,
      ...(diffId === undefined ? {} : { expectedDiffId: diffId }), ...(limits === undefined ? {} : { limits }), ...(signal === undefined ? {} : { signal }),
    });
  }
  const process = await resolveProcess(image.config, options.request ?? {}, async (path) => await readFileFromLayers([rootfs], path));
  const spec = defaultSpec({ process, annotations: imageAnnotations(image.config) });
  await writeFile(join(bundle, 'config.json'), `${JSON.stringify(spec, undefined, 2)}\n`, { mode: 0o600 });
  return spec;
}
