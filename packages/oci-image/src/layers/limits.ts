import type { DecompressionLimits } from '../compression.ts';

/** Bounds of unpacking one layer. */
export interface LayerLimits extends DecompressionLimits {
  /** Most entries. Default 4 million. */
  readonly entriesMax?: number;
  /** Most extended attribute bytes of one entry. Default 1 MiB. */
  readonly xattrBytesMax?: number;
}

/** The bounds that hold where none are given. */
export const LAYER_LIMITS: Required<Pick<LayerLimits, 'entriesMax' | 'xattrBytesMax'>> = { entriesMax: 4_000_000, xattrBytesMax: 1024 * 1024 };
