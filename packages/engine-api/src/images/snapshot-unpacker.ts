import { randomBytes } from 'node:crypto';
import { type Digest, type LayerUnpacker, OciImageError, type UnpackRequest } from '@dray/oci-image';
import type { Containerd } from '../containerd.ts';
import { errorKind, messageOf } from '../errors.ts';

/** Unpacks layers through containerd: an active snapshot on the layer below, the layer applied to it, committed under its chain id. */
export class SnapshotUnpacker implements LayerUnpacker {
  readonly #containerd: Containerd;
  readonly #snapshotter: string;

  constructor(containerd: Containerd, snapshotter: string) {
    this.#containerd = containerd;
    this.#snapshotter = snapshotter;
  }

  async has(chainId: Digest): Promise<boolean> {
    try {
      await this.#containerd.snapshots.stat({ snapshotter: this.#snapshotter, key: chainId });
      return true;
    } catch (error) {
      if (errorKind(error) === 'not_found') return false;
      throw error;
    }
  }

  async unpack(request: UnpackRequest): Promise<void> {
    const { chainId, descriptor, diffId, signal } = request;
    const snapshotter = this.#snapshotter;
    const key = `extract-${process.hrtime.bigint() % 1_000_000_000n}-${randomBytes(3).toString('hex')} ${chainId}`;
    const mounts = await this.#prepare(key, request);
    if (mounts === undefined) return;
    request.onProgress(0);
    try {
      const { applied } = await this.#containerd.diff.apply(
        { diff: { mediaType: descriptor.mediaType, digest: descriptor.digest, size: BigInt(descriptor.size), annotations: {} }, mounts, payloads: {}, syncFs: false },
        signal === undefined ? {} : { signal },
      );
      if (applied?.digest !== diffId) throw new OciImageError('DIFF_ID_MISMATCH', `wrong diff id calculated on extraction ${JSON.stringify(applied?.digest ?? '')}`);
      request.onProgress(descriptor.size);
      await this.#containerd.snapshots.commit({ snapshotter, name: chainId, key, labels: {}, parent: '' });
    } catch (error) {
      await this.#containerd.snapshots.remove({ snapshotter, key }).catch((failure: unknown) => {
        if (errorKind(failure) !== 'not_found') throw new AggregateError([error, failure], messageOf(error));
      });
      if (errorKind(error) !== 'already_exists') throw error; // else somebody else has unpacked the same layer meanwhile
    }
    await this.#containerd.content.update({
      info: { digest: descriptor.digest, size: 0n, createdAt: undefined, updatedAt: undefined, labels: { 'containerd.io/uncompressed': diffId } },
      updateMask: ['labels.containerd.io/uncompressed'],
    });
  }

  /** The mounts of a new active snapshot, or undefined where the layer is there already. */
  async #prepare(key: string, { chainId, parentChainId }: UnpackRequest): Promise<Awaited<ReturnType<Containerd['snapshots']['prepare']>>['mounts'] | undefined> {
    try {
      return (await this.#containerd.snapshots.prepare({ snapshotter: this.#snapshotter, key, parent: parentChainId ?? '', labels: { 'containerd.io/snapshot.ref': chainId } })).mounts;
    } catch (error) {
      if (errorKind(error) === 'already_exists' && await this.has(chainId)) return undefined;
      throw error;
    }
  }
}
