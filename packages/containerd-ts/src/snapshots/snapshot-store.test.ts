import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestStores, type TestStores } from '../testing/stores.ts';

let stores: TestStores;

beforeEach(() => {
  stores = openTestStores();
});

afterEach(async () => {
  await stores[Symbol.asyncDispose]();
});

const none = { parent: '', labels: {}, leaseId: undefined };

async function layer(name: string, parent = ''): Promise<void> {
  await stores.snapshots.prepare('n', { ...none, key: `extract ${name}`, parent });
  stores.snapshots.commit('n', { name, key: `extract ${name}`, labels: {}, leaseId: undefined });
}

describe('SnapshotStore', () => {
  it('builds layers on layers, the nearest parent first', async () => {
    await layer('base');
    await layer('top', 'base');
    const mounts = await stores.snapshots.prepare('n', { ...none, key: 'c1', parent: 'top' });
    expect(mounts).toEqual([{ type: 'fake', source: '3', target: '', options: ['active', '2', '1'] }]);
    expect(stores.snapshots.mounts('n', 'c1')).toEqual(mounts);
    expect(stores.snapshots.stat('n', 'c1')).toMatchObject({ kind: 'active', name: 'c1', parent: 'top' });
    expect(stores.snapshots.stat('n', 'top')).toMatchObject({ kind: 'committed', parent: 'base' });
    expect(stores.snapshots.list('n', ['kind==committed']).map((info) => info.name)).toEqual(['base', 'top']);
    expect(() => stores.snapshots.stat('n', 'extract top')).toThrow('snapshot extract top does not exist: not found');
  });

  it('refuses what containerd refuses, with its words', async () => {
    await layer('base');
    await stores.snapshots.prepare('n', { ...none, key: 'c1', parent: 'base' });
    await expect(stores.snapshots.prepare('n', { ...none, key: 'c1' })).rejects.toThrow('snapshot "c1": already exists');
    await expect(stores.snapshots.prepare('n', { ...none, key: 'c2', parent: 'nope' })).rejects.toThrow('parent snapshot nope does not exist: not found');
    await expect(stores.snapshots.prepare('n', { ...none, key: 'c2', parent: 'c1' })).rejects.toThrow('parent "c1" is not committed snapshot: invalid argument');
    await expect(stores.snapshots.remove('n', 'base')).rejects.toThrow('cannot remove snapshot with child: failed precondition');
    expect(() => stores.snapshots.commit('n', { name: 'base', key: 'c1', labels: {}, leaseId: undefined })).toThrow('snapshot "base": already exists');
    await stores.snapshots.view('n', { ...none, key: 'v', parent: 'base' });
    expect(() => stores.snapshots.commit('n', { name: 'x', key: 'v', labels: {}, leaseId: undefined })).toThrow('is not active: failed precondition');
  });

  it('keeps namespaces apart', async () => {
    await layer('base');
    expect(() => stores.snapshots.stat('other', 'base')).toThrow('does not exist');
    await expect(stores.snapshots.prepare('other', { ...none, key: 'c', parent: 'base' })).rejects.toThrow('parent snapshot base does not exist');
  });

  it('leaves nothing when the files cannot be made', async () => {
    stores.backend.failure = new Error('disk full');
    await expect(stores.snapshots.prepare('n', { ...none, key: 'c1' })).rejects.toThrow('disk full');
    stores.backend.failure = undefined;
    await stores.snapshots.prepare('n', { ...none, key: 'c1' });
  });

  it('measures a committed snapshot once and an active one each time', async () => {
    let measured = 0;
    stores.backend.usage = () => Promise.resolve({ size: BigInt((measured += 1)), inodes: 1n });
    await layer('base');
    await stores.snapshots.prepare('n', { ...none, key: 'c1', parent: 'base' });
    expect([await stores.snapshots.usage('n', 'base'), await stores.snapshots.usage('n', 'base')].map((usage) => usage.size)).toEqual([1n, 1n]);
    expect([await stores.snapshots.usage('n', 'c1'), await stores.snapshots.usage('n', 'c1')].map((usage) => usage.size)).toEqual([2n, 3n]);
  });

  it('hands a lease on from key to name', async () => {
    stores.leases.create('n', { id: 'l', labels: {} });
    await stores.snapshots.prepare('n', { ...none, key: 'k', leaseId: 'l' });
    expect(stores.leases.listResources('n', 'l')).toEqual([{ type: 'snapshots/fake', id: 'k' }]);
    stores.snapshots.commit('n', { name: 'name', key: 'k', labels: {}, leaseId: 'l' });
    expect(stores.leases.listResources('n', 'l')).toEqual([{ type: 'snapshots/fake', id: 'name' }]);
  });

  it('sweeps folders without a record', async () => {
    await layer('base');
    stores.backend.folders.add(77n);
    expect(await stores.snapshots.sweep()).toBe(1);
    expect(stores.backend.list()).toEqual([1n]);
  });
});
