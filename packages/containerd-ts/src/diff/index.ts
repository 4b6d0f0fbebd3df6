export { Differ, type DifferOptions, type DiffOptions } from './differ.ts';
export { type LayerTool } from './layer-tool.ts';
