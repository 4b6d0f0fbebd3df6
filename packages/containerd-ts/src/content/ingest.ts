import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { classedError, failedPrecondition, outOfRange } from '../errors.ts';
import type { Labels } from '../labels.ts';
import { parseDigest, type Digest } from './digest.ts';

/** What a client can ask about an ingest. */
export interface IngestStatus {
  readonly ref: string;
  readonly offset: bigint;
  /** The size that was announced, 0 when unknown. */
  readonly total: bigint;
  /** The digest that was announced, empty when unknown. */
  readonly expected: string;
  readonly startedAt: bigint;
  readonly updatedAt: bigint;
}

/** What a commit demands of the bytes. */
export interface CommitOptions {
  /** The size wanted, 0 for any. */
  readonly size: bigint;
  /** The digest wanted, empty for any. */
  readonly digest: string;
  readonly labels: Labels;
}

/** Receives a file's bytes in order and hashes them on the way. */
export class HashingFile {
  readonly #path: string;
  readonly #algorithm: Digest['algorithm'];
  #handle: FileHandle;
  #hash: Hash;
  #offset: number;

  private constructor(path: string, algorithm: Digest['algorithm'], handle: FileHandle) {
    this.#path = path;
    this.#algorithm = algorithm;
    this.#handle = handle;
    this.#hash = createHash(algorithm);
    this.#offset = 0;
  }

  /** Opens the file and hashes what is there already, so that the writer goes on where it stopped. */
  static async open(path: string, expected: string): Promise<HashingFile> {
    const algorithm = expected === '' ? 'sha256' : parseDigest(expected).algorithm;
    const handle = await open(path, 'a+', 0o644);
    const file = new HashingFile(path, algorithm, handle);
    try {
      await file.#hashExisting();
    } catch (error) {
      await handle.close();
      throw error;
    }
    return file;
  }

  /** Bytes received so far. */
  get offset(): bigint {
    return BigInt(this.#offset);
  }

  /** The digest of the bytes received so far. */
  digest(): string {
    return `${this.#algorithm}:${this.#hash.copy().digest('hex')}`;
  }

  async write(data: Uint8Array): Promise<void> {
    // The descriptor appends, so that a short write cannot leave a hole.
    let written = 0;
    while (written < data.length) written += (await this.#handle.write(data, written, data.length - written)).bytesWritten;
    this.#hash.update(data);
    this.#offset += data.length;
  }

  /** Drops all bytes. */
  async truncate(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hash = createHash(this.#algorithm);
    this.#offset = 0;
  }

  /** Hands the open file over to the caller, who closes it. */
  take(): FileHandle {
    return this.#handle;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #hashExisting(): Promise<void> {
    const piece = Buffer.allocUnsafe(1024 * 1024);
    for (;;) {
      const { bytesRead } = await this.#handle.read(piece, 0, piece.length, this.#offset);
      if (bytesRead === 0) return;
      this.#hash.update(piece.subarray(0, bytesRead));
      this.#offset += bytesRead;
    }
  }
}

/**
 * Checks what arrived against what was wanted.
 *
 * @throws ContainerdError `failed_precondition`: `SIZE_MISMATCH`, `DIGEST_MISMATCH`
 */
export function verify(ref: string, actual: { readonly size: bigint; readonly digest: string }, wanted: CommitOptions): void {
  if (wanted.size > 0n && actual.size !== wanted.size) {
    throw failedPrecondition('SIZE_MISMATCH', `${JSON.stringify(ref)} failed size validation: ${String(actual.size)} != ${String(wanted.size)}`);
  }
  if (wanted.digest !== '' && actual.digest !== wanted.digest) {
    throw failedPrecondition('DIGEST_MISMATCH', `unexpected commit digest ${actual.digest}, expected ${wanted.digest}`);
  }
}

/** A write must begin where the last one ended. */
export function checkOffset(current: bigint, wanted: bigint): void {
  if (wanted !== current) throw outOfRange('OFFSET_OUT_OF_RANGE', `write @${String(wanted)} must occur at current offset ${String(current)}`);
}

/** A ref that somebody else writes at the moment. */
export function lockedRef(ref: string, sinceMs: number): Error {
  const seconds = ((Date.now() - sinceMs) / 1000).toFixed(3);
  return classedError('unavailable', 'REF_LOCKED', `ref ${ref} locked for ${seconds}s (since ${new Date(sinceMs).toISOString()})`);
}
