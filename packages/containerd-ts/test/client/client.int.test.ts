import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { zeroTimestamp } from '@dray/containerd-api';
import { TaskV2Definition } from '@dray/containerd-api/task';
import { TaskStatus } from '@dray/containerd-api/types';
import { TtrpcClient, createTtrpcClient } from '@dray/ttrpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContainerdClient, isContainerdApiError, type ContainerdEvent } from '../../src/client/index.ts';
import { missingFor, startDaemon, type DaemonName, type RunningDaemon } from './daemons.ts';


async function kindOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => new Error('did not fail'),
    (caught: unknown) => caught,
  );
  return isContainerdApiError(error) ? error.kind : String(error);
}

/** A sink that remembers, and its text. */
function memory(): { sink: PassThrough; bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const sink = new PassThrough();
  sink.on('data', (chunk: Buffer) => chunks.push(chunk));
  return { sink, bytes: () => Buffer.concat(chunks) };
}

describe.for(['containerd', 'dray-containerd'] as const)('ContainerdClient on %s', (daemon) => {
  const missing = missingFor(daemon);
  describe.skipIf(missing !== undefined)(missing === undefined ? 'works:' : `(skipped: ${missing})`, () => {
    contract(daemon);
  });
});

/** What holds with either daemon, with the original shim below. */
function contract(daemon: DaemonName): void {
  const namespace = `dray-${randomUUID().slice(0, 8)}`;
  let peer: RunningDaemon;
  let client: ContainerdClient;
  let rootfs: string;

  function spec(script: string, hasTerminal = false): object {
    return {
      ociVersion: '1.0.2',
      process: { args: ['/bin/busybox', 'sh', '-c', script], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 }, terminal: hasTerminal },
      root: { path: rootfs },
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755'] },
        { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
      ],
      linux: { cgroupsPath: `/${namespace}/${randomUUID()}`, namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })) },
    };
  }

  /** Creates a container that runs `script`, and removes it after `work`. */
  async function withContainer<Result>(script: string, work: (id: string) => Promise<Result>, hasTerminal = false): Promise<Result> {
    const id = `c-${randomUUID().slice(0, 8)}`;
    await client.containers.create({ id, spec: spec(script, hasTerminal) });
    try {
      return await work(id);
    } finally {
      await client.containers.delete(id);
    }
  }

  beforeAll(async () => {
    peer = await startDaemon(daemon);
    client = await ContainerdClient.connect(peer.address, { namespace, signal: AbortSignal.timeout(10_000) });
    rootfs = join(peer.directory, 'rootfs');
    for (const name of ['bin', 'proc', 'dev']) await mkdir(join(rootfs, name), { recursive: true });
    await copyFile('/bin/busybox', join(rootfs, 'bin/busybox'));
  });

  afterAll(async () => {
    await client.close();
    await peer[Symbol.asyncDispose]();
    for (const controller of await readdir('/sys/fs/cgroup')) await rmdir(join('/sys/fs/cgroup', controller, namespace)).catch(() => undefined);
  });

  describe('records', () => {
    it('of images can be made, changed, listed and removed', async () => {
      const target = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: `sha256:${'a'.repeat(64)}`, size: 7 };
      const image = await client.images.create({ name: 'example.com/a:1', target, labels: { a: 'b', gone: 'x' } });
      expect(image).toMatchObject({ name: 'example.com/a:1', target, labels: { a: 'b', gone: 'x' } });
      expect(Math.abs(image.createdAt.getTime() - Date.now())).toBeLessThan(600_000);
      expect(await kindOf(client.images.create({ name: 'example.com/a:1', target }))).toBe('already_exists');
      const other = { ...target, digest: `sha256:${'b'.repeat(64)}` };
      expect(await client.images.put({ name: 'example.com/a:1', target: other, labels: { c: 'd' } })).toMatchObject({ target: other, labels: { a: 'b', c: 'd' } });
      expect((await client.images.setLabels('example.com/a:1', { gone: '' })).labels).toEqual({ a: 'b', c: 'd' });
      expect((await client.images.list({ filters: ['name~=^example'] })).map(({ name }) => name)).toEqual(['example.com/a:1']);
      await client.images.delete('example.com/a:1', { isSync: true });
      expect(await kindOf(client.images.get('example.com/a:1'))).toBe('not_found');
    });

    it('of containers keep their spec', async () => {
      await withContainer('true', async (id) => {
        expect(await client.containers.get(id)).toMatchObject({ id, runtime: { name: 'io.containerd.runc.v2' }, spec: { root: { path: rootfs } } });
        expect((await client.containers.setSpec(id, { ociVersion: '1.0.2', hostname: 'new' })).spec).toEqual({ ociVersion: '1.0.2', hostname: 'new' });
        expect((await client.containers.setLabels(id, { 'a.b/c': 'd' })).labels).toEqual({ 'a.b/c': 'd' });
        const ids = [];
        for await (const container of client.containers.list({ filters: ['labels."a.b/c"==d'] })) ids.push(container.id);
        expect(ids).toEqual([id]);
      });
    });

    it('of namespaces are apart from each other', async () => {
      const other = client.inNamespace(`${namespace}-other`);
      await other.namespaces.create(other.namespace, { a: 'b' });
      await other.namespaces.setLabels(other.namespace, { a: 'c' });
      expect(await client.namespaces.get(other.namespace)).toEqual({ name: other.namespace, labels: { a: 'c' } });
      expect((await client.namespaces.list()).map(({ name }) => name)).toContain(other.namespace);
      await other.namespaces.delete(other.namespace);
    });
  });

  describe('content', () => {
    /** New each time: containerd still knows bytes for a while after they were deleted, and then skips writing them. */
    function blob(): { bytes: Buffer; digest: string } {
      const bytes = randomBytes(5_000_000);
      return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
    }

    it('is written from any source, checked, and read back whole or in part', async () => {
      const { bytes, digest } = blob();
      await client.withLease(async (leased) => {
        async function* source(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < bytes.length; at += 700_000) yield await Promise.resolve(bytes.subarray(at, at + 700_000));
        }
        expect(await leased.content.write(source(), { ref: 'a', digest, size: bytes.length, labels: { x: 'y' } })).toMatchObject({ digest, size: 5_000_000, labels: { x: 'y' } });
        expect(Buffer.from(await client.content.readAll(digest, { bytesMax: 5_000_000 })).equals(bytes)).toBe(true);
        const parts = [];
        for await (const part of client.content.read(digest, { offset: 10, size: 100 })) parts.push(part);
        expect(Buffer.concat(parts).equals(bytes.subarray(10, 110))).toBe(true);
        expect(await kindOf(client.content.readAll(digest, { bytesMax: 4_999_999 }))).toBe('resource_exhausted');
        expect((await client.content.setLabels(digest, { x: '' })).labels).toEqual({});
        const again = await leased.content.write([Buffer.from('not read')], { ref: 'b', digest, size: bytes.length });
        expect(again.digest).toBe(digest);
        const digests = [];
        for await (const record of client.content.list()) digests.push(record.digest);
        expect(digests).toEqual([digest]);
        await client.content.delete(digest);
      });
    });

    it('whose digest or size is not as promised is refused', async () => {
      expect(await kindOf(client.content.write([Buffer.from('abc')], { ref: 'c', digest: `sha256:${'0'.repeat(64)}` }))).toBe('failed_precondition');
      expect(await kindOf(client.content.write([Buffer.from('abc')], { ref: 'd', size: 2 }))).toBe('failed_precondition');
    });

    it('goes on where an aborted write has stopped', async () => {
      const { bytes, digest } = blob();
      const stop = new AbortController();
      async function* half(): AsyncGenerator<Uint8Array> {
        yield bytes.subarray(0, 2_000_000);
        while ((await client.content.ingests()).every(({ ref, offset }) => ref !== 'e' || offset < 2_000_000)) await Promise.resolve();
        stop.abort(new Error('enough'));
        yield bytes.subarray(2_000_000, 3_000_000);
      }
      await expect(client.content.write(half(), { ref: 'e', digest, signal: stop.signal })).rejects.toThrow('enough');
      expect(await client.content.ingests()).toMatchObject([{ ref: 'e' }]);
      expect((await client.content.write([bytes], { ref: 'e', digest, labels: { 'containerd.io/gc.root': 'now' } })).size).toBe(5_000_000);
      await client.content.delete(digest);
    });

    it('that was given up can be dropped', async () => {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield await Promise.resolve(randomBytes(1000));
        throw new Error('cannot read the source');
      }
      await expect(client.content.write(broken(), { ref: 'f' })).rejects.toThrow('cannot read the source');
      await client.content.abort('f');
      expect((await client.content.ingests()).map(({ ref }) => ref)).not.toContain('f');
    });
  });

  describe('snapshots and leases', () => {
    it('make layers that last as long as their lease', async () => {
      const native = client.snapshots('native');
      const lease = await client.leases.create({ id: 'mine', labels: { a: 'b' }, expiresAt: new Date('2999-01-01T00:00:00Z') });
      expect(lease).toMatchObject({ id: 'mine', labels: { a: 'b', 'containerd.io/gc.expire': '2999-01-01T00:00:00Z' } });
      const held = new ContainerdClient(client.connection.withScope({ lease: 'mine' }), namespace).snapshots('native');
      expect(await held.prepare('work')).toMatchObject([{ type: 'bind', options: expect.arrayContaining(['rbind', 'rw']) as unknown }]);
      await held.commit('base', 'work');
      expect(await native.stat('base')).toMatchObject({ name: 'base', kind: 'committed', parent: '' });
      await held.view('look', { parent: 'base' });
      expect(await native.mounts('look')).toMatchObject([{ options: expect.arrayContaining(['rbind', 'ro']) as unknown }]);
      const all = [];
      for await (const { name, kind } of native.list()) all.push(`${name} ${kind}`);
      expect(all.sort()).toEqual(['base committed', 'look view']);
      expect((await native.usage('base')).inodes).toBeGreaterThan(0);
      expect(await client.leases.resources('mine')).toContainEqual({ type: 'snapshots/native', id: 'look' });
      expect((await client.leases.list()).map(({ id }) => id)).toContain('mine');
      await client.leases.delete('mine', { isSync: true });
      expect(await kindOf(native.stat('base'))).toBe('not_found');
    });

    it('gives a file system to a layer made by the daemon', async () => {
      await client.withLease(async (leased) => {
        const overlay = leased.snapshots('overlayfs');
        const base = await overlay.prepare('empty');
        await mkdir(join(base[0]?.source ?? '', 'old-folder'));
        await overlay.commit('old', 'empty');
        const lower = await overlay.view('lower', { parent: 'old' });
        const upper = await overlay.prepare('upper', { parent: 'old' });
        const upperDirectory = upper[0]?.options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length);
        await mkdir(join(upperDirectory ?? '', 'new-folder'));
        const layer = await leased.diff.create(lower, upper, { mediaType: 'application/vnd.oci.image.layer.v1.tar' });
        expect(layer.mediaType).toBe('application/vnd.oci.image.layer.v1.tar');
        const applied = await overlay.prepare('applied');
        await leased.diff.apply(layer, applied);
        expect(await readdir(applied[0]?.source ?? '')).toEqual(['new-folder']);
      });
    });
  });

  describe('tasks', () => {
    it('run to their end with their bytes and exit code', async () => {
      const out = memory();
      const err = memory();
      const exit = await withContainer('/bin/busybox cat; echo problem >&2; exit 7', (id) =>
        client.tasks.run(id, { stdin: Buffer.from('hello'), stdout: out.sink, stderr: err.sink }),
      );
      expect(exit.code).toBe(7);
      expect(Math.abs(exit.exitedAt.getTime() - Date.now())).toBeLessThan(600_000);
      expect([out.bytes().toString(), err.bytes().toString()]).toEqual(['hello', 'problem\n']);
    });

    it('pass megabytes through unharmed', async () => {
      const bytes = randomBytes(8_000_000);
      const out = memory();
      await withContainer('exec /bin/busybox cat', (id) => client.tasks.run(id, { stdin: bytes, stdout: out.sink }));
      expect(out.bytes().equals(bytes)).toBe(true);
    });

    it('are killed and removed when the signal aborts', async () => {
      await withContainer('/bin/busybox sleep 1000', async (id) => {
        const stop = new AbortController();
        const run = client.tasks.run(id, { signal: stop.signal });
        run.catch(() => undefined);
        while (!(await client.tasks.list()).some((task) => task.id === id && task.state === 'running')) await Promise.resolve();
        stop.abort(new Error('enough'));
        await expect(run).rejects.toThrow('enough');
        expect(await kindOf(client.tasks.get(id))).toBe('not_found');
      });
    });

    it('that cannot be started leave nothing behind', async () => {
      const before = (await readdir('/tmp')).filter((name) => name.startsWith('containerd-stdio-'));
      await withContainer('', async (id) => {
        await client.containers.setSpec(id, { ...spec(''), process: { args: ['/no/such'], cwd: '/', user: { uid: 0, gid: 0 } } });
        await expect(client.tasks.run(id)).rejects.toThrow('no such file or directory');
        expect(await kindOf(client.tasks.get(id))).toBe('not_found');
      });
      expect((await readdir('/tmp')).filter((name) => name.startsWith('containerd-stdio-'))).toEqual(before);
    });

    it('are seen, paused, measured, and joined by more processes', async () => {
      await withContainer('/bin/busybox sleep 1000', async (id) => {
        const task = await client.tasks.create(id);
        expect(await task.status()).toEqual({ state: 'created', id, pid: task.pid });
        const exited = task.wait();
        await task.start();
        await task.pause();
        expect(await (await client.tasks.get(id)).status()).toMatchObject({ state: 'paused' });
        await task.resume();
        expect(await task.pids()).toContain(task.pid);
        const sample = await task.metrics();
        if (sample?.cgroup === 'v1') expect(sample.metrics.pids?.current).toBeGreaterThan(0n);
        await task.update({ pids: { limit: 33 } });
        const updated = await task.metrics();
        if (updated?.cgroup === 'v1') expect(updated.metrics.pids?.limit).toBe(33n);

        const exec = await task.exec({ process: { args: ['/bin/busybox', 'cat'], cwd: '/' }, stdio: { kind: 'streams', hasStdin: true } });
        const execExited = exec.wait();
        const out: Buffer[] = [];
        exec.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
        exec.stderr?.resume();
        await exec.start();
        exec.stdin?.end('through cat');
        expect((await execExited).code).toBe(0);
        await exec.delete();
        expect(Buffer.concat(out).toString()).toBe('through cat');

        await task.kill('SIGKILL');
        const exit = await exited;
        expect(exit.code).toBe(137);
        expect(await task.status()).toMatchObject({ state: 'stopped', exit: { code: 137 } });
        expect(await task.delete()).toEqual(exit);
      });
    });

    it('are shown by their shim as by the daemon', async () => {
      await withContainer('/bin/busybox sleep 1000', async (id) => {
        const task = await client.tasks.create(id);
        const socket = createHash('sha256').update(join(peer.address, namespace, id)).digest('hex');
        await using connection = await TtrpcClient.connect(`/run/containerd/s/${socket}`);
        const shim = createTtrpcClient(TaskV2Definition, connection);
        expect(await shim.state({ id })).toEqual({
          id,
          bundle: `${peer.directory}/state/io.containerd.runtime.v2.task/${namespace}/${id}`,
          pid: task.pid,
          status: TaskStatus.CREATED,
          stdin: '',
          stdout: '',
          stderr: '',
          terminal: false,
          exitStatus: 0,
          exitedAt: zeroTimestamp(),
          execId: '',
        });
        expect(await shim.connect({ id })).toMatchObject({ taskPid: task.pid });
        await task.destroy();
      });
    });

    it('have a terminal of the size they are given', async () => {
      await withContainer(
        'while read line; do /bin/busybox stty size; done',
        async (id) => {
          const task = await client.tasks.create(id, { stdio: { kind: 'streams', hasStdin: true, hasTerminal: true } });
          const exited = task.wait();
          let text = '';
          const seen = new Promise<void>((resolve) => {
            task.stdout?.on('data', (chunk: Buffer) => {
              text += chunk.toString();
              if (text.includes('33 77')) resolve();
            });
          });
          await task.start();
          await task.resize({ columns: 77, rows: 33 });
          task.stdin?.write('go\n');
          await seen;
          expect(task.stderr).toBeUndefined();
          await task.kill('SIGKILL');
          await exited;
          await task.delete();
        },
        true,
      );
    });

    it('tell of themselves by events', async () => {
      const events = client.events.subscribe();
      const seen: ContainerdEvent[] = [];
      // There is no sign that the subscription has begun: publish until one arrives.
      const first = events.next();
      let isSubscribed = false as boolean;
      void first.then(() => (isSubscribed = true));
      while (!isSubscribed) await client.events.publish('/tasks/oom', { typeUrl: 'x.Unknown', value: Buffer.from('x') });
      expect((await first).value).toMatchObject({ topic: '/tasks/oom', namespace, type: 'Unknown' });
      const id = await withContainer('exit 3', async (one) => {
        await client.tasks.run(one);
        return one;
      });
      for await (const event of events) {
        if (event.type === 'Unknown') continue;
        seen.push(event);
        if (event.type === 'ContainerDelete') break;
      }
      expect(seen.map(({ type }) => type)).toEqual(['ContainerCreate', 'TaskCreate', 'TaskStart', 'TaskExit', 'TaskDelete', 'ContainerDelete']);
      const exit = seen.find((event) => event.type === 'TaskExit');
      expect(exit).toMatchObject({ body: { containerId: id, id, exitStatus: 3 } });
    });
  });

  it('fails in time when the daemon is not there', async () => {
    const connecting = ContainerdClient.connect(join(peer.directory, 'none.sock'), { signal: AbortSignal.timeout(50) });
    await expect(connecting).rejects.toMatchObject({ name: 'TimeoutError' });
  });
}
