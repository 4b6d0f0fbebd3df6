import { existsSync } from 'node:fs';
import { errnoCode } from './errors.ts';
import type { Kernel } from './tasks/index.ts';

/** Mounts that may lie on top of each other at one path. */
const STACKED_MOUNTS_MAX = 64;

/** The system calls, by the project's native package, which is loaded now. */
export async function createKernel(): Promise<Kernel> {
  const { MNT, mkfifo, unmount } = await import('@dray/libcontainer');
  /** Returns false when nothing is mounted there. */
  const unmountOnce = (path: string): boolean => {
    try {
      unmount(path, MNT.DETACH | MNT.NOFOLLOW);
      return true;
    } catch (error) {
      if (errnoCode(error) === 'EINVAL' || errnoCode(error) === 'ENOENT') return false;
      throw error;
    }
  };
  return {
    mkfifo,
    unmountAll: (path) => {
      for (let count = 0; count < STACKED_MOUNTS_MAX && existsSync(path); count += 1) if (!unmountOnce(path)) return;
    },
  };
}
