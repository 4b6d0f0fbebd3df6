/** Log lines go where the original's go: into the FIFO `log` of a bundle, which containerd reads. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import path from 'node:path';

/** Writes logrus text lines. A line that nobody reads is dropped: a shim never waits for its log. */
export class ShimLog {
  readonly #isDebug: boolean;

  constructor(isDebug: boolean) {
    this.#isDebug = isDebug;
  }

  debug(message: string, bundle?: string): void {
    if (this.#isDebug) this.#write('debug', message, bundle);
  }

  warn(message: string, bundle?: string): void {
    this.#write('warning', message, bundle);
  }

  error(message: string, bundle?: string): void {
    this.#write('error', message, bundle);
  }

  #write(level: string, message: string, bundle: string | undefined): void {
    const line = `time=${JSON.stringify(new Date().toISOString())} level=${level} msg=${JSON.stringify(message)}\n`;
    if (bundle === undefined) {
      process.stderr.write(line);
      return;
    }
    try {
      const fd = openSync(path.join(bundle, 'log'), constants.O_WRONLY | constants.O_NONBLOCK);
      try {
        writeSync(fd, line);
      } finally {
        closeSync(fd);
      }
    } catch {
      // Nobody reads (ENXIO), the FIFO is full (EAGAIN) or the bundle is gone.
    }
  }
}
