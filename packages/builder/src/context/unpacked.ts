import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { decompress, readTar, sniffCompression } from '@dray/oci-image';

/** A tar is recognised by a whole first header. */
const TAR_BLOCK_BYTES = 512;
const HEAD_BYTES = 6;

/**
 * The uncompressed bytes of a file: plain, gzip, zstd, or bzip2 and xz where the system has the programs.
 *
 * @throws OciImageError for damaged data; Error where a program is missing
 */
export async function* unpackedBytes(file: string): AsyncGenerator<Uint8Array, void, void> {
  const compression = sniffCompression(await readHead(file, HEAD_BYTES));
  if (compression === 'xz' || compression === 'bzip2') yield* throughProgram(compression, file);
  else yield* decompress(createReadStream(file));
}

/** Whether a file is a tar, compressed or not. */
export async function isArchive(file: string): Promise<boolean> {
  const bytes = unpackedBytes(file);
  const entries = readTar(bytes);
  try {
    if ((await readHead(file, TAR_BLOCK_BYTES)).length === 0) return false;
    return (await entries.next()).done !== true;
  } catch {
    return false; // what cannot be read as a tar is copied as the file that it is
  } finally {
    await entries.return();
  }
}

async function readHead(file: string, length: number): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function* throughProgram(program: string, file: string): AsyncGenerator<Uint8Array, void, void> {
  const handle = await open(file);
  try {
    const child = spawn(program, ['-d', '-c', '-q'], { stdio: [handle.fd, 'pipe', 'ignore'] });
    const ended = once(child, 'close') as Promise<[number | null]>;
    ended.catch(() => undefined); // told below, once the output was read
    try {
      yield* child.stdout as AsyncIterable<Uint8Array>;
    } finally {
      if (child.exitCode === null) child.kill('SIGKILL');
    }
    const [code] = await ended;
    if (code !== 0) throw new Error(`${program} exited with code ${code ?? -1}`);
  } finally {
    await handle.close();
  }
}
