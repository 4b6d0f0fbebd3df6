import type { DiffServer } from '@dray/containerd-api/services/diff';
import type { Differ } from '../diff/index.ts';
import type { GcScheduler } from '../gc/index.ts';
import { unary } from './call.ts';
import { fromDescriptor, toDescriptor } from './convert.ts';

/** `containerd.services.diff.v1.Diff` */
export function createDiffService({ differ, scheduler }: { readonly differ: Differ; readonly scheduler: GcScheduler }): DiffServer {
  return {
    apply: unary(async ({ diff, mounts, syncFs }, context) => {
      const applied = await differ.apply(context.namespace(), fromDescriptor(diff), mounts, { sync: syncFs, signal: context.signal });
      return { applied: toDescriptor(applied) };
    }),
    diff: unary(async ({ left, right, mediaType, ref, labels }, context) => {
      const options = { mediaType, ref, labels, leaseId: context.leaseId, signal: context.signal };
      const made = await differ.diff(context.namespace(), left, right, options);
      scheduler.noteMutation();
      return { diff: toDescriptor(made) };
    }),
  };
}
