import { randomBytes } from 'node:crypto';
import type { ContentStore, IngestStore, IngestWriter } from '../content/index.ts';
import { isKind, notImplemented } from '../errors.ts';
import type { Descriptor } from '../images/image-store.ts';
import type { Labels } from '../labels.ts';
import type { Mount } from '../snapshots/index.ts';
import type { LayerTool } from './layer-tool.ts';
import { mountTarget, type MountTarget } from './mount-target.ts';

/** What the differ needs. */
export interface DifferOptions {
  readonly content: ContentStore;
  readonly ingests: IngestStore;
  /** Made when the first layer is worked on. */
  readonly layers: () => Promise<LayerTool>;
  /** Whether a folder is the upper folder of an overlay snapshot. */
  readonly isOverlayFolder: (folder: string) => boolean;
}

/** The layer that a diff is to make. */
export interface DiffOptions {
  /** Empty for OCI's gzip. */
  readonly mediaType: string;
  /** The ingest to write with, empty for a new one. */
  readonly ref: string;
  readonly labels: Labels;
  readonly leaseId: string | undefined;
  readonly signal: AbortSignal;
}

const UNCOMPRESSED = 'application/vnd.oci.image.layer.v1.tar';
const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';
/** The label that tells a compressed layer's diff id. */
const LABEL_UNCOMPRESSED = 'containerd.io/uncompressed';

const COMPRESSIONS: Readonly<Record<string, 'none' | 'gzip' | 'zstd'>> = {
  [UNCOMPRESSED]: 'none',
  [GZIP]: 'gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd': 'zstd',
  'application/vnd.docker.image.rootfs.diff.tar': 'none',
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'gzip',
};

/** Turns layers into files and files into layers, on the folders behind the snapshotters' mounts: nothing is mounted. */
export class Differ {
  readonly #options: DifferOptions;

  constructor(options: DifferOptions) {
    this.#options = options;
  }

  /**
   * Unpacks a layer. Returns the uncompressed archive's descriptor, whose digest is the diff id.
   *
   * @throws ContainerdError `not_found`, `CONTENT_NOT_FOUND`; `not_implemented`, `FOREIGN_MOUNTS`
   * @throws OciImageError what is wrong with the layer
   */
  async apply(namespace: string, diff: Descriptor, mounts: readonly Mount[], options: { readonly sync: boolean; readonly signal: AbortSignal }): Promise<Descriptor> {
    const source = this.#options.content.path(namespace, diff.digest);
    const target = mountTarget(mounts, this.#options.isOverlayFolder);
    const layers = await this.#options.layers();
    const { diffId, size } = await layers.apply({ source, target, ...options });
    return { mediaType: UNCOMPRESSED, digest: diffId, size, annotations: {} };
  }

  /** Packs what `right` has changed on top of `left` as a layer, and stores it. */
  async diff(namespace: string, left: readonly Mount[], right: readonly Mount[], options: DiffOptions): Promise<Descriptor> {
    const mediaType = options.mediaType === '' ? GZIP : options.mediaType;
    const compression = COMPRESSIONS[mediaType];
    if (compression === undefined) throw notImplemented('DIFF_MEDIA_TYPE', `unsupported diff media type: ${mediaType}`);
    const target = this.#changesOf(left, right);
    const layers = await this.#options.layers();
    const ref = options.ref === '' ? `uploaddiff-${randomBytes(8).toString('hex')}` : options.ref;
    const writer = await this.#options.ingests.open(namespace, { ref, total: 0n, expected: '', leaseId: options.leaseId });
    try {
      const packed = layers.pack({ target, compression, signal: options.signal });
      const { digest, size } = await store(packed, writer, options.labels, compression !== 'none');
      return { mediaType, digest, size, annotations: {} };
    } catch (error) {
      await writer.close();
      await this.#options.ingests.abort(namespace, ref).catch(() => undefined);
      throw error;
    }
  }

  /** The folder that holds the changes and nothing else: that of `right`, when it lies on `left`. */
  #changesOf(left: readonly Mount[], right: readonly Mount[]): MountTarget {
    const { isOverlayFolder } = this.#options;
    const upper = mountTarget(right, isOverlayFolder);
    const below = left.length === 0 ? [] : foldersOf(mountTarget(left, isOverlayFolder));
    if (below.length === 0 || (upper.form === 'overlay' && upper.lowers.join(':') === below.join(':'))) return upper;
    throw notImplemented('FOREIGN_MOUNTS', 'cannot compare mounts of which one does not lie on the other');
  }
}

function foldersOf(target: MountTarget): string[] {
  return [target.folder, ...target.lowers];
}

async function store(
  packed: AsyncGenerator<Uint8Array, { readonly diffId: string }, void>,
  writer: IngestWriter,
  labels: Labels,
  isCompressed: boolean,
): Promise<{ readonly digest: string; readonly size: bigint }> {
  let next = await packed.next();
  while (next.done !== true) {
    await writer.write(writer.status().offset, next.value);
    next = await packed.next();
  }
  const made = { digest: writer.digest(), size: writer.status().offset };
  const all = isCompressed ? { ...labels, [LABEL_UNCOMPRESSED]: next.value.diffId } : labels;
  try {
    return await writer.commit({ size: 0n, digest: '', labels: all });
  } catch (error) {
    // The same files give the same layer, which may be here already.
    if (isKind(error, 'already_exists')) return made;
    throw error;
  }
}
