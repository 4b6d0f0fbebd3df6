import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connectContainerd,
  isContainerdApiError,
  packAny,
  packJson,
  JSON_TYPE_URLS,
  timestampToDate,
  unpackAny,
  unpackJson,
  type ContainerdConnection,
} from '../src/index.ts';
import { TaskOOM } from '../src/events.ts';
import { Kind } from '../src/gen/services/snapshots/v1/snapshots.ts';
import { WriteAction } from '../src/gen/services/content/v1/content.ts';
import { Options } from '../src/gen/types/runc/options/oci.ts';
import { containerdMissing, startContainerd, type ContainerdPeer } from './containerd-peer.ts';

const missing = containerdMissing();

describe.skipIf(missing !== undefined)(`the original containerd${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let peer: ContainerdPeer;
  let containerd: ContainerdConnection;

  beforeAll(async () => {
    peer = await startContainerd();
    containerd = await connectContainerd(peer.address, { namespace: 'dray-test' });
    await containerd.waitUntilReady();
  });
  afterAll(async () => {
    await containerd.close();
    await peer[Symbol.asyncDispose]();
  });

  it('tells its version and that it serves', async () => {
    expect((await containerd.version.version({})).version).toMatch(/^\d+\.\d+/);
    expect((await containerd.health.check({})).status).toBe(1);
  });

  it('tells its plugins, its pid and its id', async () => {
    const { plugins } = await containerd.introspection.plugins({ filters: ['type==io.containerd.snapshotter.v1'] });
    const overlay = plugins.find((plugin) => plugin.id === 'overlayfs');
    expect(overlay).toMatchObject({ type: 'io.containerd.snapshotter.v1', platforms: [{ os: 'linux' }] });
    expect(overlay?.exports['root']).toBe(`${peer.directory}/root/io.containerd.snapshotter.v1.overlayfs`);
    const server = await containerd.introspection.server({});
    expect(server.uuid).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('keeps namespaces and their labels', async () => {
    await containerd.namespaces.create({ namespace: { name: 'labelled', labels: { 'a.b/c': 'd' } } });
    expect(await containerd.namespaces.get({ name: 'labelled' })).toEqual({ namespace: { name: 'labelled', labels: { 'a.b/c': 'd' } } });
    await containerd.namespaces.update({ namespace: { name: 'labelled', labels: { 'a.b/c': 'e' } }, updateMask: ['labels.a.b/c'] });
    const { namespaces } = await containerd.namespaces.list({});
    expect(namespaces).toContainEqual({ name: 'labelled', labels: { 'a.b/c': 'e' } });
    await containerd.namespaces.delete({ name: 'labelled' });
  });

  it('refuses a call without a namespace as a failed precondition', async () => {
    await using bare = await connectContainerd(peer.address);
    const error: unknown = await bare.containers.list({}).catch((caught: unknown) => caught);
    expect(isContainerdApiError(error) && error.kind).toBe('failed_precondition');
  });

  it('gives every field of a container back', async () => {
    const spec = packJson(JSON_TYPE_URLS.spec, { ociVersion: '1.0.2', process: { args: ['sh'] } });
    const options = packAny(Options, { binaryName: 'runc', root: '/run/x', systemdCgroup: true, ioUid: 7, ioGid: 8, noPivotRoot: true });
    const given = {
      id: 'web',
      labels: { 'com.example/a': 'b' },
      image: 'busybox',
      runtime: { name: 'io.containerd.runc.v2', options },
      spec,
      snapshotter: 'native',
      snapshotKey: 'web-rootfs',
      extensions: { 'io.example': packJson('example/Thing', { a: 1 }) },
    };
    const created = await containerd.containers.create({ container: given });
    const { container } = await containerd.containers.get({ id: 'web' });
    const { id, labels, image, snapshotter, snapshotKey } = given;
    expect(container).toMatchObject({ id, labels, image, snapshotter, snapshotKey, runtime: { name: 'io.containerd.runc.v2' } });
    expect(container?.extensions['io.example'] && unpackJson(container.extensions['io.example'])).toEqual({ a: 1 });
    expect(container).toEqual(created.container);
    const runtimeOptions = container?.runtime?.options;
    expect(runtimeOptions && unpackAny(Options, runtimeOptions)).toMatchObject({ root: '/run/x', systemdCgroup: true, ioUid: 7, ioGid: 8 });
    expect(container?.spec && unpackJson(container.spec)).toEqual({ ociVersion: '1.0.2', process: { args: ['sh'] } });
    expect(container?.createdAt && Math.abs(Date.now() - timestampToDate(container.createdAt).getTime())).toBeLessThan(600_000);
    const again: unknown = await containerd.containers.create({ container: given }).catch((caught: unknown) => caught);
    expect(isContainerdApiError(again) && again.kind).toBe('already_exists');
    const updated = await containerd.containers.update({ container: { id: 'web', labels: { 'com.example/a': 'c' } }, updateMask: ['labels.com.example/a'] });
    expect(updated.container?.labels).toEqual({ 'com.example/a': 'c' });
    const streamed = [];
    for await (const message of containerd.containers.listStream({ filters: ['id==web'] })) streamed.push(message.container?.id);
    expect(streamed).toEqual(['web']);
    await containerd.containers.delete({ id: 'web' });
    const gone: unknown = await containerd.containers.get({ id: 'web' }).catch((caught: unknown) => caught);
    expect(isContainerdApiError(gone) && gone.kind).toBe('not_found');
  });

  it('stores content in pieces and reads it back', async () => {
    const bytes = randomBytes(3_000_000);
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const write = containerd.content.write();
    const answers = write[Symbol.asyncIterator]();
    await write.write({ action: WriteAction.STAT, ref: 'blob', total: BigInt(bytes.length), expected: digest });
    expect((await answers.next()).value).toMatchObject({ action: WriteAction.STAT, offset: 0n });
    await write.write({ action: WriteAction.WRITE, ref: 'blob', offset: 0n, data: bytes.subarray(0, 2_000_000) });
    expect((await answers.next()).value).toMatchObject({ action: WriteAction.WRITE, offset: 2_000_000n });
    const { statuses } = await containerd.content.listStatuses({});
    expect(statuses).toMatchObject([{ ref: 'blob', offset: 2_000_000n, total: 3_000_000n }]);
    await write.write({
      action: WriteAction.COMMIT,
      offset: 2_000_000n,
      data: bytes.subarray(2_000_000),
      total: BigInt(bytes.length),
      expected: digest,
      labels: { 'containerd.io/gc.root': 'now' },
    });
    expect((await answers.next()).value).toMatchObject({ action: WriteAction.COMMIT, offset: 3_000_000n, digest });
    write.end();
    // The original repeats its last answer when the stream ends.
    expect((await answers.next()).value).toMatchObject({ action: WriteAction.COMMIT, offset: 3_000_000n, digest });
    expect(await answers.next()).toEqual({ done: true, value: undefined });

    expect((await containerd.content.info({ digest })).info).toMatchObject({ digest, size: 3_000_000n, labels: { 'containerd.io/gc.root': 'now' } });
    const read: Uint8Array[] = [];
    for await (const { data } of containerd.content.read({ digest, offset: 1_000_000n, size: 500_000n })) read.push(data);
    expect(Buffer.concat(read).equals(bytes.subarray(1_000_000, 1_500_000))).toBe(true);
    const listed = [];
    for await (const { info } of containerd.content.list({})) listed.push(...info);
    expect(listed.map((info) => info.digest)).toEqual([digest]);
    await containerd.content.update({ info: { digest, labels: { x: 'y' } }, updateMask: ['labels.x'] });
    expect((await containerd.content.info({ digest })).info?.labels).toMatchObject({ x: 'y' });
    await containerd.content.delete({ digest });
  });

  it('prepares, commits and lists snapshots', async () => {
    const snapshotter = 'native';
    const { mounts } = await containerd.snapshots.prepare({ snapshotter, key: 'work', labels: { 'containerd.io/gc.root': 'now' } });
    expect(mounts).toMatchObject([{ type: 'bind', options: ['rbind', 'rw'] }]);
    expect((await containerd.snapshots.stat({ snapshotter, key: 'work' })).info).toMatchObject({ name: 'work', kind: Kind.ACTIVE });
    await containerd.snapshots.commit({ snapshotter, key: 'work', name: 'base', labels: { 'containerd.io/gc.root': 'now' } });
    await containerd.snapshots.view({ snapshotter, key: 'look', parent: 'base', labels: { 'containerd.io/gc.root': 'test' } });
    const infos = [];
    for await (const { info } of containerd.snapshots.list({ snapshotter })) infos.push(...info);
    expect(infos.map(({ name, parent, kind }) => ({ name, parent, kind })).sort((a, b) => a.name.localeCompare(b.name))).toEqual([
      { name: 'base', parent: '', kind: Kind.COMMITTED },
      { name: 'look', parent: 'base', kind: Kind.VIEW },
    ]);
    expect((await containerd.snapshots.usage({ snapshotter, key: 'base' })).inodes).toBeGreaterThan(0n);
    const busy: unknown = await containerd.snapshots.remove({ snapshotter, key: 'base' }).catch((caught: unknown) => caught);
    expect(isContainerdApiError(busy) && busy.kind).toBe('failed_precondition');
    await containerd.snapshots.remove({ snapshotter, key: 'look' });
    await containerd.snapshots.remove({ snapshotter, key: 'base' });
  });

  it('keeps leases with their labels and resources', async () => {
    const { lease } = await containerd.leases.create({ id: 'mine', labels: { 'containerd.io/gc.expire': '2999-01-01T00:00:00Z' } });
    expect(lease).toMatchObject({ id: 'mine', labels: { 'containerd.io/gc.expire': '2999-01-01T00:00:00Z' } });
    await containerd.leases.addResource({ id: 'mine', resource: { id: 'work', type: 'snapshots/native' } });
    expect((await containerd.leases.listResources({ id: 'mine' })).resources).toEqual([{ id: 'work', type: 'snapshots/native' }]);
    await containerd.withScope({ lease: 'mine' }).snapshots.prepare({ snapshotter: 'native', key: 'leased' });
    expect((await containerd.leases.listResources({ id: 'mine' })).resources).toContainEqual({ id: 'leased', type: 'snapshots/native' });
    await containerd.leases.delete({ id: 'mine', sync: true });
    const swept: unknown = await containerd.snapshots.stat({ snapshotter: 'native', key: 'leased' }).catch((caught: unknown) => caught);
    expect(isContainerdApiError(swept) && swept.kind).toBe('not_found');
  });

  it('names images', async () => {
    const target = { mediaType: 'application/vnd.oci.image.index.v1+json', digest: `sha256:${'a'.repeat(64)}`, size: 123n, annotations: { x: 'y' } };
    const { image } = await containerd.images.create({ image: { name: 'example.com/a:b', labels: { l: 'm' }, target } });
    expect(image).toMatchObject({ name: 'example.com/a:b', labels: { l: 'm' }, target: { ...target, annotations: expect.anything() as unknown } });
    expect(image?.createdAt?.seconds).toBeGreaterThan(1_700_000_000n);
    expect(image?.updatedAt).toEqual(image?.createdAt);
    expect((await containerd.images.list({ filters: ['name==example.com/a:b'] })).images).toHaveLength(1);
    await containerd.images.delete({ name: 'example.com/a:b', sync: true });
  });

  it('delivers events to subscribers, until they stop', async () => {
    const stop = new AbortController();
    const events = containerd.events.subscribe({ filters: ['namespace==dray-test'] }, { signal: stop.signal });
    const seen = events.next();
    // The subscription has no answer of its own: publish until the first event has arrived.
    let isSeen = false as boolean;
    void seen.then(() => (isSeen = true));
    while (!isSeen) await containerd.events.publish({ topic: '/tasks/oom', event: packAny(TaskOOM, { containerId: 'web' }) });
    const { value: envelope } = (await seen) as { value: { topic: string; namespace: string; event: { typeUrl: string; value: Uint8Array } } };
    expect(envelope).toMatchObject({ topic: '/tasks/oom', namespace: 'dray-test', event: { typeUrl: 'containerd.events.TaskOOM' } });
    expect(unpackAny(TaskOOM, envelope.event)).toEqual({ containerId: 'web' });
    stop.abort(new Error('enough'));
    await expect(
      (async () => {
        for await (const event of events) void event;
      })(),
    ).rejects.toThrow('enough');
  });
});
