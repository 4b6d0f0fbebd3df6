import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectContainerd } from '@dray/containerd-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxArchive, docker, type Finished, missing, run } from './support.ts';

const logger = fileURLToPath(new URL('../../libcontainer-native/build/bin/dray-logger', import.meta.url));
const lacking = missing ?? [logger, docker, '/usr/bin/containerd-shim-runc-v2', '/usr/bin/mkfifo', '/usr/bin/nsenter'].find((file) => !fs.existsSync(file));

let folder = '';
let containerd: ChildProcess;
let daemon: ChildProcess;
const address = (): string => path.join(folder, 'containerd.sock');
const env = (): NodeJS.ProcessEnv => ({ ...process.env, DOCKER_HOST: `unix://${folder}/api.sock`, DOCKER_CONFIG: path.join(folder, 'client'), DOCKER_CLI_HINTS: 'false' });
const cli = (...args: string[]): Promise<Finished> => run(docker, args, { env: env() });
async function ok(...args: string[]): Promise<string> {
  const finished = await cli(...args);
  if (finished.code !== 0) throw new Error(`docker ${args.join(' ')}: ${finished.stderr}${finished.stdout}`);
  return finished.stdout.trim();
}

/** The API daemon as a process of its own, on Debian's containerd and its shim. */
async function startDaemon(): Promise<ChildProcess> {
  const log = fs.openSync(path.join(folder, 'daemon.log'), 'a');
  const program = fileURLToPath(new URL('./container-daemon.ts', import.meta.url));
  const child = spawn(process.execPath, ['--conditions=@dray/source', program, folder, address(), 'io.containerd.runc.v2', logger], { stdio: ['ignore', 'pipe', log] });
  fs.closeSync(log);
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => { throw new Error(`the daemon ended: ${fs.readFileSync(path.join(folder, 'daemon.log'), 'utf8')}`); })]);
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  await once(child, 'exit');
}

describe.skipIf(lacking !== undefined)(`containers on the original containerd and shim${lacking === undefined ? '' : ` (skipped: ${lacking})`}`, () => {
  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-c-'));
    fs.writeFileSync(path.join(folder, 'c.toml'), `version = 2\nroot = "${folder}/root"\nstate = "${folder}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${address()}"\n`);
    containerd = spawn('/usr/bin/containerd', ['--config', path.join(folder, 'c.toml')], { stdio: 'ignore' });
    await using connection = await connectContainerd(address(), { namespace: 'moby' });
    await connection.waitUntilReady({ signal: AbortSignal.timeout(30_000) });
    daemon = await startDaemon();
    const archive = await busyboxArchive(folder);
    await ok('load', '-i', archive);
  }, 60_000);

  afterAll(async () => {
    const ids = (await cli('ps', '-qa')).stdout.split('\n').filter((id) => id !== '');
    if (ids.length > 0) await cli('rm', '-f', ...ids);
    await end(daemon, 'SIGTERM');
    await end(containerd, 'SIGTERM');
    for (const line of fs.readFileSync('/proc/self/mounts', 'utf8').split('\n').reverse()) {
      const target = line.split(' ')[1] ?? '';
      if (target.startsWith(folder)) execFileSync('umount', ['-l', target]);
    }
    for (const controller of fs.readdirSync('/sys/fs/cgroup')) {
      const group = path.join('/sys/fs/cgroup', controller, `dray-test-${path.basename(folder)}`);
      if (fs.existsSync(group)) fs.rmdirSync(group);
    }
    fs.rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it('docker run gives a program\'s output and exit code, and leaves nothing', async () => {
    const finished = await cli('run', '--rm', 'busybox', 'sh', '-c', 'echo out; busybox echo err >&2; exit 3');
    expect(finished).toMatchObject({ code: 3, stdout: 'out\n', stderr: 'err\n' });
    expect(await ok('ps', '-aq')).toBe('');
    expect(fs.readdirSync(path.join(folder, 'data/containers'))).toEqual([]);
    expect(fs.readdirSync(path.join(folder, 'exec/containers'))).toEqual([]);
  });

  it('a command that is not there is 127, one that cannot run 126, an image that is not there 125', async () => {
    const absent = await cli('run', '--rm', 'busybox', 'nope');
    expect(absent.code).toBe(127);
    expect(absent.stderr).toContain('failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "nope": executable file not found in $PATH: unknown');
    expect((await cli('run', '--rm', 'busybox', '/bin')).code).toBe(126);
    expect((await cli('run', '--rm', '--pull', 'never', 'absent', 'true')).code).toBe(125);
    expect(await ok('ps', '-aq')).toBe('');
  });

  it('standard input goes through byte for byte, its end included, for run and for exec', async () => {
    const input = randomBytes(5 << 20);
    const echoed = await run(docker, ['run', '--rm', '-i', 'busybox', 'busybox', 'cat'], { env: env(), input });
    expect(echoed.bytes.equals(input)).toBe(true);
    await ok('run', '-d', '--name', 'io', 'busybox', 'busybox', 'sleep', '600');
    const executed = await run(docker, ['exec', '-i', 'io', 'busybox', 'cat'], { env: env(), input });
    expect(executed.bytes.equals(input)).toBe(true);
    await ok('rm', '-f', 'io');
  });

  it('exec runs as asked and tells exit codes and failures', async () => {
    await ok('run', '-d', '--name', 'ex', '-e', 'A=1', 'busybox', 'busybox', 'sleep', '600');
    expect((await cli('exec', '-e', 'B=2', '-w', '/bin', '-u', '5:6', 'ex', 'sh', '-c', 'echo $A$B $PWD $(busybox id -u):$(busybox id -g); exit 4'))).toMatchObject({ code: 4, stdout: '12 /bin 5:6\n' });
    const absent = await cli('exec', 'ex', 'nope');
    expect(absent).toMatchObject({ code: 127, stdout: expect.stringContaining('OCI runtime exec failed') as string });
    expect((await cli('exec', '-d', 'ex', 'nope')).code).not.toBe(0);
    await ok('stop', '-t', '0', 'ex');
    expect((await cli('exec', 'ex', 'true')).stderr).toContain('is not running');
    await ok('rm', 'ex');
  });

  it('logs -f gives everything until the container stops', async () => {
    await ok('run', '-d', '--name', 'lg', 'busybox', 'sh', '-c', 'for i in 1 2 3 4 5; do echo line $i; busybox sleep 0.1; done');
    expect(await ok('logs', '-f', 'lg')).toBe('line 1\nline 2\nline 3\nline 4\nline 5');
    expect(await ok('logs', '--tail', '2', 'lg')).toBe('line 4\nline 5');
    await ok('rm', 'lg');
  });

  it('files are copied in and out, of running and stopped containers, and links do not lead out', async () => {
    await ok('run', '-d', '--name', 'cp', 'busybox', 'sh', '-c', 'busybox ln -s / /up; busybox ln -s /../../../../../../etc /out; busybox sleep 600');
    fs.writeFileSync(path.join(folder, 'in.txt'), 'hello');
    await ok('cp', path.join(folder, 'in.txt'), 'cp:/up/a');
    expect(await ok('exec', 'cp', 'busybox', 'cat', '/a')).toBe('hello');
    await ok('cp', path.join(folder, 'in.txt'), 'cp:/out/dray-escaped');
    expect(fs.existsSync('/etc/dray-escaped')).toBe(false);
    expect(await ok('exec', 'cp', 'busybox', 'cat', '/etc/dray-escaped')).toBe('hello');
    await ok('stop', '-t', '0', 'cp');
    await ok('cp', path.join(folder, 'in.txt'), 'cp:/b');
    await ok('cp', 'cp:/b', path.join(folder, 'out.txt'));
    expect(fs.readFileSync(path.join(folder, 'out.txt'), 'utf8')).toBe('hello');
    expect((await ok('diff', 'cp')).split('\n')).toEqual(expect.arrayContaining(['A /a', 'A /b', 'A /up']));
    await ok('rm', 'cp');
  });

  it('a killed daemon finds its containers again: same process, every line once, real exit code', async () => {
    await ok('run', '-d', '--name', 'live', 'busybox', 'sh', '-c', 'i=0; while [ ! -e /go ]; do echo $i; i=$((i+1)); busybox sleep 0.02; done; exit 42');
    await ok('run', '-d', '--name', 'short', 'busybox', 'sh', '-c', 'until [ -e /go ]; do busybox sleep 0.02; done; exit 7');
    const [pid, shortPid] = (await ok('inspect', '-f', '{{.State.Pid}}', 'live', 'short')).split('\n');
    await end(daemon, 'SIGKILL');
    execFileSync('nsenter', ['-t', shortPid ?? '', '-m', '/bin/busybox', 'touch', '/go']);
    while (fs.existsSync(`/proc/${shortPid ?? ''}`)) await new Promise((resolve) => { setTimeout(resolve, 10); });
    daemon = await startDaemon();
    expect(await ok('inspect', '-f', '{{.State.Pid}}', 'live')).toBe(pid);
    await cli('exec', 'live', 'busybox', 'touch', '/go'); // its own status does not count: the container ends at once and may take it along
    expect(await ok('wait', 'live')).toBe('42');
    expect(await ok('wait', 'short')).toBe('7');
    const lines = (await ok('logs', 'live')).split('\n');
    expect(lines).toEqual(Array.from({ length: lines.length }, (_, index) => String(index)));
    await ok('rm', 'live', 'short');
  }, 30_000);

  it('events come in Docker\'s order', async () => {
    const since = Math.floor(Date.now() / 1000);
    await ok('run', '--rm', '--name', 'ev', '-v', '/data', 'busybox', 'busybox', 'true');
    const lines = (await ok('events', '--since', String(since), '--until', String(Math.floor(Date.now() / 1000) + 1), '--format', '{{.Type}} {{.Action}}')).split('\n');
    expect(lines.slice(-11)).toEqual(['volume create', 'container create', 'container attach', 'network connect', 'volume mount', 'container start', 'network disconnect', 'volume unmount', 'container die', 'volume destroy', 'container destroy']);
  });
});
