import fs from 'node:fs';
import path from 'node:path';
import { flock } from '@dray/libcontainer';
import { EngineError } from './errors.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/**
 * Locks the data root for this process's life; the kernel lets go when the process ends, however it ends.
 * @throws EngineError DATA_ROOT_LOCKED
 */
export function lockDataRoot(dataRoot: string): Disposable {
  const file = path.join(dataRoot, 'daemon.lock');
  const fd = fs.openSync(file, 'a', 0o600);
  try {
    flock(fd, LOCK_EX | LOCK_NB);
  } catch (error) {
    fs.closeSync(fd);
    if (error instanceof Error && 'errno' in error && error.errno === EWOULDBLOCK) {
      throw new EngineError('failed_precondition', 'DATA_ROOT_LOCKED', `failed to start daemon: data root "${dataRoot}" is in use by another daemon`);
    }
    throw error;
  }
  return { [Symbol.dispose]: () => fs.closeSync(fd) };
}
