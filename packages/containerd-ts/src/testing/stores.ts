import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobFiles, ContentStore, IngestStore } from '../content/index.ts';
import { ContainerStore } from '../containers/container-store.ts';
import { Collector } from '../gc/index.ts';
import { ImageStore } from '../images/image-store.ts';
import { LeaseStore } from '../leases/lease-store.ts';
import { openDatabase, type Database } from '../metadata/index.ts';
import { NamespaceStore } from '../namespaces/namespace-store.ts';
import { SnapshotStore, type Mount, type SnapshotBackend, type SnapshotPlace } from '../snapshots/index.ts';

/** A snapshotter that keeps nothing but remembers what it was told. */
export class FakeBackend implements SnapshotBackend {
  readonly name: string = 'fake';
  readonly folders: Set<bigint> = new Set<bigint>();
  /** What the next creation fails with. */
  failure: Error | undefined;

  create(place: SnapshotPlace): void {
    if (this.failure !== undefined) throw this.failure;
    this.folders.add(place.number);
  }

  mounts(place: SnapshotPlace): Mount[] {
    return [{ type: 'fake', source: String(place.number), target: '', options: [place.kind, ...place.parents.map(String)] }];
  }

  usage(): Promise<{ readonly size: bigint; readonly inodes: bigint }> {
    return Promise.resolve({ size: 4096n, inodes: 1n });
  }

  remove(number: bigint): Promise<void> {
    this.folders.delete(number);
    return Promise.resolve();
  }

  list(): bigint[] {
    return [...this.folders];
  }
}

/** All stores in a folder of their own, with a snapshotter that is a fake. */
export interface TestStores extends AsyncDisposable {
  readonly folder: string;
  readonly database: Database;
  readonly namespaces: NamespaceStore;
  readonly leases: LeaseStore;
  readonly files: BlobFiles;
  readonly content: ContentStore;
  readonly ingests: IngestStore;
  readonly images: ImageStore;
  readonly containers: ContainerStore;
  readonly backend: FakeBackend;
  readonly snapshots: SnapshotStore;
  readonly collector: Collector;
}

/** Opens stores in a new folder, which goes with them. */
export function openTestStores(): TestStores {
  const folder = mkdtempSync(join(tmpdir(), 'dray-containerd-'));
  const database = openDatabase(join(folder, 'meta', 'meta.db'));
  const namespaces = new NamespaceStore(database);
  const leases = new LeaseStore(database, namespaces);
  const files = new BlobFiles(join(folder, 'content'));
  const content = new ContentStore({ database, namespaces, leases, files });
  const backend = new FakeBackend();
  const snapshots = new SnapshotStore({ database, namespaces, leases, backend });
  return {
    folder,
    database,
    namespaces,
    leases,
    files,
    content,
    ingests: new IngestStore({ database, namespaces, leases, files }, content),
    images: new ImageStore(database, namespaces, leases),
    containers: new ContainerStore(database, namespaces),
    backend,
    snapshots,
    collector: new Collector({ database, content, files, snapshots: new Map([[backend.name, snapshots]]) }),
    [Symbol.asyncDispose]: () => {
      database[Symbol.dispose]();
      rmSync(folder, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}
