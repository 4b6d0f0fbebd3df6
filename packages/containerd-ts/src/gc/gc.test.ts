import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestStores, type TestStores } from '../testing/stores.ts';
import { mark } from './mark.ts';
import { nodeId, type GcNode } from './references.ts';

let stores: TestStores;

beforeEach(() => {
  stores = openTestStores();
});

afterEach(async () => {
  await stores[Symbol.asyncDispose]();
});

const YESTERDAY = '2001-01-01T00:00:00Z';
const FAR_AWAY = '2999-01-01T00:00:00Z';

async function blob(text: string, labels: Record<string, string> = {}, leaseId?: string): Promise<string> {
  const writer = await stores.ingests.open('n', { ref: text, total: 0n, expected: '', leaseId });
  await writer.write(0n, Buffer.from(text));
  return (await writer.commit({ size: 0n, digest: '', labels })).digest;
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function image(name: string, digest: string, labels: Record<string, string> = {}): void {
  stores.images.create('n', { name, labels, target: { mediaType: 'm', digest, size: 1n, annotations: {} } }, { leaseId: undefined });
}

async function snapshot(key: string, options: { readonly parent?: string; readonly labels?: Record<string, string>; readonly leaseId?: string; readonly isCommitted?: boolean } = {}): Promise<void> {
  const { parent = '', labels = {}, leaseId, isCommitted = true } = options;
  await stores.snapshots.prepare('n', { key: isCommitted ? `prepare ${key}` : key, parent, labels, leaseId });
  if (isCommitted) stores.snapshots.commit('n', { name: key, key: `prepare ${key}`, labels, leaseId });
}

const blobs = (): string[] => stores.content.list('n', []).map((info) => info.digest);
const snapshots = (): string[] => stores.snapshots.list('n', []).map((info) => info.name);

describe('a collection', () => {
  it('keeps what an image leads to and removes the rest', async () => {
    const layer = await blob('layer');
    const config = await blob('config', { 'containerd.io/gc.ref.snapshot.fake': 'chain' });
    const manifest = await blob('manifest', { 'containerd.io/gc.ref.content.config': config, 'containerd.io/gc.ref.content.l.0': layer });
    const garbage = await blob('garbage');
    await snapshot('below');
    await snapshot('chain', { parent: 'below' });
    await snapshot('alone');
    image('i', manifest);
    const { removed } = await stores.collector.collect();
    expect(removed.content).toEqual([{ namespace: 'n', digest: garbage }]);
    expect(removed.snapshots).toEqual([{ namespace: 'n', snapshotter: 'fake', key: 'alone' }]);
    expect(blobs().sort()).toEqual([layer, config, manifest].sort());
    expect(snapshots()).toEqual(['below', 'chain']);
    expect(existsSync(stores.files.blobPath(garbage))).toBe(false);
    expect(stores.backend.list()).toEqual([1n, 2n]);
    stores.images.delete('n', 'i');
    await stores.collector.collect();
    expect([...blobs(), ...snapshots(), ...stores.backend.list()]).toEqual([]);
  });

  it('keeps what a lease holds and what that leads to, but of a flat lease only what it holds', async () => {
    for (const [id, labels] of [['deep', {}], ['flat', { 'containerd.io/gc.flat': '1' }]] as const) {
      stores.leases.create('n', { id, labels });
      const leaf = await blob(`${id} leaf`);
      await blob(`${id} top`, { 'containerd.io/gc.ref.content': leaf }, id);
    }
    await stores.collector.collect();
    expect(blobs().sort()).toEqual([digestOf('deep leaf'), digestOf('deep top'), digestOf('flat top')].sort());
  });

  it('removes leases and images whose time is over, with what they held', async () => {
    stores.leases.create('n', { id: 'over', labels: { 'containerd.io/gc.expire': YESTERDAY } });
    stores.leases.create('n', { id: 'lives', labels: { 'containerd.io/gc.expire': FAR_AWAY } });
    await blob('over', {}, 'over');
    const kept = await blob('lives', {}, 'lives');
    image('over', await blob('image'), { 'containerd.io/gc.expire': YESTERDAY });
    await stores.collector.collect();
    expect(stores.leases.list('n', []).map((lease) => lease.id)).toEqual(['lives']);
    expect(stores.images.list('n', [])).toEqual([]);
    expect(blobs()).toEqual([kept]);
  });

  it('keeps the snapshot of a container with its parents', async () => {
    await snapshot('base');
    await snapshot('c1', { parent: 'base', isCommitted: false });
    const spec = { typeUrl: 't', value: new Uint8Array() };
    const record = { id: 'c1', labels: {}, image: '', runtime: { name: 'r', options: undefined }, spec, snapshotter: 'fake', snapshotKey: 'c1', extensions: {}, sandbox: '' };
    stores.containers.create('n', record);
    await stores.collector.collect();
    expect(snapshots()).toEqual(['base', 'c1']);
    stores.containers.delete('n', 'c1');
    await stores.collector.collect();
    expect(snapshots()).toEqual([]);
  });

  it('keeps roots, ingests under way and what refers back to something alive', async () => {
    const root = await blob('root', { 'containerd.io/gc.root': 'yes' });
    const back = await blob('back', { 'containerd.io/gc.bref.content.x': root });
    const writer = await stores.ingests.open('n', { ref: 'arriving', total: 0n, expected: '', leaseId: undefined });
    await stores.collector.collect();
    expect(blobs().sort()).toEqual([root, back].sort());
    expect(stores.ingests.status('n', 'arriving').offset).toBe(0n);
    await writer.close();
  });

  it('does not follow a reference into another namespace', async () => {
    const digest = await blob('shared');
    stores.images.create('other', { name: 'i', labels: {}, target: { mediaType: 'm', digest, size: 1n, annotations: {} } }, { leaseId: undefined });
    await stores.collector.collect();
    expect(blobs()).toEqual([]);
  });
});

describe('mark()', () => {
  it('reaches exactly what can be reached, loops included', () => {
    const node = (key: number): GcNode => ({ kind: 'content', namespace: 'n', key: String(key) });
    const edges = fc.array(fc.tuple(fc.nat(20), fc.nat(20)), { maxLength: 60 });
    fc.assert(
      fc.property(edges, fc.array(fc.nat(20)), (pairs, roots) => {
        const alive = mark({ roots: roots.map(node), flatRoots: [], references: (from) => pairs.filter(([a]) => String(a) === from.key).map(([, b]) => node(b)) });
        const expected = new Set(roots);
        for (let before = -1; before !== expected.size; ) {
          before = expected.size;
          for (const [a, b] of pairs) if (expected.has(a)) expected.add(b);
        }
        expect(alive).toEqual(new Set([...expected].map((key) => nodeId(node(key)))));
      }),
    );
  });
});
