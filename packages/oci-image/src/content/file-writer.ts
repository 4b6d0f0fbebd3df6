import { type FileHandle, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, digestAlgorithm, type DigestAlgorithm, Digester } from '../digest.ts';
import { OciImageError } from '../errors.ts';
import type { ContentWriter, IngestStatus } from './types.ts';

/** Chunks are collected to this many bytes and written with one system call. */
const WRITE_BATCH_BYTES = 1024 * 1024;

/** What {@link FileWriter.open} needs. */
interface FileWriterOptions {
  readonly ref: string;
  readonly folder: string;
  readonly total: number;
  readonly expected?: Digest;
  /** Moves the finished data file to its place. */
  readonly onCommit: (digest: Digest, dataPath: string, labels: Readonly<Record<string, string>>) => Promise<void>;
  readonly onClose: () => void;
}

/** Writes one ingest of a {@link FileContentStore}; hashes while it writes. */
export class FileWriter implements ContentWriter {
  readonly #options: FileWriterOptions;
  readonly #file: FileHandle;
  readonly #startedAt: Date;
  #digester: Digester;
  #updatedAt = new Date();
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #closed: Promise<void> | undefined;

  private constructor(options: FileWriterOptions, file: FileHandle, digester: Digester, startedAt: Date) {
    this.#options = options;
    this.#file = file;
    this.#digester = digester;
    this.#startedAt = startedAt;
  }

  /** Opens a new ingest or goes on with the one in the folder, hashing again what is there. */
  static async open(options: FileWriterOptions): Promise<FileWriter> {
    const startedAt = await prepareFolder(options);
    const file = await open(join(options.folder, 'data'), 'a+', 0o600);
    try {
      const digester = new Digester(algorithmOf(options));
      await hashFile(file, digester);
      return new FileWriter(options, file, digester, startedAt);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get status(): IngestStatus {
    const { ref, total, expected } = this.#options;
    return { ref, offset: this.#digester.size, total, ...(expected === undefined ? {} : { expected }), startedAt: this.#startedAt, updatedAt: this.#updatedAt };
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#assertOpen();
    if (chunk.byteLength === 0) return;
    this.#digester.update(chunk);
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.byteLength;
    if (this.#pendingBytes >= WRITE_BATCH_BYTES) await this.#flush();
  }

  async truncate(size: number): Promise<void> {
    this.#assertOpen();
    await this.#flush();
    await this.#file.truncate(size);
    this.#digester = new Digester(algorithmOf(this.#options));
    await hashFile(this.#file, this.#digester);
  }

  async commit(expected: { readonly size?: number; readonly digest?: Digest; readonly labels?: Readonly<Record<string, string>> }): Promise<Digest> {
    this.#assertOpen();
    const { ref } = this.#options;
    if (expected.size !== undefined && expected.size > 0 && expected.size !== this.#digester.size) {
      throw new OciImageError('SIZE_MISMATCH', `unexpected commit size ${this.#digester.size}, expected ${expected.size}: "${ref}"`);
    }
    const digest = this.#digester.digest();
    const wanted = expected.digest ?? this.#options.expected;
    if (wanted !== undefined && wanted !== digest) throw new OciImageError('DIGEST_MISMATCH', `unexpected commit digest ${digest}, expected ${wanted}: "${ref}"`);
    await this.#flush();
    await this.#file.sync();
    try {
      await this.#options.onCommit(digest, join(this.#options.folder, 'data'), expected.labels ?? {});
    } finally {
      await this.close();
      await rm(this.#options.folder, { recursive: true, force: true });
    }
    return digest;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.#flush();
    } finally {
      await this.#file.close();
      this.#options.onClose();
    }
  }

  async #flush(): Promise<void> {
    const batch = this.#pending;
    this.#pending = [];
    let left = this.#pendingBytes;
    this.#pendingBytes = 0;
    while (left > 0) {
      const { bytesWritten } = await this.#file.writev(batch);
      left -= bytesWritten;
      dropBytes(batch, bytesWritten);
    }
    this.#updatedAt = new Date();
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new OciImageError('INVALID_OPTION', `writer of ref ${this.#options.ref} is closed`, { kind: 'failed_precondition' });
  }
}

/** The status of the ingest in `folder`, or nothing when it is not a whole one. */
export async function readIngestStatus(folder: string): Promise<IngestStatus | undefined> {
  try {
    const data = await stat(join(folder, 'data'));
    const started = await readFile(join(folder, 'startedat'), 'utf8');
    const total = Number(await readFile(join(folder, 'total'), 'utf8'));
    return { ref: await readFile(join(folder, 'ref'), 'utf8'), offset: data.size, total, startedAt: new Date(started), updatedAt: data.mtime };
  } catch {
    return undefined; // A folder that a crash left half made: the next writer of that ref makes it whole.
  }
}

async function prepareFolder(options: FileWriterOptions): Promise<Date> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const known = await readIngestStatus(options.folder);
  if (known?.ref === options.ref) return known.startedAt;
  const startedAt = new Date();
  await rm(join(options.folder, 'data'), { force: true });
  await writeFile(join(options.folder, 'startedat'), startedAt.toISOString(), { mode: 0o600 });
  await writeFile(join(options.folder, 'total'), String(options.total), { mode: 0o600 });
  await writeFile(join(options.folder, 'ref'), options.ref, { mode: 0o600 });
  return startedAt;
}

async function hashFile(file: FileHandle, digester: Digester): Promise<void> {
  const buffer = Buffer.allocUnsafe(WRITE_BATCH_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, digester.size);
    if (bytesRead === 0) return;
    digester.update(buffer.subarray(0, bytesRead));
  }
}

function dropBytes(batch: Uint8Array[], count: number): void {
  let left = count;
  while (left > 0) {
    const [head] = batch;
    if (head === undefined) return;
    if (head.byteLength > left) {
      batch[0] = head.subarray(left);
      return;
    }
    left -= head.byteLength;
    batch.shift();
  }
}

function algorithmOf(options: FileWriterOptions): DigestAlgorithm {
  return options.expected === undefined ? 'sha256' : digestAlgorithm(options.expected);
}
