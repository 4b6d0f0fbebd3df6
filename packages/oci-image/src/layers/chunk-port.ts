import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import { type ChunkMessage, fromPlainError, toPlainError } from './worker-protocol.ts';

/** Reads the stream that {@link serveChunks} serves at the port's other end; one chunk is under way at a time. */
export async function* readChunks(port: MessagePort): AsyncGenerator<Uint8Array, void, void> {
  try {
    for (;;) {
      const answer = once(port, 'message');
      port.postMessage('next');
      const [message] = (await answer) as [ChunkMessage];
      if (message.kind === 'end') return;
      if (message.kind === 'error') throw fromPlainError(message.error);
      yield message.bytes;
    }
  } finally {
    port.close();
  }
}

/** Serves a stream to a port until it is read to its end or the port is closed. */
export function serveChunks(port: MessagePort, source: AsyncIterable<Uint8Array>): void {
  const iterator = source[Symbol.asyncIterator]();
  port.on('message', () => {
    void iterator.next().then(
      (next): ChunkMessage => (next.done === true ? { kind: 'end' } : { kind: 'chunk', bytes: next.value }),
      (error: unknown): ChunkMessage => ({ kind: 'error', error: toPlainError(error) }),
    ).then((message) => {
      port.postMessage(message);
    });
  });
  port.on('close', () => {
    void iterator.return?.();
  });
}
