/** The files of one log, oldest first: `x.log.2.gz`, `x.log.1`, `x.log`. */
import { open, type FileHandle } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';

/** A log file that is open for reading. It stays readable when rotation renames or removes it. */
export interface LogFile extends AsyncDisposable {
  /** Device and inode. */
  readonly identity: string;
  size(): Promise<number>;
  read(position: number, into: Buffer): Promise<number>;
}

/** Rotated files beyond this number are not looked for. */
const ROTATED_COUNT_MAX = 1000;

/** Opens the current file; `undefined` when there is none. */
export async function openLogFile(path: string): Promise<LogFile | undefined> {
  const handle = await openIfThere(path);
  return handle && fileOf(handle);
}

/** Opens what rotation has set aside, oldest first. A file that is rotated away meanwhile is skipped. */
export async function openRotatedFiles(path: string): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for (let index = 1; index <= ROTATED_COUNT_MAX; index++) {
    const file = (await openLogFile(`${path}.${index}`)) ?? (await openCompressed(`${path}.${index}.gz`));
    if (!file) break;
    files.unshift(file);
  }
  return files;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'ENOENT') return undefined;
    throw err;
  }
}

async function fileOf(handle: FileHandle): Promise<LogFile> {
  const info = await handle.stat();
  return {
    identity: `${info.dev}:${info.ino}`,
    size: async () => (await handle.stat()).size,
    read: async (position, into) => (await handle.read(into, 0, into.length, position)).bytesRead,
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

async function openCompressed(path: string): Promise<LogFile | undefined> {
  const handle = await openIfThere(path);
  if (!handle) return undefined;
  try {
    const bytes = gunzipSync(await handle.readFile());
    return {
      identity: path,
      size: () => Promise.resolve(bytes.length),
      read: (position, into) => Promise.resolve(bytes.copy(into, 0, position)),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  } finally {
    await handle.close();
  }
}

const NEWLINE = 0x0a;
const CHUNK_BYTES = 256 * 1024;

/**
 * Where the last `count` complete lines of a file begin. `found` is how many lines there are from `position` on: fewer than asked for means the whole file.
 */
export async function findTail(file: LogFile, count: number): Promise<{ position: number; found: number }> {
  let end = await file.size();
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let found = 0;
  let lineEndSeen = false;
  while (end > 0) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const read = await file.read(start, chunk.subarray(0, end - start));
    let at = chunk.lastIndexOf(NEWLINE, read - 1);
    while (at !== -1 && read > 0) {
      if (lineEndSeen && ++found === count) return { position: start + at + 1, found };
      lineEndSeen = true;
      if (at === 0) break;
      at = chunk.lastIndexOf(NEWLINE, at - 1);
    }
    end = start;
  }
  return { position: 0, found: lineEndSeen ? found + 1 : 0 };
}
