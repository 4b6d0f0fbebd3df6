import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EventBus } from '../events/index.ts';
import type { KernelPort } from '../kernel-port.ts';
import { silentLogger } from '../logger.ts';
import { LocalVolumes } from './local-volumes.ts';

let folder: string;
let events: EventBus;
let mounts: string[];
const kernel: KernelPort = {
  mount: async (mount, target) => void mounts.push(`mount ${mount.type} ${mount.source} ${target} ${mount.options.join(',')}`),
  unmount: async (target) => void mounts.push(`unmount ${target}`),
  makeFifo: async () => undefined, makeNode: async () => undefined, copyExtendedAttributes: async () => undefined,
};
const open = (): Promise<LocalVolumes> => LocalVolumes.open({ folder, kernel, events, logger: silentLogger });

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-volumes-'));
  events = new EventBus();
  mounts = [];
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

describe('LocalVolumes', () => {
  it('keeps a volume with its labels across a restart', async () => {
    const created = await (await open()).create({ name: 'data', labels: { a: 'b' } });
    expect(created).toMatchObject({ Name: 'data', Driver: 'local', Mountpoint: path.join(folder, 'data/_data'), Labels: { a: 'b' }, Options: null, Scope: 'local' });
    expect(await (await open()).get('data')).toEqual(created);
  });

  it('gives the same volume to everybody who creates it at the same time', async () => {
    const volumes = await open();
    const all = await Promise.all(Array.from({ length: 5 }, () => volumes.create({ name: 'same' })));
    expect(new Set(all).size).toBe(1);
    expect(events.history(0n).map((event) => event.action)).toEqual(['create']);
  });

  it('makes up a name for an anonymous one and labels it', async () => {
    const volumes = await open();
    const { Name: name } = await volumes.create({});
    expect(name).toMatch(/^[0-9a-f]{64}$/);
    expect(await volumes.isAnonymous(name)).toBe(true);
  });

  it('refuses names, drivers and options that dockerd refuses, in its words', async () => {
    const volumes = await open();
    await expect(volumes.create({ name: 'a' })).rejects.toThrow('create a: volume name is too short, names should be at least two alphanumeric characters');
    await expect(volumes.create({ name: 'a/b' })).rejects.toThrow('create a/b: "a/b" includes invalid characters for a local volume name');
    await expect(volumes.create({ name: '..' })).rejects.toThrow('includes invalid characters');
    await expect(volumes.create({ name: 'xx', driver: 'nope' })).rejects.toThrow('create xx: error looking up volume plugin nope: plugin "nope" not found');
    await expect(volumes.create({ name: 'xx', options: { foo: 'bar' } })).rejects.toThrow('create xx: invalid option: "foo"');
    await expect(volumes.create({ name: 'xx', options: { type: 'tmpfs' } })).rejects.toThrow('create xx: missing required option: "device"');
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('removes a volume only when no container refers to it', async () => {
    const volumes = await open();
    await volumes.create({ name: 'data' });
    volumes.acquire('data', 'c1');
    await expect(volumes.remove('data')).rejects.toThrow('remove data: volume is in use - [c1]');
    volumes.release('data', 'c1');
    await volumes.remove('data');
    await expect(volumes.get('data')).rejects.toThrow('get data: no such volume');
    await expect(volumes.remove('data')).rejects.toThrow('no such volume');
    await volumes.remove('data', { force: true });
    expect(fs.readdirSync(folder)).toEqual([]);
  });

  it('finishes a removal that was cut short, and refuses a format it does not know', async () => {
    await (await open()).create({ name: 'odd' });
    fs.writeFileSync(path.join(folder, 'odd/volume.json'), '{"version":99}');
    fs.mkdirSync(path.join(folder, '.removing-old/_data'), { recursive: true });
    const volumes = await open();
    expect(volumes.list()).toEqual([]);
    expect(fs.readdirSync(folder)).toEqual(['odd']);
  });

  it('mounts a volume with options for its first user and unmounts it after its last', async () => {
    const volumes = await open();
    await volumes.create({ name: 'tmp', options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=1' } });
    const target = await volumes.mount('tmp', 'c1');
    await volumes.mount('tmp', 'c2');
    await volumes.unmount('tmp', 'c1');
    await volumes.unmount('tmp', 'c2');
    expect(mounts).toEqual([`unmount ${target}`, `mount tmpfs tmpfs ${target} size=1m,uid=1`, `unmount ${target}`]);
  });

  it('fills an empty volume from a folder, links and modes as they are, and leaves a full one alone', async () => {
    const volumes = await open();
    const { Mountpoint: target } = await volumes.create({ name: 'data' });
    const source = path.join(folder, '.source');
    fs.mkdirSync(path.join(source, 'sub'), { recursive: true });
    fs.writeFileSync(path.join(source, 'sub/file'), 'text', { mode: 0o640 });
    fs.linkSync(path.join(source, 'sub/file'), path.join(source, 'hard'));
    fs.symlinkSync('/etc/passwd', path.join(source, 'soft'));
    fs.chmodSync(source, 0o1777);
    await volumes.populate('data', source);
    expect(fs.readFileSync(path.join(target, 'sub/file'), 'utf8')).toBe('text');
    expect(fs.statSync(path.join(target, 'hard')).ino).toBe(fs.statSync(path.join(target, 'sub/file')).ino);
    expect(fs.readlinkSync(path.join(target, 'soft'))).toBe('/etc/passwd');
    expect(fs.statSync(target).mode & 0o7777).toBe(0o1777);
    fs.writeFileSync(path.join(source, 'late'), '');
    await volumes.populate('data', source);
    expect(fs.existsSync(path.join(target, 'late'))).toBe(false);
    await volumes.populate('data', path.join(folder, 'nowhere'));
    expect(await volumes.sizeBytes('data')).toBe(4 + '/etc/passwd'.length);
    fs.rmSync(source, { recursive: true });
  });
});
