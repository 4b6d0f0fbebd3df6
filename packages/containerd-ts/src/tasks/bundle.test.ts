import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bundle, findBundles } from './bundle.ts';
import type { Kernel } from './kernel.ts';

let folder: string;
let folders: { readonly root: string; readonly state: string };
const unmounted: string[] = [];
const kernel: Kernel = { mkfifo: () => undefined, unmountAll: (path) => void unmounted.push(path) };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dray-bundle-'));
  folders = { root: join(folder, 'root'), state: join(folder, 'state') };
  unmounted.length = 0;
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const spec = Buffer.from('{ "ociVersion":"1.1.0" }');

describe('Bundle', () => {
  it('is laid out as containerd lays it out', () => {
    const bundle = new Bundle(folders, 'n', 'c1');
    bundle.create(spec);
    expect(bundle.path).toBe(join(folder, 'state/io.containerd.runtime.v2.task/n/c1'));
    expect(readdirSync(bundle.path).sort()).toEqual(['config.json', 'rootfs', 'work']);
    expect(readFileSync(bundle.file('config.json'))).toEqual(spec);
    expect(statSync(bundle.path).mode & 0o777).toBe(0o700);
    expect(readlinkSync(bundle.file('work'))).toBe(join(folder, 'root/io.containerd.runtime.v2.task/n/c1'));
    expect(() => {
      bundle.create(spec);
    }).toThrow('already exists');
    bundle.remove(kernel);
    expect(existsSync(bundle.path)).toBe(false);
    expect(existsSync(join(folder, 'root/io.containerd.runtime.v2.task/n/c1'))).toBe(false);
    bundle.remove(kernel);
  });

  it('is never deleted into a root file system that is still there', () => {
    const bundle = new Bundle(folders, 'n', 'c1');
    bundle.create(spec);
    writeFileSync(join(bundle.rootfs, 'precious'), 'x');
    expect(() => {
      bundle.remove(kernel);
    }).toThrow('ENOTEMPTY');
    expect(unmounted).toEqual([bundle.rootfs]);
    expect(existsSync(join(bundle.rootfs, 'precious'))).toBe(true);
  });

  it.each(['../x', 'a/b', '', '.hidden', 'a b'])('refuses the id %j', (id) => {
    expect(() => new Bundle(folders, 'n', id)).toThrow('invalid argument');
    expect(() => new Bundle(folders, id, 'c')).toThrow('invalid argument');
  });

  it.skipIf(process.getuid?.() !== 0)('lets the root of a user namespace in (needs root)', () => {
    const bundle = new Bundle(folders, 'n', 'c1');
    bundle.create(Buffer.from(JSON.stringify({ linux: { gidMappings: [{ containerID: 0, hostID: 4242, size: 10 }] } })));
    expect(statSync(bundle.path)).toMatchObject({ gid: 4242 });
    expect(statSync(bundle.path).mode & 0o777).toBe(0o710);
  });
});

describe('findBundles()', () => {
  it('finds what is whole and removes what is not', () => {
    new Bundle(folders, 'n', 'c1').create(spec);
    const state = join(folders.state, 'io.containerd.runtime.v2.task/n');
    const work = join(folders.root, 'io.containerd.runtime.v2.task/n');
    mkdirSync(join(state, '.half'), { recursive: true });
    mkdirSync(join(state, 'empty'));
    mkdirSync(join(state, 'lost+found', 'x'), { recursive: true });
    mkdirSync(join(work, 'orphan'), { recursive: true });
    expect(findBundles(folders).map((bundle) => `${bundle.namespace}/${bundle.id}`)).toEqual(['n/c1']);
    expect(readdirSync(state)).toEqual(['c1', 'lost+found']);
    expect(readdirSync(work)).toEqual(['c1']);
  });

  it('finds nothing where nothing is', () => {
    expect(findBundles(folders)).toEqual([]);
  });
});
