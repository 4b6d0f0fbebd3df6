/** The shim under the original containerd, driven by the original ctr. */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shimBinary, skipReason } from './harness.ts';

const hasContainerd = existsSync('/usr/bin/containerd') && existsSync('/usr/bin/ctr');
const reason = skipReason !== '' ? skipReason : hasContainerd ? '' : ' (skipped: needs containerd and ctr)';

interface Ran { readonly status: number | null; readonly stdout: string; readonly stderr: string }

describe.skipIf(reason !== '')(`the original containerd with runtime io.containerd.dray.v2${reason}`, () => {
  let folder = '';
  let daemon: ChildProcess;
  let address = '';

  function environment(): NodeJS.ProcessEnv {
    return { ...process.env, PATH: `${folder}/bin:${process.env['PATH'] ?? ''}`, CONTAINERD_ADDRESS: address, CONTAINERD_NAMESPACE: path.basename(folder) };
  }

  /** `input` is written once `ready` has settled. */
  function ctr(args: readonly string[], { input = '', ready = Promise.resolve() }: { readonly input?: string; readonly ready?: Promise<void> } = {}): Promise<Ran> {
    return new Promise((resolve) => {
      const child = execFile('ctr', [...args], { env: environment() }, (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : typeof error.code === 'number' ? error.code : null, stdout, stderr });
      });
      void ready.then(() => child.stdin?.end(input));
    });
  }

  function run(id: string, command: readonly string[], options: readonly string[] = []): string[] {
    return ['run', '--runtime', 'io.containerd.dray.v2', '--cgroup', `/${path.basename(folder)}/${id}`, ...options, '--rootfs', `${folder}/rootfs`, id, ...command];
  }

  async function taskStatus(id: string): Promise<string | undefined> {
    const { stdout } = await ctr(['tasks', 'ls']);
    return stdout.split('\n').map((line) => line.split(/\s+/)).find(([name]) => name === id)?.[2];
  }

  async function untilStatus(id: string, wanted: string | undefined): Promise<void> {
    while (await taskStatus(id) !== wanted) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'dray-ctr-'));
    address = path.join(folder, 'c.sock');
    mkdirSync(path.join(folder, 'bin'));
    symlinkSync(shimBinary, path.join(folder, 'bin/containerd-shim-dray-v2'));
    mkdirSync(path.join(folder, 'rootfs/bin'), { recursive: true });
    cpSync('/bin/busybox', path.join(folder, 'rootfs/bin/busybox'));
    for (const applet of ['sh', 'echo', 'sleep', 'cat', 'stty', 'true', 'seq', 'wc', 'kill', 'grep']) symlinkSync('busybox', path.join(folder, 'rootfs/bin', applet));
    for (const name of ['proc', 'sys', 'dev', 'run', 'tmp', 'etc']) mkdirSync(path.join(folder, 'rootfs', name));
    writeFileSync(path.join(folder, 'config.toml'), `version = 2\nroot = "${folder}/root"\nstate = "${folder}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${address}"\n`);
    daemon = spawn('/usr/bin/containerd', ['--config', path.join(folder, 'config.toml'), '--log-level', 'warn'], { env: environment(), stdio: ['ignore', 'ignore', 'pipe'] });
    daemon.stderr?.resume();
    while (spawnSync('ctr', ['version'], { env: environment() }).status !== 0) await new Promise((resolve) => setTimeout(resolve, 100));
  }, 60_000);

  afterAll(async () => {
    for (const name of (await ctr(['tasks', 'ls', '-q'])).stdout.split('\n').filter((line) => line !== '')) await ctr(['tasks', 'rm', '-f', name]);
    const stopped = once(daemon, 'exit');
    daemon.kill('SIGTERM');
    await stopped;
    // An empty shim stays for some seconds; it is known by its containerd's address.
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${folder}/`)) process.kill(Number(pid), 'SIGTERM');
      } catch { /* it has ended */ }
    }
    for (const controller of readdirSync('/sys/fs/cgroup')) spawnSync('find', [path.join('/sys/fs/cgroup', controller, path.basename(folder)), '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
    rmSync(path.join('/run/containerd/runc', path.basename(folder)), { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  test('runs a container and passes its output and exit code on', async () => {
    expect(await ctr(run('out', ['/bin/echo', 'hello from dray'], ['--rm']))).toEqual({ status: 0, stdout: 'hello from dray\n', stderr: '' });
    expect((await ctr(run('out2', ['/bin/sh', '-c', 'echo problem >&2; exit 42'], ['--rm'])))).toMatchObject({ status: 42, stderr: expect.stringContaining('problem\n') as string });
  }, 30_000);

  test('pipes standard input through', async () => {
    const input = Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`).join('');
    // This ctr never ends the input of a container that it finds read to its end while it still creates it, under the original shim too.
    const { status, stdout } = await ctr(run('stdin', ['/bin/cat'], ['--rm']), { input, ready: untilStatus('stdin', 'RUNNING') });
    expect([status, stdout === input]).toEqual([0, true]);
  }, 30_000);

  test('says what the runtime says of a program that does not exist', async () => {
    const { status, stderr } = await ctr(run('missing', ['/nope'], ['--rm']));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^ctr: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "\/nope": stat \/nope: no such file or directory: unknown\n$/);
  }, 30_000);

  test('executes, lists, kills and deletes', async () => {
    expect((await ctr(run('life', ['/bin/sleep', '1000'], ['-d']))).status).toBe(0);
    expect(await taskStatus('life')).toBe('RUNNING');
    expect(await ctr(['tasks', 'exec', '--exec-id', 'e1', 'life', '/bin/sh', '-c', 'echo in exec; exit 3'])).toMatchObject({ status: 3, stdout: 'in exec\n' });
    expect((await ctr(['tasks', 'ps', 'life'])).stdout.trim().split('\n').length).toBe(2);
    expect((await ctr(['tasks', 'metrics', 'life'])).stdout).toMatch(/pids\.current\s+1/);
    expect((await ctr(['tasks', 'pause', 'life'])).status).toBe(0);
    expect(await taskStatus('life')).toBe('PAUSED');
    expect((await ctr(['tasks', 'resume', 'life'])).status).toBe(0);
    expect((await ctr(['tasks', 'kill', '--signal', 'SIGKILL', 'life'])).status).toBe(0);
    await untilStatus('life', 'STOPPED');
    expect((await ctr(['tasks', 'delete', 'life'])).stderr).toContain('exit with non-zero exit code 137');
    expect(await taskStatus('life')).toBeUndefined();
    expect((await ctr(['containers', 'rm', 'life'])).status).toBe(0);
  }, 30_000);

  test('gives a terminal', async () => {
    // script makes the pseudo terminal that ctr -t asks for.
    const command = ['ctr', ...run('tty', ['/bin/sh', '-c', '\'until /bin/stty size | /bin/grep 33; do /bin/sleep 0.1; done; echo done\''], ['--rm', '-t'])].join(' ');
    const child = spawn('script', ['-qec', `stty rows 33 cols 99; ${command}`, '/dev/null'], { env: environment(), stdio: ['pipe', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => { output += text; });
    expect((await once(child, 'exit'))[0]).toBe(0);
    expect(output).toContain('33 99');
    expect(output).toContain('done');
  }, 30_000);

  test('buries the containers of a shim that was killed, by the contract of every shim', async () => {
    expect(await ctr(run('crash', ['/bin/sleep', '1000'], ['-d']))).toMatchObject({ status: 0, stderr: '' });
    const { pid } = JSON.parse(`{"pid":${(await ctr(['tasks', 'ls'])).stdout.split('\n').find((line) => line.startsWith('crash'))?.split(/\s+/)[1] ?? '0'}}`) as { pid: number };
    const shim = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).find((name) => {
      try {
        const text = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        return text.startsWith('containerd-shim-dray-v2') && text.includes(`${folder}/`);
      } catch {
        return false;
      }
    });
    process.kill(Number(shim), 'SIGKILL');
    await untilStatus('crash', undefined);
    while (existsSync(`/proc/${pid}/exe`)) await new Promise((resolve) => setTimeout(resolve, 20));
    await ctr(['containers', 'rm', 'crash']);
    expect(await ctr(run('crash3', ['/bin/echo', 'again'], ['--rm']))).toMatchObject({ status: 0, stdout: 'again\n' });
  }, 30_000);
});
