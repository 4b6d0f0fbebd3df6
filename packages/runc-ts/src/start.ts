import { constants, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { closeFd, WATCH, whenReady } from '@dray/libcontainer';
import { type FoundContainer, hookStateOf, statusOf } from './container.ts';
import { RuncError } from './errors.ts';
import { runHooks } from './hooks/run.ts';
import { killAndWait, whenEnded } from './process-end.ts';
import { EXEC_FIFO } from './state/store.ts';

/**
 * Lets a created container's program start, then runs the poststart hooks; if one fails the container is killed.
 * @throws RuncError `failed_precondition` when the container is not waiting.
 */
export async function startContainer(container: FoundContainer): Promise<void> {
  const status = statusOf(container);
  if (status === 'stopped') throw wrongState('cannot start a container that has stopped');
  if (status !== 'created') throw wrongState('cannot start an already running container');
  await releaseInit(join(container.directory, EXEC_FIFO), container.record.init_process_pid);
  const { poststart = [] } = container.record.dray.hooks;
  try {
    await runHooks(poststart, hookStateOf(container.record, 'running'));
  } catch (error) {
    await killAndWait(container.record.init_process_pid);
    throw error;
  }
}

/**
 * Opening the FIFO for reading is what init waits for. It then writes one byte, and the file is removed, which marks the container as running.
 */
async function releaseInit(fifo: string, pid: number): Promise<void> {
  const fd = openFifo(fifo);
  const stop = new AbortController();
  try {
    const ended = whenEnded(pid, { signal: stop.signal }).then(() => 'ended' as const);
    const written = whenReady(fd, WATCH.READABLE, { signal: stop.signal }).then(() => 'written' as const);
    ended.catch(() => undefined);
    written.catch(() => undefined);
    await Promise.race([written, ended]);
    if (readByte(fd) === 0) throw wrongState('container process is already dead');
  } finally {
    stop.abort();
    closeFd(fd);
  }
  rmSync(fifo, { force: true });
}

/** A writer may come and go before the first look at the FIFO: then it reads as ended, with the byte in it. */
function readByte(fd: number): number {
  try {
    return readSync(fd, new Uint8Array(1));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return 0;
    throw error;
  }
}

function openFifo(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') throw wrongState('cannot start an already running container');
    throw error;
  }
}

function wrongState(message: string): RuncError {
  return new RuncError({ kind: 'failed_precondition', code: 'WRONG_STATE', message });
}
