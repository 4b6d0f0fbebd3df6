/** The way into a process's standard input: a FIFO that its shim reads. */
import { constants, open } from 'node:fs';
import { Socket } from 'node:net';

/**
 * Opens the writing side of a FIFO. It is opened for reading too, so that this neither waits for a reader nor fails when the reader goes away; end of input is
 * told to the shim (`CloseIO`), not by closing. `end()` resolves pending writes first; the descriptor is closed with the socket.
 */
export async function openStdinPipe(path: string): Promise<Socket> {
  const fd = await new Promise<number>((resolve, reject) => {
    open(path, constants.O_RDWR | constants.O_NONBLOCK, (err, opened) => {
      if (err) reject(err);
      else resolve(opened);
    });
  });
  return new Socket({ fd, readable: false, writable: true });
}
