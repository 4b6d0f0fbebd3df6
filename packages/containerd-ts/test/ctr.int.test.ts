import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IMAGE, makeImageArchive, missing, run, TestDaemon, until } from './support/daemon.ts';

/** The processes of Dray's shim that serve a daemon. */
function shimsOf(socket: string): number[] {
  const commandOf = (pid: string): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  };
  const isShim = (command: string): boolean => command.includes('containerd-shim-dray-v2') && command.includes(socket);
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isShim(commandOf(name))).map(Number);
}

/** Whether a process runs; one that only waits to be reaped does not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
  } catch {
    return false;
  }
}

const RUNC = ['--runtime', 'io.containerd.runc.v2'];
const DRAY = ['--runtime', 'io.containerd.dray.v2'];
const hasDrayShim = existsSync(join(import.meta.dirname, '../../shim/bin/containerd-shim-dray-v2.mjs'));

describe.skipIf(missing !== undefined)(`the real ctr drives dray-containerd${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: 60_000 }, () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start();
    await daemon.ok('images', 'import', makeImageArchive(daemon.folder));
  }, 60_000);

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  }, 60_000);

  it('tells version, plugins and namespaces', async () => {
    expect(await daemon.ok('version')).toMatch(/Server:\s+Version: {2}\d+\.\d+\.\d+/);
    expect(await daemon.ok('plugins', 'ls')).toMatch(/io\.containerd\.snapshotter\.v1\s+overlayfs\s+linux\/\w+\s+ok/);
    await daemon.ok('namespaces', 'create', 'some', 'a=b');
    expect((await daemon.ctr('namespaces', 'create', 'some')).stderr).toContain('namespace "some": already exists');
    expect(await daemon.ok('namespaces', 'ls')).toMatch(/^some\s+a=b/m);
    await daemon.ok('namespaces', 'rm', 'some');
    expect((await daemon.ctr('namespaces', 'rm', 'default')).stderr).toContain('namespace "default" must be empty, but it still has images, blobs, snapshots on "overlayfs" snapshotter');
  });

  it('has the imported image with its content and its snapshot', async () => {
    expect(await daemon.ok('images', 'ls', '-q')).toBe(IMAGE);
    expect(await daemon.ok('images', 'check')).toContain('complete (2/2)');
    expect((await daemon.ok('content', 'ls', '-q')).split('\n').length).toBeGreaterThanOrEqual(3);
    expect(await daemon.ok('snapshots', 'ls')).toMatch(/sha256:[0-9a-f]{64}\s+Committed/);
  });

  it('stores content and gives it back', async () => {
    const path = join(daemon.folder, 'blob');
    writeFileSync(path, 'some content');
    const digest = 'sha256:290f493c44f5d63d06b374d0a5abd292fae38b92cab2fae5efefe1b0e9347f56';
    await run('sh', ['-c', `ctr -a ${daemon.socket} content ingest --expected-digest ${digest} ref < ${path}`]);
    expect(await daemon.ok('content', 'get', digest)).toBe('some content');
    const wrong = await run('sh', ['-c', `ctr -a ${daemon.socket} content ingest --expected-digest ${digest.replace('sha256:2', 'sha256:3')} ref2 < ${path}`]);
    expect(wrong.stderr).toMatch(/unexpected commit digest sha256:290f.*, expected sha256:390f.*: failed precondition/);
    expect(await daemon.ok('content', 'active')).toContain('ref2');
  });

  it('runs a container and gives its output and exit code', async () => {
    expect(await daemon.ok('run', '--rm', ...RUNC, IMAGE, 'once', 'echo', 'hi')).toBe('hi');
    expect((await daemon.ctr('run', '--rm', ...RUNC, IMAGE, 'fails', 'sh', '-c', 'exit 6')).code).toBe(6);
    expect((await daemon.ctr('run', '--rm', ...RUNC, IMAGE, 'absent', 'no-such-command')).stderr).toMatch(/executable file not found/);
    expect(await daemon.ok('containers', 'ls', '-q')).toBe('');
    expect(await daemon.ok('task', 'ls', '-q')).toBe('');
  });

  it('lists, enters, pauses, measures, kills and deletes a task, and tells of each step', async () => {
    const events = daemon.follow('events');
    await until('the subscription stands', async () => {
      await daemon.ok('namespaces', 'label', 'default', 'poke=1');
      return events.lines.length > 0;
    });
    await daemon.ok('run', '-d', ...RUNC, IMAGE, 'task', 'sleep', '1000');
    expect(await daemon.ok('task', 'ls')).toMatch(/^task\s+\d+\s+RUNNING$/m);
    expect(await daemon.ok('containers', 'info', 'task')).toContain('"Image": "docker.io/library/dray-test:busybox"');
    expect(await daemon.ok('task', 'exec', '--exec-id', 'e1', 'task', 'echo', 'inside')).toBe('inside');
    expect((await daemon.ctr('task', 'exec', '--exec-id', 'e2', 'task', 'sh', '-c', 'exit 4')).code).toBe(4);
    expect(await daemon.ok('task', 'ps', 'task')).toMatch(/^\d+/m);
    await daemon.ok('task', 'pause', 'task');
    expect(await daemon.ok('task', 'ls')).toContain('PAUSED');
    await daemon.ok('task', 'resume', 'task');
    expect(await daemon.ok('task', 'metrics', 'task')).toContain('memory.usage_in_bytes');
    expect((await daemon.ctr('task', 'rm', 'task')).stderr).toContain('task must be stopped before deletion: running: failed precondition');
    await daemon.ok('task', 'kill', '-s', 'SIGKILL', 'task');
    await until('the task has stopped', async () => (await daemon.ok('task', 'ls')).includes('STOPPED'));
    expect((await daemon.ctr('task', 'rm', 'task')).stderr).toContain('exit with non-zero exit code 137');
    await daemon.ok('containers', 'rm', 'task');
    await until('the last event has come', () => events.lines.some((line) => line.includes('/containers/delete')));
    events.child.kill();
    const topics = events.lines.map((line) => / default (\/\S+)/.exec(line)?.[1]).filter((topic) => topic?.startsWith('/tasks/') === true);
    expect(topics).toEqual([
      '/tasks/create',
      '/tasks/start',
      ...['/tasks/exec-added', '/tasks/exec-started', '/tasks/exit'],
      ...['/tasks/exec-added', '/tasks/exec-started', '/tasks/exit'],
      ...['/tasks/paused', '/tasks/resumed', '/tasks/exit', '/tasks/delete'],
    ]);
    expect(readdirSync(join(daemon.folder, 'state/io.containerd.runtime.v2.task/default'))).toEqual([]);
  });

  it('answers wrong requests with the words of containerd', async () => {
    expect((await daemon.ctr('task', 'kill', 'nobody')).stderr).toContain('container "nobody" in namespace "default": not found');
    expect((await daemon.ctr('snapshots', 'rm', 'nope')).stderr).toContain('snapshot nope does not exist: not found');
    expect((await daemon.ctr('snapshots', '--snapshotter', 'nope', 'ls')).stderr).toContain('snapshotter not loaded: nope: invalid argument');
    expect((await daemon.ctr('leases', 'rm', 'nope')).stderr).toContain('lease "nope": not found');
    expect((await daemon.ctr('containers', 'create', IMAGE, 'bad id!')).stderr).toContain('invalid argument');
    expect((await daemon.ctr('containers', 'ls', 'id=')).stderr).toContain('filters: parse error: [id >|=|< ]: unsupported operator "=": invalid argument');
    expect((await daemon.ctr('run', '--rm', '--runtime', 'io.containerd.absent.v9', IMAGE, 'x', 'true')).stderr).toContain('containerd-shim-absent-v9');
    await daemon.ctr('containers', 'rm', 'x');
  });

  it('takes a running task over after kill -9, under the same pid and with its real exit code', async () => {
    await daemon.ok('run', '-d', ...RUNC, IMAGE, 'survivor', 'sh', '-c', 'while [ ! -e /go ]; do sleep 0.1; done; exit 9');
    const before = await daemon.ok('task', 'ls');
    await daemon.end('SIGKILL');
    await daemon.start();
    expect(await daemon.ok('task', 'ls')).toBe(before);
    await daemon.ok('task', 'exec', '--exec-id', 'go', 'survivor', 'busybox', 'touch', '/go');
    await until('the task has stopped', async () => (await daemon.ok('task', 'ls')).includes('STOPPED'));
    expect((await daemon.ctr('task', 'rm', 'survivor')).stderr).toContain('exit with non-zero exit code 9');
    await daemon.ok('containers', 'rm', 'survivor');
  });

  it('keeps tasks through a graceful end', async () => {
    await daemon.ok('run', '-d', ...RUNC, IMAGE, 'kept', 'sleep', '1000');
    expect(await daemon.end('SIGTERM')).toBe(0);
    expect(existsSync(daemon.socket)).toBe(false);
    await daemon.start();
    expect(await daemon.ok('task', 'ls')).toMatch(/^kept\s+\d+\s+RUNNING$/m);
    await daemon.ctr('task', 'rm', '-f', 'kept');
    await daemon.ok('containers', 'rm', 'kept');
  });

  it('publishes the end of a container whose shim was killed, and cleans up', async () => {
    await daemon.ok('run', '-d', ...RUNC, IMAGE, 'orphan', 'sleep', '1000');
    const pid = Number(/^orphan\s+(\d+)/m.exec(await daemon.ok('task', 'ls'))?.[1]);
    const shim = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]);
    const events = daemon.follow('events');
    await until('the subscription stands', async () => {
      await daemon.ok('namespaces', 'label', 'default', 'poke=2');
      return events.lines.length > 0;
    });
    process.kill(shim, 'SIGKILL');
    await until('the end was published', () => events.lines.some((line) => line.includes('/tasks/delete')));
    events.child.kill();
    expect(events.lines.find((line) => line.includes('/tasks/exit'))).toContain('"exit_status":137');
    expect(await daemon.ok('task', 'ls', '-q')).toBe('');
    await until('the process is gone', () => !isAlive(pid));
    await daemon.ok('containers', 'rm', 'orphan');
  });

  it.skipIf(!hasDrayShim)('runs, enters and kills tasks over the shim of Dray, one shim for all (needs @dray/shim)', async () => {
    expect(await daemon.ok('run', '--rm', ...DRAY, IMAGE, 'once', 'echo', 'hi')).toBe('hi');
    expect((await daemon.ctr('run', '--rm', ...DRAY, IMAGE, 'fails', 'sh', '-c', 'exit 6')).code).toBe(6);
    for (const id of ['one', 'two']) await daemon.ok('run', '-d', ...DRAY, IMAGE, id, 'sh', '-c', 'while [ ! -e /go ]; do sleep 0.1; done; exit 9');
    const before = await daemon.ok('task', 'ls');
    expect(await daemon.ok('task', 'exec', '--exec-id', 'e', 'one', 'echo', 'inside')).toBe('inside');
    const [shim = 0, ...others] = shimsOf(daemon.socket);
    expect(others).toEqual([]);
    process.kill(shim, 'SIGKILL');
    await daemon.end('SIGKILL');
    await daemon.start();
    expect(await daemon.ok('task', 'ls')).toBe(before);
    for (const id of ['one', 'two']) await daemon.ok('task', 'exec', '--exec-id', 'go', id, 'busybox', 'touch', '/go');
    await until('both have stopped', async () => (await daemon.ok('task', 'ls')).match(/STOPPED/g)?.length === 2);
    for (const id of ['one', 'two']) {
      expect((await daemon.ctr('task', 'rm', id)).stderr).toContain('exit with non-zero exit code 9');
      await daemon.ok('containers', 'rm', id);
    }
  });

  it('refuses a second daemon on its root, in one line', async () => {
    const second = daemon.spawn();
    const said: Buffer[] = [];
    second.stderr?.on('data', (chunk: Buffer) => said.push(chunk));
    const code = await new Promise((resolve) => second.once('exit', resolve));
    expect(code).toBe(1);
    expect(Buffer.concat(said).toString()).toBe(`dray-containerd: root directory "${daemon.folder}/root" is in use by another dray-containerd\n`);
    await new Promise<void>((resolve) => connect(daemon.socket, resolve as () => void).once('connect', resolve).unref());
  });

  it('collects an image and all it led to', async () => {
    await daemon.ok('images', 'rm', '--sync', IMAGE);
    expect(await daemon.ok('snapshots', 'ls')).not.toContain('Committed');
    const left = (await daemon.ok('content', 'ls', '-q')).split('\n').filter((line) => line !== '');
    expect(left).toEqual([]);
    expect(readdirSync(join(daemon.folder, 'root/io.containerd.content.v1.content/blobs/sha256'))).toEqual([]);
    expect(readdirSync(join(daemon.folder, 'root/io.containerd.snapshotter.v1.overlayfs/snapshots'))).toEqual([]);
  });
});
