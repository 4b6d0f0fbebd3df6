import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Finished, run } from '../support/command.ts';
import { until } from '../support/engine.ts';
import { engineForFile, missing as missingEngine } from '../support/fixture.ts';

const missing = missingEngine ?? (fs.existsSync('/usr/bin/ctr') ? undefined : "Debian's containerd is not installed");

describe.skipIf(missing !== undefined)(`the real ctr drives dray-containerd${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const engine = engineForFile();
  const ctr = (...args: string[]): Promise<Finished> => run('ctr', ['-a', engine.current.containerdSocket, '-n', 'interop', ...args]);
  const ok = async (...args: string[]): Promise<string> => {
    const finished = await ctr(...args);
    if (finished.code !== 0) throw new Error(`ctr ${args.join(' ')} exited ${String(finished.code)}: ${finished.stderr}`);
    return finished.stdout.trim();
  };
  const image = 'docker.io/library/busybox:latest';

  it('imports an image', async () => {
    await ok('images', 'import', `${engine.current.folder}/busybox-latest.tar`);
    expect(await ok('images', 'ls', '-q')).toContain(image);
  });

  it.each(['io.containerd.dray.v2', 'io.containerd.runc.v2'])('runs a container with %s', async (runtime) => {
    expect(await ok('run', '--rm', '--runtime', runtime, image, 'once', 'echo', 'hi')).toBe('hi');
    expect((await ctr('run', '--rm', '--runtime', runtime, image, 'fails', 'sh', '-c', 'exit 6')).code).toBe(6);
  });

  it.each(['io.containerd.dray.v2', 'io.containerd.runc.v2'])('lists, enters and kills a task of %s', async (runtime) => {
    await ok('run', '-d', '--runtime', runtime, image, 'task', 'sleep', '1000');
    expect(await ok('task', 'ls')).toMatch(/^task\s+\d+\s+RUNNING$/m);
    expect(await ok('task', 'exec', '--exec-id', 'e1', 'task', 'echo', 'inside')).toBe('inside');
    expect((await ctr('task', 'exec', '--exec-id', 'e2', 'task', 'sh', '-c', 'exit 4')).code).toBe(4);
    expect(await ok('task', 'ps', 'task')).toMatch(/^\d+/m);
    await ok('task', 'kill', '-s', 'SIGKILL', 'task');
    await until(async () => (await ok('task', 'ls')).includes('STOPPED'), 'the task has stopped');
    await ok('task', 'rm', 'task').catch(() => undefined); // ctr exits with the task's own status, 137
    await ok('containers', 'rm', 'task');
    expect(await ok('containers', 'ls', '-q')).toBe('');
  });

  it('shows what the engine itself holds', async () => {
    const moby = await run('ctr', ['-a', engine.current.containerdSocket, 'namespaces', 'ls', '-q']);
    expect(moby.stdout.split('\n')).toEqual(expect.arrayContaining(['moby', 'interop']));
    expect(await ok('version')).toContain('Server:');
    expect(await ok('plugins', 'ls')).toContain('overlayfs');
    expect(await ok('snapshots', 'ls')).toContain('Committed');
    expect(await ok('content', 'ls', '-q')).toMatch(/^sha256:[0-9a-f]{64}$/m);
  });

  it('answers wrong requests with containerd\'s words', async () => {
    expect((await ctr('task', 'kill', 'nobody')).stderr).toContain('not found');
    expect((await ctr('run', '--rm', 'docker.io/library/absent:1', 'x')).stderr).toContain('not found');
    expect((await ctr('containers', 'create', image, 'bad id!')).stderr).toContain('invalid argument');
  });
});
