import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestStores, type TestStores } from '../testing/stores.ts';

let stores: TestStores;

beforeEach(() => {
  stores = openTestStores();
});

afterEach(async () => {
  await stores[Symbol.asyncDispose]();
});

describe('LeaseStore', () => {
  it('holds resources until they are dropped or the lease is deleted', () => {
    stores.leases.create('n', { id: 'l', labels: { a: 'b' } });
    stores.leases.addResource('n', 'l', { type: 'content', id: 'sha256:x' });
    stores.leases.addResource('n', 'l', { type: 'content', id: 'sha256:x' });
    stores.leases.addResource('n', 'l', { type: 'snapshots/overlayfs', id: 'k' });
    expect(stores.leases.listResources('n', 'l')).toEqual([
      { type: 'content', id: 'sha256:x' },
      { type: 'snapshots/overlayfs', id: 'k' },
    ]);
    stores.leases.deleteResource('n', 'l', { type: 'content', id: 'sha256:x' });
    stores.leases.deleteResource('n', 'l', { type: 'content', id: 'sha256:absent' });
    expect(stores.leases.listResources('n', 'l')).toHaveLength(1);
    stores.leases.delete('n', 'l');
    expect(() => stores.leases.listResources('n', 'l')).toThrow('lease "l": not found');
    stores.leases.create('n', { id: 'l', labels: {} });
    expect(stores.leases.listResources('n', 'l')).toEqual([]);
  });

  it('refuses what containerd refuses, with its words', () => {
    stores.leases.create('n', { id: 'l', labels: {} });
    expect(() => stores.leases.create('n', { id: 'l', labels: {} })).toThrow('lease "l": already exists');
    expect(() => {
      stores.leases.delete('n', 'nope');
    }).toThrow('lease "nope": not found');
    for (const type of ['snapshots', 'snapshots/', 'snapshots/a/b']) {
      expect(() => {
        stores.leases.addResource('n', 'l', { type, id: 'x' });
      }).toThrow('invalid argument');
    }
    expect(() => {
      stores.leases.addResource('n', 'l', { type: 'plugins', id: 'x' });
    }).toThrow('not implemented');
  });

  it('lists by filter and keeps namespaces apart', () => {
    stores.leases.create('n', { id: 'a', labels: { kind: 'x' } });
    stores.leases.create('n', { id: 'b', labels: {} });
    stores.leases.create('m', { id: 'a', labels: {} });
    expect(stores.leases.list('n', ['labels.kind==x']).map((lease) => lease.id)).toEqual(['a']);
    expect(stores.leases.list('n', ['id==b', 'id==a']).map((lease) => lease.id)).toEqual(['a', 'b']);
    expect(stores.leases.list('m', [])).toHaveLength(1);
  });
});
