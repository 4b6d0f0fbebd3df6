import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { JSON_TYPE_URLS, packJson } from '@dray/containerd-api';
import { TaskStatus } from '@dray/containerd-api/types';
import { describe, expect, test } from 'vitest';
import { Harness, readAll, runcBinary, skipReason, type TaskClient } from './harness.ts';

const runtimes: [string, string | undefined][] = [['the built-in runtime', ''], ['runc\'s command', runcBinary]];
const WAIT_FOR_GO = 'while [ ! -e /go ]; do sleep 0.02; done';

describe.skipIf(skipReason !== '').each(runtimes)(`a shim that was killed, with %s${skipReason}`, (_name, binary) => {
  const binaryName = binary ?? '';
  const isMissing = binary === undefined;

  async function running(harness: Harness, id: string, script: string): Promise<{ readonly task: TaskClient; readonly pid: number; readonly out: string }> {
    const bundle = harness.makeBundle(id, { args: ['sh', '-c', script] });
    const task = await harness.connect(id);
    const out = path.join(harness.folder, `${id}.out`);
    const { pid } = await task.create({ id, bundle, stdout: `file://${out}`, options: harness.options() });
    await task.start({ id });
    return { task, pid, out };
  }

  test.skipIf(isMissing)('is replaced while the container runs: same process, every line once, real exit code', async () => {
    await using harness = await Harness.open({ binaryName });
    const { task, pid, out } = await running(harness, 'c1', `i=0; while [ ! -e /go ]; do i=$((i+1)); echo $i; done; echo last; exit 21`);
    await harness.event('/tasks/start');
    await harness.crash(task);
    const size = readAll(out).length;
    while (readAll(out).length <= size) await new Promise((resolve) => setTimeout(resolve, 10));
    const again = await harness.connect('c1');
    expect(await again.state({ id: 'c1' })).toMatchObject({ pid, status: TaskStatus.RUNNING });
    const waiting = again.wait({ id: 'c1' });
    writeFileSync(path.join(harness.bundle('c1'), 'rootfs/go'), '');
    expect((await waiting).exitStatus).toBe(21);
    await harness.event('/tasks/exit');
    await again.delete({ id: 'c1' });
    const lines = readAll(out).trimEnd().split('\n');
    expect(lines.pop()).toBe('last');
    expect(lines.every((line, index) => line === String(index + 1))).toBe(true);
    await harness.event('/tasks/delete');
    expect(harness.topics('c1')).toEqual(['/tasks/create', '/tasks/start', '/tasks/exit', '/tasks/delete']);
  }, 20_000);

  test.skipIf(isMissing)('is replaced after the container has ended: status and time are those of the end, and the exit is told', async () => {
    await using harness = await Harness.open({ binaryName });
    const { task, pid } = await running(harness, 'c1', `${WAIT_FOR_GO}; exit 9`);
    await harness.event('/tasks/start');
    await harness.crash(task);
    writeFileSync(path.join(harness.bundle('c1'), 'rootfs/go'), '');
    while (!existsSync(path.join(harness.bundle('c1'), 'init.exit'))) await new Promise((resolve) => setTimeout(resolve, 10));
    const { exitedAt } = JSON.parse(readFileSync(path.join(harness.bundle('c1'), 'init.exit'), 'utf8')) as { exitedAt: string };
    const again = await harness.connect('c1');
    const state = await again.state({ id: 'c1' });
    expect(state).toMatchObject({ pid, status: TaskStatus.STOPPED, exitStatus: 9 });
    expect((state.exitedAt?.seconds ?? 0n) * 1_000_000_000n + BigInt(state.exitedAt?.nanos ?? 0)).toBe(BigInt(exitedAt));
    expect((await harness.event('/tasks/exit')).body).toMatchObject({ exitStatus: 9, pid });
    expect((await again.delete({ id: 'c1' })).exitStatus).toBe(9);
  }, 20_000);

  test.skipIf(isMissing)('is replaced with all containers and execs of its group, and goes on killing and starting them', async () => {
    await using harness = await Harness.open({ binaryName });
    const first = await running(harness, 'c1', 'sleep 100');
    const bundle = harness.makeBundle('c2', { args: ['sh', '-c', 'exit 3'] });
    await first.task.create({ id: 'c2', bundle, options: harness.options() });
    const spec = packJson(JSON_TYPE_URLS.process, { args: ['sh', '-c', 'sleep 100'], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } });
    await first.task.exec({ id: 'c1', execId: 'running', spec });
    const { pid: execPid } = await first.task.start({ id: 'c1', execId: 'running' });
    await first.task.exec({ id: 'c1', execId: 'waiting', spec });
    await harness.crash(first.task);
    const again = await harness.connect('c2');
    expect(await again.state({ id: 'c1' })).toMatchObject({ pid: first.pid, status: TaskStatus.RUNNING });
    expect(await again.state({ id: 'c1', execId: 'running' })).toMatchObject({ pid: execPid, status: TaskStatus.RUNNING });
    expect(await again.state({ id: 'c1', execId: 'waiting' })).toMatchObject({ status: TaskStatus.CREATED });
    await again.kill({ id: 'c1', execId: 'running', signal: 9 });
    expect((await again.wait({ id: 'c1', execId: 'running' })).exitStatus).toBe(137);
    await again.start({ id: 'c1', execId: 'waiting' });
    await again.start({ id: 'c2' });
    expect((await again.wait({ id: 'c2' })).exitStatus).toBe(3);
    await again.kill({ id: 'c1', signal: 9 });
    expect((await again.wait({ id: 'c1' })).exitStatus).toBe(137);
    await again.delete({ id: 'c2' });
    await again.delete({ id: 'c1' });
    await harness.event('/tasks/delete', (body) => body['containerId'] === 'c1');
    expect(harness.topics('c2')).toEqual(['/tasks/create', '/tasks/start', '/tasks/exit', '/tasks/delete']);
  }, 20_000);

  test.skipIf(isMissing)('can also be buried: delete kills what it left and says how it ended', async () => {
    await using harness = await Harness.open({ binaryName });
    const { task, pid } = await running(harness, 'c1', 'sleep 100');
    await harness.crash(task);
    const response = await harness.deleteCommand('c1');
    expect(response).toMatchObject({ pid, exitStatus: 137 });
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    expect(existsSync(path.join(harness.bundle('c1'), 'dray-task.json'))).toBe(false);
    expect(await harness.deleteCommand('c1')).toMatchObject({ pid: 0, exitStatus: 137 });
  }, 20_000);
});

describe.skipIf(skipReason !== '')(`a shim and its neighbours${skipReason}`, () => {
  test('tells a containerd that was away of what happened meanwhile, in order', async () => {
    await using harness = await Harness.open();
    harness.isDeaf = true;
    const bundle = harness.makeBundle('c1', { args: ['true'] });
    const task = await harness.connect('c1');
    await task.create({ id: 'c1', bundle, options: harness.options() });
    await task.start({ id: 'c1' });
    await task.wait({ id: 'c1' });
    harness.isDeaf = false;
    await harness.event('/tasks/exit');
    expect(harness.topics('c1')).toEqual(['/tasks/create', '/tasks/start', '/tasks/exit']);
  }, 20_000);

  test('ends a container whose monitor was killed, since nobody holds its streams any more', async () => {
    await using harness = await Harness.open();
    const bundle = harness.makeBundle('c1', { args: ['sleep', '100'] });
    const task = await harness.connect('c1');
    const { pid } = await task.create({ id: 'c1', bundle, options: harness.options() });
    await task.start({ id: 'c1' });
    const monitor = Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
    process.kill(monitor, 'SIGKILL');
    expect((await task.wait({ id: 'c1' })).exitStatus).toBe(137);
    await task.delete({ id: 'c1' });
    expect(existsSync(`/proc/${pid}/exe`)).toBe(false);
  });
});
