import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { packAny, packJson, JSON_TYPE_URLS } from '@dray/containerd-api';
import { Metrics as MetricsV1 } from '@dray/containerd-api/cgroups-v1';
import { Options, ProcessDetails } from '@dray/containerd-api/runc-options';
import { TaskStatus } from '@dray/containerd-api/types';
import { describe, expect, test } from 'vitest';
import { Harness, monitorsOf, readAll, runcBinary, skipReason } from './harness.ts';

const runtimes: [string, string | undefined][] = [['the built-in runtime', ''], ['runc\'s command', runcBinary]];

describe.skipIf(skipReason !== '').each(runtimes)(`the task service with %s${skipReason}`, (_name, binary) => {
  const binaryName = binary ?? '';
  const isMissing = binary === undefined;

  function processSpec(args: readonly string[]): ReturnType<typeof packJson> {
    return packJson(JSON_TYPE_URLS.process, { args, cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } });
  }

  test.skipIf(isMissing)('runs a container through its life, tells it in order and leaves nothing behind', async () => {
    await using harness = await Harness.open({ binaryName });
    const bundle = harness.makeBundle('c1', { args: ['sh', '-c', 'echo out; echo err >&2; exit 7'] });
    const task = await harness.connect('c1');
    const [stdout, stderr] = [path.join(harness.folder, 'out'), path.join(harness.folder, 'err')];
    const { pid } = await task.create({ id: 'c1', bundle, stdout: `file://${stdout}`, stderr: `file://${stderr}`, options: harness.options() });
    expect(await task.state({ id: 'c1' })).toMatchObject({ id: 'c1', bundle, pid, status: TaskStatus.CREATED, exitStatus: 0, terminal: false });
    expect(await task.connect({ id: 'c1' })).toMatchObject({ taskPid: pid });
    const waiting = task.wait({ id: 'c1' });
    expect(await task.start({ id: 'c1' })).toEqual({ pid });
    const exit = await waiting;
    expect(exit.exitStatus).toBe(7);
    expect(await task.state({ id: 'c1' })).toMatchObject({ status: TaskStatus.STOPPED, exitStatus: 7, exitedAt: exit.exitedAt });
    expect(await task.delete({ id: 'c1' })).toEqual({ pid, exitStatus: 7, exitedAt: exit.exitedAt });
    await harness.event('/tasks/delete');
    expect(harness.topics('c1')).toEqual(['/tasks/create', '/tasks/start', '/tasks/exit', '/tasks/delete']);
    expect(harness.events[2]?.body).toEqual({ containerId: 'c1', id: 'c1', pid, exitStatus: 7, exitedAt: exit.exitedAt });
    expect(harness.events[3]?.body).toEqual({ containerId: 'c1', id: '', pid, exitStatus: 7, exitedAt: exit.exitedAt });
    expect([readAll(stdout), readAll(stderr)]).toEqual(['out\n', 'err\n']);
    await expect(task.state({ id: 'c1' })).rejects.toMatchObject({ kind: 'not_found', message: 'container not created: not found' });
    expect(readdirSync(bundle).filter((name) => /monitor$|dray-task/.test(name))).toEqual([]);
    expect(monitorsOf(bundle)).toEqual([]);
  });

  test.skipIf(isMissing)('reports what the runtime says of a program that does not exist, and can be asked again', async () => {
    await using harness = await Harness.open({ binaryName });
    const bundle = harness.makeBundle('c1', { args: ['/does/not/exist'] });
    const task = await harness.connect('c1');
    const request = { id: 'c1', bundle, options: harness.options() };
    const message = /^OCI runtime create failed: runc create failed: unable to start container process: exec: "\/does\/not\/exist": stat \/does\/not\/exist: no such file or directory/;
    await expect(task.create(request)).rejects.toThrow(message);
    await expect(task.create(request)).rejects.toThrow(message);
    expect(harness.topics('c1')).toEqual([]);
    expect(monitorsOf(bundle)).toEqual([]);
    harness.makeBundle('c2', { args: ['true'] });
    await task.create({ id: 'c2', bundle: harness.bundle('c2'), options: harness.options() });
  });

  test.skipIf(isMissing)('mounts the rootfs that containerd names and unmounts it at the end', async () => {
    await using harness = await Harness.open({ binaryName });
    const bundle = harness.makeBundle('c1', { args: ['sh', '-c', 'cat /marker; echo no > /x'] });
    execFileSync('mv', [path.join(bundle, 'rootfs'), path.join(harness.folder, 'lower')]);
    for (const name of ['upper', 'work']) mkdirSync(path.join(harness.folder, name));
    writeFileSync(path.join(harness.folder, 'lower/marker'), 'from below\n');
    const rootfs = [{ type: 'overlay', source: 'overlay', options: ['index=off', `workdir=${harness.folder}/work`, `upperdir=${harness.folder}/upper`, `lowerdir=${harness.folder}/lower`] }];
    const task = await harness.connect('c1');
    await task.create({ id: 'c1', bundle, rootfs, stdout: `file://${harness.folder}/out`, options: harness.options() });
    await task.start({ id: 'c1' });
    await task.wait({ id: 'c1' });
    await task.delete({ id: 'c1' });
    expect(readAll(path.join(harness.folder, 'out'))).toBe('from below\n');
    expect(existsSync(path.join(harness.folder, 'upper/x'))).toBe(true);
    expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(bundle);
    expect((await harness.event('/tasks/create')).body['rootfs']).toMatchObject(rootfs);
    await expect(task.create({ id: 'c1', bundle, rootfs: [{ type: 'nonsense', source: 'x', options: [] }], options: harness.options() })).rejects.toThrow(/failed to mount rootfs component/);
  });

  test.skipIf(isMissing)('carries 50 MiB through stdin and stdout byte by byte, and ends stdin with CloseIO', async () => {
    await using harness = await Harness.open({ binaryName });
    const bundle = harness.makeBundle('c1', { args: ['cat'] });
    const task = await harness.connect('c1');
    const [stdin, stdout] = [harness.fifo('in'), harness.fifo('out')];
    const output = createReadStream(stdout);
    const hash = createHash('sha256');
    let size = 0;
    output.on('data', (chunk) => { hash.update(chunk); size += chunk.length; });
    const ended = once(output, 'end');
    await task.create({ id: 'c1', bundle, stdin, stdout, options: harness.options() });
    await task.start({ id: 'c1' });
    const input = randomBytes(50 << 20);
    const writer = createWriteStream(stdin);
    writer.end(input);
    await once(writer, 'close');
    await task.closeIO({ id: 'c1', stdin: true });
    expect((await task.wait({ id: 'c1' })).exitStatus).toBe(0);
    await ended;
    expect([size, hash.digest('hex')]).toEqual([input.length, createHash('sha256').update(input).digest('hex')]);
  }, 30_000);

  test.skipIf(isMissing)('gives a terminal that can be resized and carries both directions', async () => {
    await using harness = await Harness.open({ binaryName });
    const bundle = harness.makeBundle('c1', { args: ['sh', '-c', 'read line; stty size; echo "got $line"; readlink /proc/self/fd/0; exit 5'], terminal: true });
    const task = await harness.connect('c1');
    const [stdin, stdout] = [harness.fifo('in'), harness.fifo('out')];
    const output = createReadStream(stdout, { encoding: 'utf8' });
    let text = '';
    output.on('data', (chunk: string | Buffer) => { text += String(chunk); });
    const ended = once(output, 'end');
    await task.create({ id: 'c1', bundle, terminal: true, stdin, stdout, options: harness.options() });
    await task.resizePty({ id: 'c1', width: 123, height: 45 });
    await task.start({ id: 'c1' });
    const writer = createWriteStream(stdin);
    writer.end('hello\n');
    expect((await task.wait({ id: 'c1' })).exitStatus).toBe(5);
    await ended;
    expect(text).toBe('hello\r\n45 123\r\ngot hello\r\n/dev/pts/0\r\n');
    expect(await task.state({ id: 'c1' })).toMatchObject({ terminal: true, stdin, stdout, stderr: '' });
  });

  test.skipIf(isMissing)('runs further processes beside the first one', async () => {
    await using harness = await Harness.open({ binaryName });
    const bundle = harness.makeBundle('c1', { args: ['sleep', '100'] });
    const task = await harness.connect('c1');
    const { pid } = await task.create({ id: 'c1', bundle, options: harness.options() });
    await task.start({ id: 'c1' });
    const out = path.join(harness.folder, 'out');
    await task.exec({ id: 'c1', execId: 'e1', stdout: `file://${out}`, spec: processSpec(['sh', '-c', 'echo from exec; exit 4']) });
    expect(await task.state({ id: 'c1', execId: 'e1' })).toMatchObject({ id: 'e1', execId: 'e1', status: TaskStatus.CREATED, pid: 0 });
    await expect(task.exec({ id: 'c1', execId: 'e1', spec: processSpec(['true']) })).rejects.toMatchObject({ kind: 'already_exists' });
    const { pid: execPid } = await task.start({ id: 'c1', execId: 'e1' });
    const exit = await task.wait({ id: 'c1', execId: 'e1' });
    expect(exit.exitStatus).toBe(4);
    expect(await task.delete({ id: 'c1', execId: 'e1' })).toEqual({ pid: execPid, ...exit });
    expect(readAll(out)).toBe('from exec\n');
    await expect(task.wait({ id: 'c1', execId: 'e1' })).rejects.toMatchObject({ kind: 'not_found' });

    await task.exec({ id: 'c1', execId: 'e2', spec: processSpec(['sleep', '100']) });
    const second = await task.start({ id: 'c1', execId: 'e2' });
    const { processes } = await task.pids({ id: 'c1' });
    expect(processes.map((each) => each.pid).sort()).toEqual([pid, second.pid].sort());
    const info = processes.find((each) => each.pid === second.pid)?.info;
    expect(info === undefined ? undefined : ProcessDetails.decode(info.value).execId).toBe('e2');
    await task.kill({ id: 'c1', execId: 'e2', signal: 15 });
    expect((await task.wait({ id: 'c1', execId: 'e2' })).exitStatus).toBe(143);
    await expect(task.kill({ id: 'c1', execId: 'e2', signal: 15 })).rejects.toMatchObject({ kind: 'not_found', message: 'process already finished: not found' });

    await task.exec({ id: 'c1', execId: 'e3', spec: processSpec(['/nope']) });
    await expect(task.start({ id: 'c1', execId: 'e3' })).rejects.toThrow(/^OCI runtime exec failed: exec failed: .*exec: "\/nope": stat \/nope: no such file or directory/);
    await task.delete({ id: 'c1', execId: 'e3' });

    await task.exec({ id: 'c1', execId: 'e4', spec: processSpec(['sleep', '100']) });
    await task.start({ id: 'c1', execId: 'e4' });
    await task.kill({ id: 'c1', signal: 9 });
    expect((await task.wait({ id: 'c1' })).exitStatus).toBe(137);
    await harness.event('/tasks/exit', (body) => body['id'] === 'c1');
    const topics = harness.topics('c1');
    expect(topics.slice(-2)).toEqual(['/tasks/exit(exec)', '/tasks/exit']);
    expect(topics.slice(2, 5)).toEqual(['/tasks/exec-added', '/tasks/exec-started', '/tasks/exit(exec)']);
    await expect(task.exec({ id: 'c1', execId: 'e5', spec: processSpec(['true']) })).rejects.toMatchObject({ kind: 'failed_precondition' });
    await task.delete({ id: 'c1' });
  }, 20_000);

  test.skipIf(isMissing)('freezes, thaws, limits and measures a container', async () => {
    await using harness = await Harness.open({ binaryName });
    const bundle = harness.makeBundle('c1', { args: ['sleep', '100'], linux: { resources: { pids: { limit: 50 }, memory: { limit: 64 << 20 } } } });
    const task = await harness.connect('c1');
    await task.create({ id: 'c1', bundle, options: harness.options() });
    await expect(task.pause({ id: 'c1' })).rejects.toThrow('cannot pause task in created state');
    await task.start({ id: 'c1' });
    await task.pause({ id: 'c1' });
    expect((await task.state({ id: 'c1' })).status).toBe(TaskStatus.PAUSED);
    await expect(task.pause({ id: 'c1' })).rejects.toThrow('cannot pause a paused container');
    await expect(task.delete({ id: 'c1' })).rejects.toThrow('cannot delete a paused process');
    await task.resume({ id: 'c1' });
    expect((await task.state({ id: 'c1' })).status).toBe(TaskStatus.RUNNING);
    await task.update({ id: 'c1', resources: packJson(JSON_TYPE_URLS.linuxResources, { pids: { limit: 33 }, memory: { limit: 128 << 20 } }) });
    const { stats } = await task.stats({ id: 'c1' });
    if (stats?.typeUrl === 'io.containerd.cgroups.v1.Metrics') {
      const metrics = MetricsV1.decode(stats.value);
      expect([metrics.pids?.current, metrics.pids?.limit, metrics.memory?.usage?.limit]).toEqual([1n, 33n, 128n << 20n]);
      expect(metrics.cpu?.usage?.total).toBeGreaterThan(0n);
    } else {
      expect(stats?.typeUrl).toBe('io.containerd.cgroups.v2.Metrics');
    }
    expect(harness.topics('c1').slice(2)).toEqual(['/tasks/paused', '/tasks/resumed']);
    await expect(task.start({ id: 'c1' })).rejects.toThrow('cannot start a running process');
    await expect(task.delete({ id: 'c1' })).rejects.toThrow('cannot delete a running process');
    await task.kill({ id: 'c1', signal: 9, all: true });
    await task.wait({ id: 'c1' });
    await expect(task.start({ id: 'c1' })).rejects.toThrow('cannot start a stopped process');
    await expect(task.stats({ id: 'c1' })).rejects.toMatchObject({ kind: 'not_found' });
  });

  test.skipIf(isMissing)('tells of a process that the kernel killed for want of memory, before its exit', async () => {
    await using harness = await Harness.open({ binaryName });
    const bundle = harness.makeBundle('c1', { args: ['sh', '-c', 'x=a; while true; do x="$x$x"; done'], linux: { resources: { memory: { limit: 16 << 20, swap: 16 << 20 } } } });
    const task = await harness.connect('c1');
    await task.create({ id: 'c1', bundle, options: harness.options() });
    await task.start({ id: 'c1' });
    expect((await task.wait({ id: 'c1' })).exitStatus).toBe(137);
    await harness.event('/tasks/exit');
    expect(harness.topics('c1')).toEqual(['/tasks/create', '/tasks/start', '/tasks/oom', '/tasks/exit']);
  }, 20_000);

  test.skipIf(isMissing)('ends the processes of a container that shares its pid namespace when the first one ends', async () => {
    await using harness = await Harness.open({ binaryName });
    const bundle = harness.makeBundle('c1', { args: ['sh', '-c', 'sleep 1000 & exit 0'], namespaces: ['mount', 'uts'] });
    const task = await harness.connect('c1');
    await task.create({ id: 'c1', bundle, options: harness.options() });
    await task.start({ id: 'c1' });
    await task.wait({ id: 'c1' });
    await harness.event('/tasks/exit');
    await task.delete({ id: 'c1' });
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toMatch(/^sleep 1000$/m);
  }, 20_000);
});

describe.skipIf(skipReason !== '')(`the task service and what it refuses${skipReason}`, () => {
  test('answers unknown containers, bad names and missing parts with the original\'s classes', async () => {
    await using harness = await Harness.open();
    const bundle = harness.makeBundle('c1', { args: ['sleep', '100'] });
    const task = await harness.connect('c1');
    for (const call of [() => task.start({ id: 'x' }), () => task.kill({ id: 'x', signal: 9 }), () => task.delete({ id: 'x' }), () => task.wait({ id: 'x' }), () => task.pids({ id: 'x' }), () => task.stats({ id: 'x' })]) {
      await expect(call()).rejects.toMatchObject({ kind: 'not_found', message: 'container not created: not found' });
    }
    for (const id of ['', '../x', 'a/b', 'x'.repeat(77), '-x']) await expect(task.create({ id, bundle })).rejects.toMatchObject({ kind: 'invalid_argument' });
    await expect(task.create({ id: 'c1', bundle: 'relative' })).rejects.toMatchObject({ kind: 'invalid_argument' });
    await expect(task.create({ id: 'c1', bundle, checkpoint: '/x' })).rejects.toMatchObject({ kind: 'not_implemented' });
    await task.create({ id: 'c1', bundle, options: harness.options() });
    await expect(task.create({ id: 'c1', bundle, options: harness.options() })).rejects.toMatchObject({ kind: 'already_exists' });
    await expect(task.exec({ id: 'c1', execId: '../../x', spec: packJson(JSON_TYPE_URLS.process, {}) })).rejects.toMatchObject({ kind: 'invalid_argument' });
    await expect(task.exec({ id: 'c1', execId: 'e', spec: { typeUrl: JSON_TYPE_URLS.process, value: Buffer.from('{') } })).rejects.toMatchObject({ kind: 'invalid_argument' });
    await expect(task.exec({ id: 'c1', execId: 'e' })).rejects.toMatchObject({ kind: 'invalid_argument' });
    await expect(task.state({ id: 'c1', execId: 'nobody' })).rejects.toMatchObject({ kind: 'not_found', message: 'process does not exist nobody: not found' });
    await expect(task.checkpoint({ id: 'c1' })).rejects.toMatchObject({ kind: 'not_implemented' });
    await expect(task.resume({ id: 'c1' })).rejects.toThrow('cannot resume');
    // A container that was never started goes too.
    expect(await task.delete({ id: 'c1' })).toMatchObject({ exitStatus: 137 });
  });

  test('says why a runtime that is not there cannot be run', async () => {
    await using harness = await Harness.open();
    const bundle = harness.makeBundle('c1', { args: ['true'] });
    const task = await harness.connect('c1');
    await expect(task.create({ id: 'c1', bundle, options: packAny(Options, { binaryName: '/no/such/runtime', root: harness.folder }) })).rejects.toThrow(/^OCI runtime create failed: cannot run "\/no\/such\/runtime": No such file or directory$/);
    await expect(task.create({ id: 'c1', bundle, stdout: 'gopher:///x', options: harness.options() })).rejects.toThrow(/cannot connect stdout: Protocol not supported/);
  });

  test('waits for output that is under way when a container is deleted', async () => {
    await using harness = await Harness.open();
    const bundle = harness.makeBundle('c1', { args: ['seq', '1', '200000'] });
    const task = await harness.connect('c1');
    const stdout = harness.fifo('out');
    const output = createReadStream(stdout, { highWaterMark: 1024 });
    let size = 0;
    output.on('data', (chunk) => { size += chunk.length; });
    const ended = once(output, 'end');
    await task.create({ id: 'c1', bundle, stdout, options: harness.options() });
    await task.start({ id: 'c1' });
    await task.wait({ id: 'c1' });
    await task.delete({ id: 'c1' });
    await ended;
    expect(size).toBe(1_288_895);
  });
});

