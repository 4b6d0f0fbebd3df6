/** Where a shim listens, as the original computes it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The folder of the sockets when nobody says otherwise. */
export const DEFAULT_SOCKET_FOLDER = '/run/containerd/s';

/** All containers of a namespace share one process … */
const NAMESPACE_GROUP = 'dray';
/** … unless this annotation of the container's configuration names another group. */
const GROUP_ANNOTATION = 'io.containerd.runc.v2.group';

/** The group a container belongs to: what its annotation says, else the namespace's one group. */
export function groupOf(bundle: string): string {
  const spec: unknown = JSON.parse(readFileSync(path.join(bundle, 'config.json'), 'utf8'));
  if (typeof spec !== 'object' || spec === null || !('annotations' in spec)) return NAMESPACE_GROUP;
  const { annotations } = spec;
  if (typeof annotations !== 'object' || annotations === null || !(GROUP_ANNOTATION in annotations)) return NAMESPACE_GROUP;
  const group = annotations[GROUP_ANNOTATION];
  return typeof group === 'string' && group !== '' ? group : NAMESPACE_GROUP;
}

/** The path of a group's socket: the folder and the hash of containerd's address, the namespace and the group. */
export function socketPath({ folder = DEFAULT_SOCKET_FOLDER, grpcAddress, namespace, group }: { readonly folder?: string | undefined; readonly grpcAddress: string; readonly namespace: string; readonly group: string }): string {
  const hash = createHash('sha256').update(path.posix.join(grpcAddress, namespace, group)).digest('hex');
  return path.join(folder, hash);
}
