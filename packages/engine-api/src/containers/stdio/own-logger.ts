/**
 * The logger as a process of the daemon's making. containerd's own shim gives a process with a `binary://` logger no standard input; for those that need both,
 * output goes through FIFOs to a logger that follows the same contract (descriptors 3 and 4 to read, 5 to say that it is ready). It outlives the daemon.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { close, constants, open } from 'node:fs';
import { Readable } from 'node:stream';
import type { KernelPort } from '../../kernel-port.ts';
import { EngineApiError } from '../../errors.ts';
import { loggerArguments, type LoggerOptions } from './logger-uri.ts';

/** A logger that waits for output. */
export interface OwnLogger {
  /** Where the shim is to write. */
  readonly stdout: string;
  readonly stderr: string;
  /** The shim has the FIFOs open (or never will): from now on the output ends when it closes them. */
  release(): void;
}

/** Starts a logger reading `<stem>.out` and `<stem>.err`. Resolves when its attach socket is there. @throws EngineApiError `internal` */
export async function startOwnLogger(kernel: KernelPort, stem: string, options: LoggerOptions & { containerId: string; namespace: string }): Promise<OwnLogger> {
  const paths = [`${stem}.out`, `${stem}.err`] as const;
  await Promise.all(paths.map((path) => kernel.makeFifo(path, 0o600)));
  const reading: number[] = [];
  const guards: number[] = [];
  const closeAll = (fds: number[]): void => { for (const fd of fds.splice(0)) close(fd); };
  try {
    for (const path of paths) {
      reading.push(await openPromise(path, constants.O_RDONLY | constants.O_NONBLOCK));
      guards.push(await openPromise(path, constants.O_WRONLY | constants.O_NONBLOCK));
    }
    await spawnLogger(options, reading);
  } catch (err) {
    closeAll(guards);
    throw err;
  } finally {
    closeAll(reading);
  }
  return { stdout: paths[0], stderr: paths[1], release: () => { closeAll(guards); } };
}

function openPromise(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, (err, fd) => {
      if (err) reject(err);
      else resolve(fd);
    });
  });
}

async function spawnLogger(options: LoggerOptions & { containerId: string; namespace: string }, inputs: readonly number[]): Promise<void> {
  const child = spawn(options.loggerPath, loggerArguments(options), {
    detached: true, stdio: ['ignore', 'ignore', 'ignore', inputs[0], inputs[1], 'pipe'], env: { CONTAINER_ID: options.containerId, CONTAINER_NAMESPACE: options.namespace },
  });
  const failed = (reason: string): EngineApiError => new EngineApiError('internal', 'LOGGER_FAILED', `failed to start logger "${options.loggerPath}": ${reason}`);
  await new Promise<void>((resolve, reject) => {
    child.once('error', (err) => { reject(failed(err.message)); });
    child.once('exit', (code) => { reject(failed(`exit status ${code ?? 'unknown'}`)); });
    const ready = (child.stdio as readonly unknown[])[5];
    assert(ready instanceof Readable, 'descriptor 5 is a pipe');
    ready.once('close', () => { setImmediate(resolve); });
    ready.once('data', () => { resolve(); });
    ready.resume();
  });
  child.removeAllListeners();
  child.unref();
}
