import { existsSync } from 'node:fs';
import { MNT, mkfifo, unmount } from '@dray/libcontainer';
import { errnoCode } from './errors.ts';
import type { Kernel } from './tasks/index.ts';

/** Mounts that may lie on top of each other at one path. */
const STACKED_MOUNTS_MAX = 64;

/** The system calls, by the project's native package. */
export function createKernel(): Kernel {
  return {
    mkfifo,
    unmountAll: (path) => {
      for (let count = 0; count < STACKED_MOUNTS_MAX && existsSync(path); count += 1) if (!unmountOnce(path)) return;
    },
  };
}

/** Returns false when nothing is mounted there. */
function unmountOnce(path: string): boolean {
  try {
    unmount(path, MNT.DETACH | MNT.NOFOLLOW);
    return true;
  } catch (error) {
    if (errnoCode(error) === 'EINVAL' || errnoCode(error) === 'ENOENT') return false;
    throw error;
  }
}
