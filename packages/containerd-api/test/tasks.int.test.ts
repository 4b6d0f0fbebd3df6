import { copyFile, mkdir, readdir, rmdir } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { JSON_TYPE_URLS, connectContainerd, isAnyOf, isZeroTimestamp, packJson, unpackAny, type ContainerdConnection } from '../src/index.ts';
import { TaskCreate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskExit, TaskPaused, TaskResumed, TaskStart } from '../src/events.ts';
import { TaskStatus, type Any, type Envelope } from '../src/types.ts';
import { Metrics } from '../src/gen/github.com/containerd/cgroups/cgroup1/stats/metrics.ts';
import { containerdMissing, startContainerd, type ContainerdPeer } from './containerd-peer.ts';

const missing = containerdMissing();
const namespace = `dray-${randomUUID().slice(0, 8)}`;
const EVENT_TYPES = [TaskCreate, TaskStart, TaskExecAdded, TaskExecStarted, TaskPaused, TaskResumed, TaskExit, TaskDelete];

/** The smallest spec that runs a command of busybox in namespaces of its own. */
function spec(rootfs: string, args: readonly string[]): Any {
  return packJson(JSON_TYPE_URLS.spec, {
    ociVersion: '1.0.2',
    process: { args, cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } },
    root: { path: rootfs },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: {
      cgroupsPath: `/${namespace}/web`,
      namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })),
      resources: { pids: { limit: 50 }, memory: { limit: 64 << 20 } },
    },
  });
}

describe.skipIf(missing !== undefined)(`tasks of the original containerd${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let peer: ContainerdPeer;
  let containerd: ContainerdConnection;
  const envelopes: Envelope[] = [];
  const stop = new AbortController();
  let listening: Promise<void>;

  beforeAll(async () => {
    peer = await startContainerd();
    containerd = await connectContainerd(peer.address, { namespace });
    listening = (async () => {
      try {
        for await (const envelope of containerd.events.subscribe({ filters: ['topic~=^/tasks/'] }, { signal: stop.signal })) envelopes.push(envelope);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      }
    })();
    const rootfs = join(peer.directory, 'rootfs');
    for (const name of ['bin', 'proc']) await mkdir(join(rootfs, name), { recursive: true });
    await copyFile('/bin/busybox', join(rootfs, 'bin/busybox'));
    await containerd.containers.create({
      container: { id: 'web', runtime: { name: 'io.containerd.runc.v2' }, spec: spec(rootfs, ['/bin/busybox', 'sleep', '1000']) },
    });
  });

  afterAll(async () => {
    await containerd.tasks.kill({ containerId: 'web', signal: 9 }).catch(() => undefined);
    await containerd.tasks.delete({ containerId: 'web' }).catch(() => undefined);
    stop.abort();
    await listening;
    await containerd.close();
    await peer[Symbol.asyncDispose]();
    for (const controller of await readdir('/sys/fs/cgroup')) await rmdir(join('/sys/fs/cgroup', controller, namespace)).catch(() => undefined);
  });

  it('go through their life with every field in its place', async () => {
    const { tasks } = containerd;
    const { containerId, pid } = await tasks.create({ containerId: 'web' });
    expect(containerId).toBe('web');
    expect((await tasks.get({ containerId: 'web' })).process).toMatchObject({ id: 'web', pid, status: TaskStatus.CREATED });
    const waited = tasks.wait({ containerId: 'web' });
    await tasks.start({ containerId: 'web' });
    const { process: running } = await tasks.get({ containerId: 'web' });
    expect(running).toMatchObject({ status: TaskStatus.RUNNING, exitStatus: 0, terminal: false });
    expect(isZeroTimestamp(running?.exitedAt)).toBe(true);

    await tasks.exec({ containerId: 'web', execId: 'one', spec: packJson(JSON_TYPE_URLS.process, { args: ['/bin/busybox', 'false'], cwd: '/' }) });
    const execWaited = tasks.wait({ containerId: 'web', execId: 'one' });
    const started = await tasks.start({ containerId: 'web', execId: 'one' });
    expect(await execWaited).toMatchObject({ exitStatus: 1 });
    expect(await tasks.deleteProcess({ containerId: 'web', execId: 'one' })).toMatchObject({ id: 'one', pid: started.pid, exitStatus: 1 });

    await tasks.pause({ containerId: 'web' });
    expect((await tasks.list({})).tasks).toMatchObject([{ id: 'web', pid, status: TaskStatus.PAUSED }]);
    await tasks.resume({ containerId: 'web' });
    expect((await tasks.listPids({ containerId: 'web' })).processes).toMatchObject([{ pid }]);
    const { metrics } = await tasks.metrics({ filters: ['id==web'] });
    expect(metrics).toMatchObject([{ id: 'web' }]);
    const data = metrics[0]?.data;
    if (data !== undefined && isAnyOf(Metrics, data)) {
      expect(unpackAny(Metrics, data)).toMatchObject({ pids: { current: 1n, limit: 50n }, memory: { usage: { limit: 67_108_864n } } });
    }

    await tasks.kill({ containerId: 'web', signal: 15, all: true });
    await tasks.kill({ containerId: 'web', signal: 9 });
    const exit = await waited;
    expect(exit.exitStatus).toBe(137);
    expect(exit.exitedAt?.seconds).toBeGreaterThan(1_700_000_000n);
    expect(await tasks.delete({ containerId: 'web' })).toMatchObject({ pid, exitStatus: 137, exitedAt: exit.exitedAt });
  });

  it('leave events that decode, in order', async () => {
    while (!envelopes.some(({ topic }) => topic === '/tasks/delete')) await new Promise(setImmediate);
    expect(new Set(envelopes.map((envelope) => envelope.namespace))).toEqual(new Set([namespace]));
    const decoded = envelopes.map(({ event }) => {
      const type = event && EVENT_TYPES.find((one) => isAnyOf(one, event));
      if (event === undefined || type === undefined) throw new Error(`unknown event ${String(event?.typeUrl)}`);
      return { type: type.$type.replace('containerd.events.', ''), body: type.decode(event.value) };
    });
    expect(decoded.map(({ type }) => type)).toEqual([
      'TaskCreate',
      'TaskStart',
      'TaskExecAdded',
      'TaskExecStarted',
      'TaskExit',
      'TaskPaused',
      'TaskResumed',
      'TaskExit',
      'TaskDelete',
    ]);
    expect(decoded[0]?.body).toMatchObject({ containerId: 'web', bundle: `${peer.directory}/state/io.containerd.runtime.v2.task/${namespace}/web`, io: { terminal: false } });
    expect(decoded[4]?.body).toMatchObject({ containerId: 'web', id: 'one', exitStatus: 1 });
    expect(decoded[7]?.body).toMatchObject({ containerId: 'web', id: 'web', exitStatus: 137 });
    expect(decoded[8]?.body).toMatchObject({ containerId: 'web', exitStatus: 137 });
  });
});
