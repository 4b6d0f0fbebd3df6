import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../support/engine.ts';
import { engineForFile, missing } from '../support/fixture.ts';

describe.skipIf(missing !== undefined)(`the life of a container${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const engine = engineForFile();

  it('is created, started, listed, stopped and removed', async () => {
    const docker = engine.current;
    const id = await docker.ok('create', '--name', 'life', 'busybox', 'sh', '-c', 'trap "exit 7" TERM; while true; do sleep 0.05; done');
    expect(await docker.ok('inspect', '-f', '{{.State.Status}} {{.State.Running}}', id)).toBe('created false');
    await docker.ok('start', 'life');
    expect(await docker.ok('ps', '--format', '{{.Names}} {{.Image}} {{.State}}')).toBe('life busybox running');
    await docker.ok('stop', 'life');
    expect(await docker.ok('inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'life')).toBe('exited 7');
    expect(await docker.ok('ps', '-q')).toBe('');
    await docker.ok('start', 'life');
    await docker.ok('kill', 'life');
    expect(await docker.ok('wait', 'life')).toBe('137');
    await docker.ok('rm', 'life');
    expect((await docker.docker('inspect', 'life')).code).not.toBe(0);
  });

  it('keeps what it wrote between two starts', async () => {
    const docker = engine.current;
    await docker.ok('create', '--name', 'keeps', 'busybox', 'sh', '-c', 'echo run >> /root/count; wc -l < /root/count');
    expect((await docker.ok('start', '-a', 'keeps')).trim()).toBe('1');
    expect((await docker.ok('start', '-a', 'keeps')).trim()).toBe('2');
    await docker.ok('rm', 'keeps');
  });

  it('answers for containers that do not exist as Docker does', async () => {
    for (const verb of ['start', 'stop', 'kill', 'rm', 'logs', 'wait', 'top']) {
      const finished = await engine.current.docker(verb, 'nobody');
      expect(finished.code, verb).toBe(1);
      expect(finished.stderr, verb).toContain('No such container: nobody');
    }
  });

  it('prints logs once, with --tail, --timestamps and --follow', async () => {
    const docker = engine.current;
    await docker.ok('run', '-d', '--name', 'logger', 'busybox', 'sh', '-c', 'for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; echo bad >&2');
    expect(await docker.ok('logs', '-f', 'logger')).toBe('line 1\nline 2\nline 3\nline 4\nline 5');
    expect(await docker.ok('logs', '--tail', '2', 'logger')).toBe('line 5');
    const stamped = await docker.docker('logs', '-t', 'logger');
    expect(stamped.stdout).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z line 1\n/);
    expect(stamped.stderr).toMatch(/Z bad\n$/);
    await docker.ok('rm', 'logger');
  });

  it('executes further processes in a running container', async () => {
    const docker = engine.current;
    await docker.ok('run', '-d', '--name', 'box', 'busybox', 'sleep', '1000');
    expect(await docker.docker('exec', 'box', 'sh', '-c', 'echo out; echo err >&2; exit 3')).toMatchObject({ code: 3, stdout: 'out\n', stderr: 'err\n' });
    expect((await docker.dockerWithInput('typed', 'exec', '-i', 'box', 'cat')).stdout).toBe('typed');
    expect(await docker.ok('exec', '-e', 'K=v', '-w', '/tmp', '-u', '33', 'box', 'sh', '-c', 'echo $K; pwd; id -u')).toBe('v\n/tmp\n33');
    const absent = await docker.docker('exec', 'box', 'no-such-command');
    expect(absent.code).toBe(127);
    expect(await docker.ok('exec', 'box', 'cat', '/proc/1/cmdline')).toContain('sleep');
    await docker.ok('rm', '-f', 'box');
  });

  it('shows its processes and its use of resources', async () => {
    const docker = engine.current;
    await docker.ok('run', '-d', '--name', 'busy', 'busybox', 'sleep', '1000');
    expect(await docker.ok('top', 'busy')).toContain('sleep 1000');
    const stats = JSON.parse(await docker.ok('stats', '--no-stream', '--format', '{{json .}}', 'busy')) as Record<string, string>;
    expect(stats).toMatchObject({ Name: 'busy', PIDs: '1' });
    expect(stats['MemUsage']).toMatch(/[KM]iB \//);
    await docker.ok('rm', '-f', 'busy');
  });

  it('copies files in and out, running or not, without following links out', async () => {
    const docker = engine.current;
    const folder = fs.mkdtempSync(path.join(docker.folder, 'cp-'));
    fs.mkdirSync(path.join(folder, 'tree/deep'), { recursive: true });
    fs.writeFileSync(path.join(folder, 'tree/deep/file'), 'content\n', { mode: 0o640 });
    await docker.ok('create', '--name', 'copy', 'busybox', 'sleep', '1000');
    await docker.ok('cp', `${folder}/tree`, 'copy:/root/');
    await docker.ok('start', 'copy');
    expect(await docker.ok('exec', 'copy', 'sh', '-c', 'cat /root/tree/deep/file; stat -c %a /root/tree/deep/file')).toBe('content\n640');
    await docker.ok('exec', 'copy', 'sh', '-c', 'echo changed > /root/tree/deep/file; ln -s /etc/passwd /root/link');
    await docker.ok('cp', 'copy:/root/tree/deep/file', `${folder}/back`);
    expect(fs.readFileSync(`${folder}/back`, 'utf8')).toBe('changed\n');
    await docker.ok('rm', '-f', 'copy');
  });

  it('publishes its events in order', async () => {
    const docker = engine.current;
    const since = String(Date.now() / 1000);
    await docker.ok('run', '--rm', '--name', 'eventful', 'busybox', 'true');
    await until(async () => (await docker.ok('events', '--since', since, '--until', String(Date.now() / 1000), '--filter', 'container=eventful', '--format', '{{.Action}}')).includes('destroy'), 'the container is destroyed');
    const events = (await docker.ok('events', '--since', since, '--until', String(Date.now() / 1000), '--filter', 'container=eventful', '--filter', 'type=container', '--format', '{{.Action}}')).split('\n');
    expect(events).toEqual(['create', 'attach', 'start', 'die', 'destroy']);
  });
});
