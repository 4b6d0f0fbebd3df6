import type { VersionServer } from '@dray/containerd-api/services/version';
import { unary } from './call.ts';

/** `containerd.services.version.v1.Version` */
export function createVersionService({ version, revision }: { readonly version: string; readonly revision: string }): VersionServer {
  return { version: unary(() => ({ version, revision })) };
}
