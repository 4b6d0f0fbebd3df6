import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { initLab } from '@dray/tls-toolkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const drayd = path.resolve(import.meta.dirname, '../bin/drayd.mjs');
const drayEngine = path.resolve(import.meta.dirname, '../bin/dray-engine.mjs');
const docker = ['/usr/local/bin/docker', '/usr/bin/docker'].find((file) => fs.existsSync(file)) ?? '';
const missing = process.getuid?.() !== 0 ? 'not root' : docker === '' ? 'the docker CLI is not installed' : ['/usr/bin/containerd-shim-runc-v2', '/usr/sbin/runc'].find((file) => !fs.existsSync(file));
/** Debian's shim and runc, so that these tests are about the daemon alone. */
const runtime = ['--add-runtime', 'debian=io.containerd.runc.v2', '--default-runtime', 'debian'];

interface Finished { readonly code: number; readonly stdout: string; readonly stderr: string }

function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, user: { uid?: number; gid?: number } = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, ...user });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 255, stdout, stderr }));
  });
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`timed out waiting until ${what}`);
    await sleep(20);
  }
}

describe.skipIf(missing !== undefined)(`drayd${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let folder: string;
  let socket: string;
  let args: string[];
  let daemon: ChildProcess;
  const log = (): string => fs.readFileSync(path.join(folder, 'log'), 'utf8');
  const cli = (...words: string[]): Promise<Finished> => run(docker, words, { DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: path.join(folder, 'client') });
  const containerdPid = (): number => Number(fs.readFileSync(path.join(folder, 'exec/containerd/containerd.pid'), 'utf8'));

  async function start(extra: string[] = []): Promise<void> {
    const output = fs.openSync(path.join(folder, 'log'), 'a');
    daemon = spawn(drayd, [...args, ...extra], { stdio: ['ignore', output, output] });
    fs.closeSync(output);
    await until(async () => {
      if (daemon.exitCode !== null) throw new Error(log());
      return (await cli('version')).code === 0;
    }, 'drayd answers');
  }

  async function end(signal: NodeJS.Signals): Promise<number | null> {
    const exited = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill(signal);
    await exited;
    return daemon.exitCode;
  }

  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-engine-'));
    socket = path.join(folder, 'd.sock');
    args = ['--data-root', path.join(folder, 'data'), '--exec-root', path.join(folder, 'exec'), '-H', `unix://${socket}`, '--bip', `10.214.${1 + process.pid % 200}.1/24`, '--shutdown-timeout', '1', ...runtime];
    await start();
    const loaded = await run(drayEngine, ['tour', ...args]);
    expect(loaded.stderr).toBe('');
    expect(loaded.stdout).toContain('Hello from a container made by Dray.');
  }, 60_000);

  afterAll(async () => {
    if (daemon.exitCode === null && daemon.signalCode === null) await end('SIGTERM');
    fs.rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it('keeps containers running and containerd alive when it is killed, and takes both over again', async () => {
    expect((await cli('run', '-d', '--name', 'survivor', 'dray/hello', 'sleep', '1000')).stderr).toBe('');
    const pid = (await cli('inspect', '-f', '{{.State.Pid}}', 'survivor')).stdout;
    const containerd = containerdPid();
    await end('SIGKILL');
    expect(fs.existsSync(`/proc/${pid.trim()}`)).toBe(true);
    await start();
    expect(containerdPid()).toBe(containerd);
    expect((await cli('inspect', '-f', '{{.State.Pid}}', 'survivor')).stdout).toBe(pid);
    expect((await cli('ps', '--format', '{{.Names}}')).stdout.trim()).toBe('survivor');
  }, 60_000);

  it('starts containerd again when that is killed', async () => {
    const before = containerdPid();
    process.kill(before, 'SIGKILL');
    await until(() => containerdPid() !== before, 'another containerd runs');
    await until(async () => (await cli('run', '--rm', 'dray/hello', 'echo', 'again')).stdout === 'again\n', 'containers run again');
    expect((await cli('ps', '--format', '{{.Names}}')).stdout.trim()).toBe('survivor');
  }, 60_000);

  it('refuses a second daemon on its pid file, data root or socket', async () => {
    expect((await run(drayd, args)).stderr).toMatch(/data root ".*" is in use by another daemon/);
    const elsewhere = ['--data-root', path.join(folder, 'other'), '--exec-root', path.join(folder, 'other-exec')];
    expect((await run(drayd, [...elsewhere, '-H', `unix://${socket}`])).stderr).toContain(`can't create unix socket ${socket}: address already in use`);
    expect((await run(drayd, [...elsewhere, '-p', path.join(folder, 'exec/drayd.pid'), '-H', `unix://${folder}/o.sock`])).stderr).toMatch(/process with PID \d+ is still running/);
    expect(fs.existsSync(path.join(folder, 'o.sock'))).toBe(false);
  }, 30_000);

  it('stops its containers and containerd on SIGTERM, and leaves no socket and no pid file', async () => {
    const containerd = containerdPid();
    expect(await end('SIGTERM')).toBe(0);
    expect(fs.existsSync(socket)).toBe(false);
    expect(fs.existsSync(path.join(folder, 'exec/drayd.pid'))).toBe(false);
    expect(fs.existsSync(`/proc/${containerd}/fd/0`)).toBe(false);
    await start();
    expect((await cli('ps', '-a', '--format', '{{.Names}} {{.State}}')).stdout.trim()).toBe('survivor exited');
    expect((await cli('rm', 'survivor')).stdout.trim()).toBe('survivor');
  }, 60_000);

  it('serves TLS to clients with a certificate and turns others away', async () => {
    await end('SIGTERM');
    const certificates = path.join(folder, 'certificates');
    await initLab({ folder: certificates, hosts: ['localhost'], addresses: ['127.0.0.1'], clientName: 'client', passphrase: 'test', bits: 2048 });
    const port = await freePort();
    const files = (who: string): string[] => ['--tlscacert', `${certificates}/ca.pem`, '--tlscert', `${certificates}/${who}-cert.pem`, '--tlskey', `${certificates}/${who}-key.pem`];
    await start(['-H', `tcp://127.0.0.1:${port}`, '--tlsverify', ...files('daemon')]);
    const overTls = (extra: string[]): Promise<Finished> => run(docker, ['-H', `tcp://localhost:${port}`, ...extra, 'version', '--format', '{{.Server.Os}}'], { DOCKER_CONFIG: path.join(folder, 'client') });
    expect((await overTls(['--tlsverify', ...files('client')])).stdout.trim()).toBe('linux');
    await expect(pingWithoutCertificate(port)).rejects.toThrow(/certificate required|handshake failure/);
    const plain = net.connect(port, '127.0.0.1');
    plain.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
    let answer = '';
    for await (const chunk of plain) answer += String(chunk);
    expect(answer).toBe('HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n');
    const missingFile = await run(drayd, ['--data-root', path.join(folder, 'other'), '--exec-root', path.join(folder, 'other-exec'), '-H', 'tcp://127.0.0.1:0', '--tlsverify', '--tlscacert', '/nonexistent']);
    expect(missingFile.stderr).toMatch(/invalid TLS configuration: could not read/);
  }, 60_000);
});

describe('drayd before it starts anything', () => {
  it('prints its version and help, checks a configuration, and refuses to run without root', async () => {
    expect((await run(drayd, ['--version'])).stdout).toMatch(/^Dray version \d+\.\d+\.\d+, build /);
    expect(await run(drayd, ['--validate'])).toMatchObject({ code: 0, stderr: 'configuration OK\n' });
    expect(await run(drayd, ['--nope'])).toMatchObject({ code: 125 });
    expect((await run(drayd, ['--help'])).stdout).toContain('--data-root');
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    // A repository in a folder of root's own is out of an ordinary user's reach; then there is nothing to be started.
    const refused = await run(drayd, ['--data-root', '/nonexistent/data'], {}, nobody).catch((error: unknown) => error);
    if (!(refused instanceof Error && 'code' in refused && refused.code === 'EACCES')) {
      expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('drayd needs to be started with root privileges') as string });
    }
  }, 30_000);
});

/** Pings without showing a certificate; resolves with what is answered, rejects with the alert. */
function pingWithoutCertificate(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => socket.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.on('data', (chunk) => (answer += chunk.toString())).on('error', reject).on('end', () => resolve(answer));
  });
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
