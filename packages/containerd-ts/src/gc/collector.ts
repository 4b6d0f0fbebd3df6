import { nowNanos } from '../clock.ts';
import type { BlobFiles, ContentStore } from '../content/index.ts';
import { integerOf, textOf, type Database } from '../metadata/index.ts';
import type { SnapshotStore } from '../snapshots/index.ts';
import { mark } from './mark.ts';
import { readGraph } from './metadata-graph.ts';
import { nodeId } from './references.ts';

/** What the collector needs. */
export interface CollectorDependencies {
  readonly database: Database;
  readonly content: ContentStore;
  readonly files: BlobFiles;
  /** The snapshot stores by snapshotter. */
  readonly snapshots: ReadonlyMap<string, SnapshotStore>;
  /** Told of what was removed, for the events. */
  readonly onRemoved?: (removed: Removed) => void;
}

/** What one collection removed. */
export interface Removed {
  readonly content: readonly { readonly namespace: string; readonly digest: string }[];
  readonly snapshots: readonly { readonly namespace: string; readonly snapshotter: string; readonly key: string }[];
  readonly images: readonly { readonly namespace: string; readonly name: string }[];
}

interface Sweep extends Removed {
  readonly snapshotNumbers: ReadonlyMap<string, readonly bigint[]>;
  readonly ingestFiles: readonly string[];
}

/**
 * Removes what nothing alive refers to. Marking and the removal of records are one synchronous step, so that no call sees half of it; the files go
 * afterwards, and what a killed daemon leaves of them is swept at the next start.
 */
export class Collector {
  readonly #dependencies: CollectorDependencies;

  constructor(dependencies: CollectorDependencies) {
    this.#dependencies = dependencies;
  }

  /** Runs one collection and resolves when the files are gone, too. */
  async collect(): Promise<{ readonly pauseMs: number; readonly removed: Removed }> {
    const startedAt = performance.now();
    const sweep = this.#sweepRecords();
    const pauseMs = performance.now() - startedAt;
    this.#dependencies.onRemoved?.(sweep);
    await this.#removeFiles(sweep);
    return { pauseMs, removed: sweep };
  }

  #sweepRecords(): Sweep {
    const { database } = this.#dependencies;
    return database.transaction(() => {
      const alive = mark(readGraph(database, nowNanos()));
      return {
        content: this.#sweepContent(alive),
        images: this.#sweepImages(alive),
        ingestFiles: this.#sweepIngests(alive),
        ...this.#sweepLeases(alive),
        ...this.#sweepSnapshots(alive),
      };
    });
  }

  #sweepContent(alive: ReadonlySet<string>): Sweep['content'] {
    const { database } = this.#dependencies;
    const dead = database
      .prepare('SELECT namespace, digest FROM blobs')
      .all()
      .map((row) => ({ namespace: textOf(row, 'namespace'), digest: textOf(row, 'digest') }))
      .filter(({ namespace, digest }) => !alive.has(nodeId({ kind: 'content', namespace, key: digest })));
    for (const { namespace, digest } of dead) database.prepare('DELETE FROM blobs WHERE namespace = $namespace AND digest = $digest').run({ namespace, digest });
    return dead;
  }

  #sweepImages(alive: ReadonlySet<string>): Sweep['images'] {
    const { database } = this.#dependencies;
    const dead = database
      .prepare('SELECT namespace, name FROM images')
      .all()
      .map((row) => ({ namespace: textOf(row, 'namespace'), name: textOf(row, 'name') }))
      .filter(({ namespace, name }) => !alive.has(nodeId({ kind: 'image', namespace, key: name })));
    for (const { namespace, name } of dead) database.prepare('DELETE FROM images WHERE namespace = $namespace AND name = $name').run({ namespace, name });
    return dead;
  }

  #sweepIngests(alive: ReadonlySet<string>): Sweep['ingestFiles'] {
    const { database } = this.#dependencies;
    const files: string[] = [];
    for (const row of database.prepare('SELECT namespace, ref, directory FROM ingests').all()) {
      const namespace = textOf(row, 'namespace');
      const ref = textOf(row, 'ref');
      if (alive.has(nodeId({ kind: 'ingest', namespace, key: ref }))) continue;
      database.prepare('DELETE FROM ingests WHERE namespace = $namespace AND ref = $ref').run({ namespace, ref });
      files.push(textOf(row, 'directory'));
    }
    return files;
  }

  #sweepLeases(alive: ReadonlySet<string>): object {
    const { database } = this.#dependencies;
    for (const row of database.prepare('SELECT namespace, id FROM leases').all()) {
      const namespace = textOf(row, 'namespace');
      const id = textOf(row, 'id');
      if (alive.has(nodeId({ kind: 'lease', namespace, key: id }))) continue;
      database.prepare('DELETE FROM leases WHERE namespace = $namespace AND id = $id').run({ namespace, id });
    }
    return {};
  }

  /** Children go before their parents: a child's number is always the larger one. */
  #sweepSnapshots(alive: ReadonlySet<string>): Pick<Sweep, 'snapshots' | 'snapshotNumbers'> {
    const { database } = this.#dependencies;
    const snapshots: { namespace: string; snapshotter: string; key: string }[] = [];
    const snapshotNumbers = new Map<string, bigint[]>();
    for (const row of database.prepare('SELECT number, namespace, snapshotter, key FROM snapshots ORDER BY number DESC').all()) {
      const namespace = textOf(row, 'namespace');
      const snapshotter = textOf(row, 'snapshotter');
      const key = textOf(row, 'key');
      if (alive.has(nodeId({ kind: 'snapshot', namespace, key: `${snapshotter}/${key}` }))) continue;
      const number = integerOf(row, 'number');
      database.prepare('DELETE FROM snapshots WHERE number = $number').run({ number });
      snapshots.push({ namespace, snapshotter, key });
      const numbers = snapshotNumbers.get(snapshotter);
      if (numbers === undefined) snapshotNumbers.set(snapshotter, [number]);
      else numbers.push(number);
    }
    return { snapshots, snapshotNumbers };
  }

  async #removeFiles(sweep: Sweep): Promise<void> {
    const { content, files, snapshots } = this.#dependencies;
    await content.removeUnreferenced(new Set(sweep.content.map((blob) => blob.digest)));
    for (const name of sweep.ingestFiles) await files.removeIngest(name);
    for (const [snapshotter, numbers] of sweep.snapshotNumbers) await snapshots.get(snapshotter)?.removeFiles(numbers);
  }
}
