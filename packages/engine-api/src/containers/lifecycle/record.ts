/** What is kept on disk of a container: one JSON document, versioned, written whole or not at all. */
import type { ContainerConfig, EndpointRequest, HostConfig } from '../create/types.ts';
import type { MountPoint } from '../mounts/mount-point.ts';
import type { ExitRecord, Phase } from '../state/state.ts';

/** The format this code reads and writes. */
export const RECORD_VERSION = 1;

/** The document. */
export interface ContainerRecord {
  readonly version: typeof RECORD_VERSION;
  readonly id: string;
  /** With its leading slash. */
  name: string;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  /** The image's id. */
  readonly imageId: string;
  /** containerd's name of the image. */
  readonly imageRecordName: string;
  readonly platform: { readonly os: string; readonly architecture: string };
  readonly snapshotter: string;
  /** The image's own snapshot, for what changed since. */
  readonly imageSnapshot: string;
  readonly config: ContainerConfig;
  hostConfig: HostConfig;
  /** Networks by name as asked for, in the order of connection. */
  endpoints: Record<string, EndpointRequest>;
  readonly mounts: MountPoint[];
  phase: Phase;
  lastExit?: ExitRecord;
  startError?: { code: number; message: string };
  restartCount: number;
  isManuallyStopped: boolean;
}
