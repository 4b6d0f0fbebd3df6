import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm, rmdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TtrpcClient, TtrpcServer, createTtrpcClient, isTtrpcError, TtrpcError } from '../src/index.ts';
import { TaskDefinition } from './task-messages.ts';

const run = promisify(execFile);

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  return ['containerd', 'ctr', 'runc', 'busybox'].find((tool) => spawnSync(tool, ['--version']).error !== undefined)?.concat(' is not installed');
}

const reason = missing();
const note = reason === undefined ? '' : ` (skipped: ${reason})`;

describe.skipIf(reason !== undefined)(`the original shim, called by our client${note}`, () => {
  const id = `t-${randomUUID().slice(0, 8)}`;
  const namespace = `dray-${id}`;
  let directory: string;
  let address: string;
  let containerd: ChildProcess;
  let client: TtrpcClient;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'dray-ttrpc-'));
    address = join(directory, 'c.sock');
    const config = join(directory, 'config.toml');
    await writeFile(
      config,
      `version = 2\nroot = "${directory}/root"\nstate = "${directory}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n` +
        `[plugins."io.containerd.internal.v1.opt"]\npath = "${directory}/opt"\n[grpc]\naddress = "${address}"\n[ttrpc]\naddress = "${address}.ttrpc"\n`,
    );
    containerd = spawn('containerd', ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      let log = '';
      containerd.stderr?.on('data', (chunk: Buffer) => {
        log += chunk.toString();
        if (log.includes('successfully booted')) resolve();
      });
      containerd.once('exit', () => {
        reject(new Error(`containerd ended: ${log}`));
      });
    });
    const rootfs = join(directory, 'rootfs');
    for (const name of ['bin', 'proc', 'sys', 'dev', 'etc', 'tmp']) await mkdir(join(rootfs, name), { recursive: true });
    await copyFile('/bin/busybox', join(rootfs, 'bin/busybox'));
    await symlink('busybox', join(rootfs, 'bin/sleep'));
    await run('ctr', ['-a', address, '-n', namespace, 'run', '-d', '--null-io', '--rootfs', rootfs, id, '/bin/sleep', '1000']);
    const socket = createHash('sha256').update(join(address, namespace, id)).digest('hex');
    client = await TtrpcClient.connect(`/run/containerd/s/${socket}`);
  }, 60_000);

  afterAll(async () => {
    await run('ctr', ['-a', address, '-n', namespace, 'task', 'rm', '-f', id]).catch(() => undefined);
    await client.close();
    const exited = new Promise((resolve) => containerd.once('exit', resolve));
    containerd.kill('SIGTERM');
    await exited;
    await rm(directory, { recursive: true });
    // runc removes the container's cgroups, but not the namespace's above them.
    for (const controller of await readdir('/sys/fs/cgroup')) await rmdir(join('/sys/fs/cgroup', controller, namespace)).catch(() => undefined);
  }, 60_000);

  it('answers Connect with its pid and the task\'s', async () => {
    const task = createTtrpcClient(TaskDefinition, client);
    const response = await task.connect({ 1: id });
    expect(await readFile(`/proc/${response[1]}/cmdline`, 'utf8')).toContain('containerd-shim-runc-v2');
    expect(await readFile(`/proc/${response[2]}/cmdline`, 'utf8')).toBe('/bin/sleep\0' + '1000\0');
  });

  it('answers State of a running container', async () => {
    const task = createTtrpcClient(TaskDefinition, client);
    const { 2: pid } = await task.connect({ 1: id });
    expect(await task.state({ 1: id }, { timeoutMs: 30_000 })).toMatchObject({ 1: id, 2: `${directory}/state/io.containerd.runtime.v2.task/${namespace}/${id}`, 3: pid, 4: 2 });
  });

  it('answers with kinds that are ours', async () => {
    const kinds = await Promise.all(
      [client.call('containerd.task.v2.Task', 'State', Buffer.from([0x0a, 1, 0x78])), client.call('containerd.task.v9.Task', 'State', Buffer.alloc(0))].map((call) =>
        call.catch((error: unknown) => isTtrpcError(error) && error.kind),
      ),
    );
    expect(kinds).toEqual(['not_found', 'not_implemented']);
  });

  it('answers Wait when the container is killed, and other calls meanwhile', async () => {
    const task = createTtrpcClient(TaskDefinition, client);
    const waited = task.wait({ 1: id });
    expect(await task.state({ 1: id })).toMatchObject({ 4: 2 });
    await task.kill({ 1: id, 3: 9, 4: 1 });
    expect(await waited).toMatchObject({ 1: 137 });
  });
});

const ctrMissing = spawnSync('ctr', ['--version']).error !== undefined;

describe.skipIf(ctrMissing)(`our server, called by the original's Go client${ctrMissing ? ' (skipped: ctr is not installed)' : ''}`, () => {
  const id = `t-${randomUUID().slice(0, 8)}`;
  let server: TtrpcServer;
  const seen: { id: unknown; metadata: readonly [string, readonly string[]][] }[] = [];

  beforeAll(async () => {
    server = new TtrpcServer();
    server.register(TaskDefinition, {
      state: (request, { metadata }) => {
        seen.push({ id: request[1], metadata: [...metadata] });
        if (request[1] !== id) throw new TtrpcError('not_found', 'container not created');
        return { 1: id, 2: '/bundle', 3: 4711, 4: 2, 9: 7 };
      },
      delete: () => {
        throw new TtrpcError('failed_precondition', 'cannot delete a running task');
      },
    });
    // ctr looks for a shim at this abstract address, NUL at the end included, when the hashed path is not there.
    await server.listen({ path: `\0/containerd-shim/dray/${id}/shim.sock\0` });
  });

  afterAll(async () => {
    await server.close();
  });

  const shim = (...args: string[]): Promise<{ stdout: string }> => run('ctr', ['-n', 'dray', 'shim', '--id', id, ...args]);

  it('is understood by `ctr shim state`', async () => {
    const { stdout } = await shim('state');
    expect(JSON.parse(stdout)).toMatchObject({ id, bundle: '/bundle', pid: 4711, status: 2, exit_status: 7 });
    expect(seen).toMatchObject([{ id }]);
  });

  it('hands its errors to `ctr shim delete`', async () => {
    await expect(shim('delete')).rejects.toMatchObject({ stderr: expect.stringContaining('cannot delete a running task') as string });
  });
});
