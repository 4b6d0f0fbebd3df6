import { constants, existsSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { errorText } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Bundle } from './bundle.ts';
import type { Kernel } from './kernel.ts';

/** Characters of a shim's line that are logged. */
const LINE_LENGTH_MAX = 4096;

/**
 * Reads what a shim says into the daemon's log. The FIFO is opened for reading and writing, so that it never ends by itself and a shim that starts later
 * finds a reader. Failing to open it costs the messages, not the container.
 */
export function drainShimLog(bundle: Bundle, options: { readonly kernel: Kernel; readonly logger: Logger }): Disposable {
  const { kernel, logger } = options;
  try {
    if (!existsSync(bundle.log)) kernel.mkfifo(bundle.log, 0o700);
    return drain(openSync(bundle.log, constants.O_RDWR | constants.O_NONBLOCK), bundle, logger);
  } catch (error) {
    logger.warn({ namespace: bundle.namespace, containerId: bundle.id, err: errorText(error) }, 'cannot read the log of the shim, going on without it');
    return { [Symbol.dispose]: () => undefined };
  }
}

function drain(fd: number, bundle: Bundle, logger: Logger): Disposable {
  // A socket over the descriptor reads by events; a file stream would hold one of the few worker threads for ever.
  const stream = new Socket({ fd, readable: true, writable: false });
  const lines = createInterface({ input: stream });
  lines.on('line', (line) => {
    if (line.trim() !== '') logger.info({ namespace: bundle.namespace, containerId: bundle.id, shim: line.slice(0, LINE_LENGTH_MAX) }, 'shim says');
  });
  stream.on('error', () => undefined);
  return {
    [Symbol.dispose]: () => {
      lines.close();
      stream.destroy();
    },
  };
}
