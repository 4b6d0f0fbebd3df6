export { type AppliedLayer, applyLayerHere, type ApplyLayerOptions } from './apply-here.ts';
export { LAYER_FILE_BYTES_MAX, readFileFromLayers } from './read-file.ts';
export type { LayerLimits } from './limits.ts';
export { packLayer, packLayerHere, type PackedLayer, type PackLayerOptions } from './pack-here.ts';
export type { LayerForm } from './target-tree.ts';
export { type PackTreeOptions, readTreeAsTar } from './tree-reader.ts';
export { LayerWorkers, type LayerWorkersOptions } from './workers.ts';
