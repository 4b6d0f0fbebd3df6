import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTestStores, type TestStores } from '../testing/stores.ts';
import type { ContainerInput } from './container-store.ts';

let stores: TestStores;

beforeEach(() => {
  stores = openTestStores();
});

afterEach(async () => {
  await stores[Symbol.asyncDispose]();
});

const spec = { typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Spec', value: Buffer.from('{ "odd":  "white space", "z":1,"a":2 }') };

function input(changes: Partial<ContainerInput> = {}): ContainerInput {
  const runtime = { name: 'io.containerd.runc.v2', options: { typeUrl: 'containerd.runc.v1.Options', value: new Uint8Array([1, 2]) } };
  const extensions = { 'a.b/c d': { typeUrl: 'github.com/some thing', value: new Uint8Array([0, 255]) } };
  return { id: 'c1', labels: { a: '1', 'b.c/d': '2' }, image: 'img', runtime, spec, snapshotter: 'overlayfs', snapshotKey: 'c1', extensions, sandbox: '', ...changes };
}

describe('ContainerStore', () => {
  it('gives back byte for byte what it was given', () => {
    stores.containers.create('n', input());
    const stored = stores.containers.get('n', 'c1');
    expect(stored.spec?.typeUrl).toBe(spec.typeUrl);
    expect(Buffer.from(stored.spec?.value ?? []).toString()).toBe(spec.value.toString());
    expect(stored.runtime).toEqual({ name: 'io.containerd.runc.v2', options: { typeUrl: 'containerd.runc.v1.Options', value: new Uint8Array([1, 2]) } });
    expect(stored.extensions['a.b/c d']?.typeUrl).toBe('github.com/some thing');
    expect([...(stored.extensions['a.b/c d']?.value ?? [])]).toEqual([0, 255]);
    expect(stored.createdAt).toBe(stored.updatedAt);
  });

  it('refuses what containerd refuses, with its words', () => {
    stores.containers.create('n', input());
    expect(() => stores.containers.create('n', input())).toThrow('container "c1": already exists');
    expect(() => stores.containers.get('n', 'nope')).toThrow('container "nope" in namespace "n": not found');
    expect(() => stores.containers.create('n', input({ id: 'bad id' }))).toThrow('identifier "bad id" must match');
    expect(() => stores.containers.create('n', input({ id: 'x', runtime: { name: '', options: undefined } }))).toThrow('container.Runtime.Name must be set: invalid argument');
    expect(() => stores.containers.create('n', input({ id: 'x', spec: undefined }))).toThrow('container.Spec must be set: invalid argument');
    expect(() => stores.containers.create('n', input({ id: 'x', snapshotter: '' }))).toThrow('container.Snapshotter must be set if container.SnapshotKey is set');
    expect(stores.namespaces.list().map((namespace) => namespace.name)).toEqual(['n']);
  });

  it('changes only what a mask names', () => {
    stores.containers.create('n', input());
    const updated = stores.containers.update('n', input({ image: 'other', labels: { 'b.c/d': '3' }, snapshotKey: 'other' }), ['labels.b.c/d', 'image']);
    expect(updated).toMatchObject({ image: 'other', labels: { a: '1', 'b.c/d': '3' }, snapshotKey: 'c1' });
    expect(stores.containers.update('n', input({ labels: {} }), ['labels.a']).labels).toEqual({ 'b.c/d': '3' });
    expect(stores.containers.update('n', input({ extensions: {} }), ['extensions.a.b/c d']).extensions).toEqual({});
    expect(updated.updatedAt).toBeGreaterThan(updated.createdAt);
    expect(() => stores.containers.update('n', input(), ['snapshotter'])).toThrow('cannot update "snapshotter" field on "c1": invalid argument');
  });

  it('replaces what may change when there is no mask, and refuses the rest', () => {
    stores.containers.create('n', input());
    expect(stores.containers.update('n', input({ labels: { new: '1' }, image: 'other' }), [])).toMatchObject({ labels: { new: '1' }, image: 'other' });
    expect(() => stores.containers.update('n', input({ snapshotter: 'native' }), [])).toThrow('immutable');
    expect(() => stores.containers.update('n', input({ runtime: { name: 'other', options: undefined } }), [])).toThrow('immutable');
  });

  it('lists by filter', () => {
    stores.containers.create('n', input({ id: 'b' }));
    stores.containers.create('n', input({ id: 'a', labels: { 'b.c/d': 'x' } }));
    const ids = (filter: string): string[] => stores.containers.list('n', [filter]).map((container) => container.id);
    expect(ids('')).toEqual(['a', 'b']);
    expect(ids('labels."b.c/d"==x')).toEqual(['a']);
    expect(ids('runtime.name==io.containerd.runc.v2,id~=^b')).toEqual(['b']);
    expect(ids('image!=img')).toEqual([]);
  });
});

describe('NamespaceStore', () => {
  it('keeps a namespace that has something, and says what', () => {
    stores.containers.create('n', input());
    expect(() => {
      stores.namespaces.delete('n');
    }).toThrow('namespace "n" must be empty, but it still has containers: failed precondition');
    stores.containers.delete('n', 'c1');
    stores.namespaces.delete('n');
    expect(() => {
      stores.namespaces.delete('n');
    }).toThrow('namespace "n": not found');
    stores.containers.create('n', input());
  });

  it('knows no labels of an unknown namespace, sets some and removes them with an empty value', () => {
    expect(stores.namespaces.labels('x')).toEqual({});
    stores.namespaces.create({ name: 'x', labels: { a: 'b' } });
    expect(() => {
      stores.namespaces.create({ name: 'x', labels: {} });
    }).toThrow('namespace "x": already exists');
    expect(stores.namespaces.update('x', { labels: { a: '', c: 'd' }, labelKeys: ['a', 'c'] }).labels).toEqual({ c: 'd' });
  });
});
