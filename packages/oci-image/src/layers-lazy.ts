import type { AppliedLayer, ApplyLayerOptions } from './layers/apply-here.ts';
import type { PackTreeOptions } from './layers/tree-reader.ts';
import { LayerWorkers } from './layers/workers.ts';

/**
 * Applies one layer in a worker thread of its own. For many layers keep a {@link LayerWorkers}.
 * @throws OciImageError `LAYER_*`, `TAR_*`, `COMPRESSION_*`, `DIFF_ID_MISMATCH`, `NATIVE_UNAVAILABLE`
 */
export async function applyLayer(options: ApplyLayerOptions): Promise<AppliedLayer> {
  await using workers = new LayerWorkers({ workersMax: 1 });
  return await workers.apply(options);
}

/**
 * Streams a tree, or a part of it, as a tar: what `docker export` and `docker cp` send. The native part is loaded with the first call.
 * @throws OciImageError `LAYER_*`, `NATIVE_UNAVAILABLE`
 */
export async function* packTree(options: PackTreeOptions): AsyncGenerator<Uint8Array, void, void> {
  const { readTreeAsTar } = await import('./layers/tree-reader.ts');
  for (const chunk of readTreeAsTar(options)) yield await Promise.resolve(chunk);
}

/**
 * Reads a file of an image from its unpacked overlayfs layers, topmost first, without mounting them.
 * @returns nothing when it does not exist
 * @throws OciImageError `LAYER_INVALID`, `LAYER_LIMIT`, `NATIVE_UNAVAILABLE`
 */
export async function readFileFromLayers(layers: readonly string[], path: string, options: { readonly bytesMax?: number } = {}): Promise<Uint8Array | undefined> {
  const { readFileFromLayers: read } = await import('./layers/read-file.ts');
  return read(layers, path, options);
}
