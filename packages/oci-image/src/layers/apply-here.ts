import { open } from 'node:fs/promises';
import { decompress } from '../compression.ts';
import { Digester, digestAlgorithm, type Digest } from '../digest.ts';
import { OciImageError } from '../errors.ts';
import { TarDecoder } from '../tar/index.ts';
import { LayerApplier } from './applier.ts';
import type { LayerLimits } from './limits.ts';
import { closeFd, O, openat, syncfs, systemCallError } from './native-calls.ts';
import { type LayerForm, TargetTree } from './target-tree.ts';

/** Options of applying one layer. */
export interface ApplyLayerOptions {
  /** The blob: a file's path (the fast path: the worker reads it itself) or a stream of its bytes. Its compression is told from its bytes. */
  readonly source: string | AsyncIterable<Uint8Array>;
  /** An existing folder that nobody else can reach meanwhile. */
  readonly target: string;
  readonly form: LayerForm;
  /** In overlay form: the folders of the layers below, topmost first, for attributes of folders, hard links and links. Empty or absent for the base layer. */
  readonly lowers?: readonly string[];
  /** In plain form: whether the target is empty (the base layer), so that whiteouts mean nothing. Default: looked at. */
  readonly isBase?: boolean;
  /** `keep` makes files of whiteout entries as of any other: for archives that are no layers (`docker cp`). Default `apply`. */
  readonly whiteouts?: 'apply' | 'keep';
  /** Marks opaque folders in overlay form. Default `trusted.overlay.opaque`; `user.overlay.opaque` for mounts with `userxattr`. */
  readonly opaqueAttribute?: 'trusted.overlay.opaque' | 'user.overlay.opaque';
  /** The uncompressed archive's digest that must come out. */
  readonly expectedDiffId?: Digest;
  readonly limits?: LayerLimits;
  /** Write everything to disk before returning. Default false. */
  readonly sync?: boolean;
  /** Told the bytes of the blob that are read, now and then. */
  readonly onProgress?: (bytesRead: number) => void;
  readonly signal?: AbortSignal;
}

/** What applying a layer brought. */
export interface AppliedLayer {
  /** Digest of the uncompressed archive, all of it. */
  readonly diffId: Digest;
  /** Size of the uncompressed archive. */
  readonly size: number;
  readonly entryCount: number;
  /** Bytes of file content. */
  readonly contentBytes: number;
}

const READ_CHUNK_BYTES = 512 * 1024;
const PROGRESS_STEP_BYTES = 1024 * 1024;

/**
 * Applies a layer in this thread, with synchronous system calls: for programs that do nothing else meanwhile. Daemons use {@link LayerWorkers}.
 *
 * On failure the target holds what was unpacked so far: the caller, whose private folder it is, removes it.
 * @throws OciImageError `LAYER_*`, `TAR_*`, `COMPRESSION_*`, `DIFF_ID_MISMATCH`, `NATIVE_UNAVAILABLE`
 */
export async function applyLayerHere(options: ApplyLayerOptions): Promise<AppliedLayer> {
  const { signal } = options;
  signal?.throwIfAborted();
  using tree = openTree(options);
  const hasLowers = options.form === 'overlay' ? !tree.lowers.isEmpty : !(options.isBase ?? tree.list(tree.root).length === 0);
  using applier = new LayerApplier(tree, { form: options.form, hasLowers, keepsWhiteouts: options.whiteouts === 'keep', limits: options.limits ?? {} });
  if (hasLowers && options.form === 'overlay') tree.inheritRoot();
  const decoder = new TarDecoder();
  const digester = new Digester(options.expectedDiffId === undefined ? 'sha256' : digestAlgorithm(options.expectedDiffId));
  for await (const chunk of decompress(countBytes(options), options.limits)) {
    signal?.throwIfAborted();
    digester.update(chunk);
    for (const event of decoder.push(chunk)) applier.handle(event);
  }
  decoder.end();
  applier.finish();
  const diffId = digester.digest();
  if (options.expectedDiffId !== undefined && options.expectedDiffId !== diffId) {
    throw new OciImageError('DIFF_ID_MISMATCH', `layer has the diff id ${diffId}, want ${options.expectedDiffId}`);
  }
  if (options.sync === true) syncTree(options.target);
  return { diffId, size: digester.size, entryCount: applier.entryCount, contentBytes: applier.contentBytes };
}

function openTree(options: ApplyLayerOptions): TargetTree {
  try {
    return new TargetTree({
      path: options.target, form: options.form, lowers: options.form === 'overlay' ? options.lowers ?? [] : [], opaqueAttribute: options.opaqueAttribute ?? 'trusted.overlay.opaque',
    });
  } catch (error) {
    throw systemCallError(error, 'cannot unpack into', options.target);
  }
}

async function* countBytes(options: ApplyLayerOptions): AsyncGenerator<Uint8Array, void, void> {
  let bytes = 0;
  let reported = 0;
  for await (const chunk of typeof options.source === 'string' ? readBlob(options.source) : options.source) {
    bytes += chunk.byteLength;
    if (bytes - reported >= PROGRESS_STEP_BYTES) {
      reported = bytes;
      options.onProgress?.(bytes);
    }
    yield chunk;
  }
  options.onProgress?.(bytes);
}

async function* readBlob(path: string): AsyncGenerator<Uint8Array, void, void> {
  await using file = await open(path, 'r').catch((error: unknown) => {
    throw new OciImageError('CONTENT_NOT_FOUND', `cannot open layer blob ${JSON.stringify(path)}`, { cause: error });
  });
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(READ_CHUNK_BYTES), 0, READ_CHUNK_BYTES, null);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}

function syncTree(target: string): void {
  const fd = openat(-100, target, O.RDONLY | O.DIRECTORY);
  try {
    syncfs(fd);
  } finally {
    closeFd(fd);
  }
}
