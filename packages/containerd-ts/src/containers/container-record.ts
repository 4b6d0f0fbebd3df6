import type { Any } from '../any.ts';
import { readMap } from '../filters/index.ts';
import type { Labels } from '../labels.ts';

/** The runtime a container asks for. */
export interface ContainerRuntime {
  /** A runtime name such as `io.containerd.runc.v2`, or a shim binary's absolute path. */
  readonly name: string;
  readonly options: Any | undefined;
}

/** A container: the record of what to run. It has no process; a task has. */
export interface ContainerRecord {
  readonly id: string;
  readonly labels: Labels;
  readonly image: string;
  readonly runtime: ContainerRuntime;
  /** The OCI runtime spec, byte for byte as the client stored it. */
  readonly spec: Any | undefined;
  readonly snapshotter: string;
  readonly snapshotKey: string;
  readonly extensions: Readonly<Record<string, Any>>;
  readonly sandbox: string;
  readonly createdAt: bigint;
  readonly updatedAt: bigint;
}

/** The fields that filters see. */
export function readContainerField(container: ContainerRecord, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'id':
      return container.id;
    case 'image':
      return container.image;
    case 'runtime':
      return path[1] === 'name' ? container.runtime.name : undefined;
    case 'labels':
      return readMap(container.labels, path.slice(1));
    default:
      return undefined;
  }
}
