import { join } from 'node:path';
import { ContentDelete, ImageDelete, SnapshotRemove } from '@dray/containerd-api/events';
import type { Config } from './config.ts';
import { ContainerStore } from './containers/container-store.ts';
import { BlobFiles, ContentStore, IngestStore } from './content/index.ts';
import { Differ, type LayerTool } from './diff/index.ts';
import { errorText } from './errors.ts';
import { EventExchange } from './events/index.ts';
import { Collector, GcScheduler, type Removed } from './gc/index.ts';
import { ImageStore } from './images/image-store.ts';
import { LeaseStore } from './leases/lease-store.ts';
import type { Logger } from './logger.ts';
import { openDatabase } from './metadata/index.ts';
import { NamespaceStore } from './namespaces/namespace-store.ts';
import { pack } from './services/convert.ts';
import { readEventField } from './services/event-fields.ts';
import { NativeBackend, OverlayBackend, SnapshotStore, type SnapshotBackend } from './snapshots/index.ts';

/** Everything the daemon keeps, and what hands out and collects it. */
export interface Stores extends AsyncDisposable {
  readonly namespaces: NamespaceStore;
  readonly containers: ContainerStore;
  readonly images: ImageStore;
  readonly files: BlobFiles;
  readonly content: ContentStore;
  readonly ingests: IngestStore;
  readonly leases: LeaseStore;
  /** By snapshotter. */
  readonly snapshots: ReadonlyMap<string, SnapshotStore>;
  readonly differ: Differ;
  readonly events: EventExchange;
  readonly scheduler: GcScheduler;
}

/** Opens the stores under the configured root. */
export function openStores(config: Config, logger: Logger): Stores {
  const database = openDatabase(join(config.root, 'io.containerd.metadata.v1.sqlite', 'meta.db'));
  try {
    const namespaces = new NamespaceStore(database);
    const leases = new LeaseStore(database, namespaces);
    const files = new BlobFiles(join(config.root, 'io.containerd.content.v1.content'));
    const content = new ContentStore({ database, namespaces, leases, files });
    const ingests = new IngestStore({ database, namespaces, leases, files }, content);
    const snapshots = new Map(createBackends(config).map((backend) => [backend.name, new SnapshotStore({ database, namespaces, leases, backend })]));
    const layers = lazyLayerTool();
    const overlayFolder = `${rootOf(config, 'overlayfs')}/snapshots/`;
    const differ = new Differ({ content, ingests, layers: layers.get, isOverlayFolder: (folder) => folder.startsWith(overlayFolder) });
    const events = new EventExchange(readEventField);
    const onRemoved = (removed: Removed): void => {
      publishRemoved(events, removed);
    };
    const collector = new Collector({ database, content, files, snapshots, onRemoved });
    const scheduler = new GcScheduler(() => collector.collect(), config.scheduler, logger);
    return {
      namespaces,
      containers: new ContainerStore(database, namespaces),
      images: new ImageStore(database, namespaces, leases),
      files,
      content,
      ingests,
      leases,
      snapshots,
      differ,
      events,
      scheduler,
      [Symbol.asyncDispose]: async () => {
        events.close();
        await scheduler[Symbol.asyncDispose]();
        await layers.close();
        database[Symbol.dispose]();
      },
    };
  } catch (error) {
    database[Symbol.dispose]();
    throw error;
  }
}

/** Removes files that no record names, which a daemon that was killed may have left. Runs before anything is served. */
export function sweep(stores: Stores, logger: Logger): void {
  const files = stores.files.sweep({ digests: stores.content.allDigests(), ingests: stores.ingests.allFiles() });
  if (files > 0) logger.info({ files }, 'removed content without a record');
  for (const [snapshotter, store] of stores.snapshots) {
    store.sweep().then(
      (snapshots) => {
        if (snapshots > 0) logger.info({ snapshotter, snapshots }, 'removed snapshots without a record');
      },
      (error: unknown) => {
        logger.warn({ snapshotter, err: errorText(error) }, 'cannot remove snapshots without a record, going on');
      },
    );
  }
}

/** The layer tool is loaded with the first layer: a daemon that only runs containers never needs it. */
function lazyLayerTool(): { readonly get: () => Promise<LayerTool>; readonly close: () => Promise<void> } {
  let tool: Promise<LayerTool> | undefined;
  return {
    get: () => (tool ??= import('./diff/oci-layers.ts').then((module) => module.createLayerTool())),
    close: async () => {
      await (await tool)?.[Symbol.asyncDispose]();
    },
  };
}

function rootOf(config: Config, snapshotter: string): string {
  return config.snapshotterRoots[snapshotter] ?? join(config.root, `io.containerd.snapshotter.v1.${snapshotter}`);
}

function createBackends(config: Config): SnapshotBackend[] {
  const isEnabled = (name: string): boolean => !config.disabledPlugins.includes(`io.containerd.snapshotter.v1.${name}`);
  const backends: SnapshotBackend[] = [];
  if (isEnabled('overlayfs')) backends.push(new OverlayBackend({ root: rootOf(config, 'overlayfs') }));
  if (isEnabled('native')) backends.push(new NativeBackend({ root: rootOf(config, 'native') }));
  return backends;
}

function publishRemoved(events: EventExchange, removed: Removed): void {
  for (const { namespace, digest } of removed.content) events.publish(namespace, '/content/delete', pack(ContentDelete, { digest }));
  for (const { namespace, snapshotter, key } of removed.snapshots) events.publish(namespace, '/snapshot/remove', pack(SnapshotRemove, { key, snapshotter }));
  for (const { namespace, name } of removed.images) events.publish(namespace, '/images/delete', pack(ImageDelete, { name }));
}
