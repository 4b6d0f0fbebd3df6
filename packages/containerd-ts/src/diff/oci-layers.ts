import { LayerWorkers } from '@dray/oci-image';
import type { LayerTool } from './layer-tool.ts';
import type { MountTarget } from './mount-target.ts';

/** The layer codec of the project, in its worker threads. */
export function createLayerTool(): LayerTool {
  const workers = new LayerWorkers();
  return {
    async apply({ source, target, sync, signal }) {
      const { diffId, size } = await workers.apply({ source, target: target.folder, form: target.form, lowers: target.lowers, opaqueAttribute: opaqueAttribute(target), sync, signal });
      return { diffId, size: BigInt(size) };
    },
    pack({ target, compression, signal }) {
      return workers.packStream({ root: target.folder, form: target.form, compression, signal });
    },
    [Symbol.asyncDispose]: () => workers.close(),
  };
}

function opaqueAttribute(target: MountTarget): 'trusted.overlay.opaque' | 'user.overlay.opaque' {
  return target.hasUserAttributes ? 'user.overlay.opaque' : 'trusted.overlay.opaque';
}
