import type { MountTarget } from './mount-target.ts';

/** Works on layers, somewhere that does not hold up the daemon. */
export interface LayerTool extends AsyncDisposable {
  /** Unpacks a blob's file. */
  apply(options: {
    readonly source: string;
    readonly target: MountTarget;
    readonly sync: boolean;
    readonly signal: AbortSignal;
  }): Promise<{ readonly diffId: string; readonly size: bigint }>;
  /** Packs the files of a target's folder. */
  pack(options: {
    readonly target: MountTarget;
    readonly compression: 'none' | 'gzip' | 'zstd';
    readonly signal: AbortSignal;
  }): AsyncGenerator<Uint8Array, { readonly diffId: string }, void>;
}
