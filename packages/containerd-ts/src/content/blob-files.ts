import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseDigest } from './digest.ts';

/** Where the bytes of content lie: `blobs/<algorithm>/<hex>` when verified, `ingest/<name>` while they arrive. */
export class BlobFiles {
  readonly #root: string;

  /** Creates the folders. `root` is the store's own folder. */
  constructor(root: string) {
    this.#root = root;
    for (const folder of ['', 'blobs', 'blobs/sha256', 'ingest']) mkdirSync(join(root, folder), { recursive: true, mode: folder === '' ? 0o711 : 0o755 });
  }

  /** The path of a blob, whether or not it is there. */
  blobPath(digest: string): string {
    const { algorithm, hex } = parseDigest(digest);
    return join(this.#root, 'blobs', algorithm, hex);
  }

  /** The path of an ingest's bytes. */
  ingestPath(name: string): string {
    return join(this.#root, 'ingest', name);
  }

  hasBlob(digest: string): boolean {
    return existsSync(this.blobPath(digest));
  }

  /** Makes an ingest's verified bytes a blob that survives a power cut. Closes the handle. */
  async promote(handle: FileHandle, name: string, digest: string): Promise<void> {
    const path = this.blobPath(digest);
    await handle.chmod(0o444);
    await handle.datasync();
    await handle.close();
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    await rename(this.ingestPath(name), path);
    await syncDirectory(dirname(path));
  }

  /** Removes a blob's file; one that is gone already is no error. */
  async removeBlob(digest: string): Promise<void> {
    await rm(this.blobPath(digest), { force: true });
  }

  /** Removes an ingest's file; one that is gone already is no error. */
  async removeIngest(name: string): Promise<void> {
    await rm(this.ingestPath(name), { force: true });
  }

  /** Removes the files that nothing refers to, which a daemon that was killed may have left. Returns how many they were. */
  sweep(known: { readonly digests: ReadonlySet<string>; readonly ingests: ReadonlySet<string> }): number {
    let removed = 0;
    for (const name of readdirSync(join(this.#root, 'ingest'))) {
      if (known.ingests.has(name)) continue;
      rmSync(this.ingestPath(name), { recursive: true, force: true });
      removed += 1;
    }
    for (const algorithm of readdirSync(join(this.#root, 'blobs'))) {
      for (const hex of readdirSync(join(this.#root, 'blobs', algorithm))) {
        if (known.digests.has(`${algorithm}:${hex}`)) continue;
        const path = join(this.#root, 'blobs', algorithm, hex);
        chmodSync(path, 0o644);
        rmSync(path, { force: true });
        removed += 1;
      }
    }
    return removed;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
