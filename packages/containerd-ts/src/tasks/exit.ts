import type { Timestamp } from '@dray/containerd-api/types';

/** How a process ended. */
export interface Exit {
  /** The exit code, or 128 and the signal's number. */
  readonly exitStatus: number;
  readonly exitedAt: Timestamp | undefined;
}
