import { open } from 'node:fs/promises';
import { ContainerdError } from '../errors.ts';

/** Bytes of one piece; well under the message limit, large enough that the calls cost little. */
export const READ_PIECE_BYTES: number = 1024 * 1024;

/** Reads a range of a file in pieces. The file is closed when the reader stops, also early. */
export async function* readBlob(path: string, offset: number, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await open(path, 'r');
  try {
    let at = 0;
    while (at < size) {
      const piece = Buffer.allocUnsafe(Math.min(READ_PIECE_BYTES, size - at));
      const { bytesRead } = await handle.read(piece, 0, piece.length, offset + at);
      if (bytesRead === 0) {
        throw new ContainerdError(`blob "${path}" is shorter than its record: ${String(offset + at)} bytes`, { kind: 'data_loss', code: 'BLOB_TRUNCATED' });
      }
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
