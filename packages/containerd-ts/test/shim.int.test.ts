import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openContainerd, type ContainerdConnection } from '@dray/containerd-api/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestDaemon, until } from './support/daemon.ts';

const reason = process.getuid?.() === 0 ? undefined : 'not root';

describe.skipIf(reason !== undefined)(`tasks over a shim that serves its namespace and can be replaced${reason === undefined ? '' : ` (skipped: ${reason})`}`, { timeout: 60_000 }, () => {
  let daemon: TestDaemon;
  let client: ContainerdConnection;
  let runtime: string;

  beforeEach(async () => {
    daemon = new TestDaemon();
    process.env['FAKE_SHIM_FOLDER'] = daemon.folder;
    runtime = join(daemon.folder, 'fake-shim');
    writeFileSync(runtime, `#!/bin/sh\nexec ${process.execPath} --conditions=@dray/source --disable-warning=ExperimentalWarning ${join(import.meta.dirname, 'support/fake-shim.ts')} "$@"\n`);
    chmodSync(runtime, 0o755);
    await daemon.start();
    client = openContainerd(daemon.socket, { namespace: 'n' });
  });

  afterEach(async () => {
    await client.close();
    await daemon.end('SIGKILL');
    if (existsSync(join(daemon.folder, 'pid'))) killQuietly(shimPid());
    await daemon[Symbol.asyncDispose]();
  });

  const commands = (): string[] => readFileSync(join(daemon.folder, 'commands'), 'utf8').trim().split('\n');
  const shimPid = (): number => Number(readFileSync(join(daemon.folder, 'pid'), 'utf8'));

  async function createTask(id: string): Promise<number> {
    const spec = { typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Spec', value: Buffer.from('{}') };
    const times = { createdAt: undefined, updatedAt: undefined };
    await client.containers.create({ container: { id, labels: {}, image: '', runtime: { name: runtime, options: undefined }, spec, snapshotter: '', snapshotKey: '', extensions: {}, sandbox: '', ...times } });
    const io = { stdin: '', stdout: '', stderr: '', terminal: false };
    const { pid } = await client.tasks.create({ containerId: id, rootfs: [], ...io, checkpoint: undefined, options: undefined, runtimePath: '', taskApiAddress: '', taskApiVersion: 0 });
    return pid;
  }

  /** Starts a task and waits for its end in the background. */
  async function startTask(id: string): Promise<{ readonly exit: Promise<number> }> {
    await createTask(id);
    await client.tasks.start({ containerId: id, execId: '' });
    const exit = client.tasks.wait({ containerId: id, execId: '' }).then(({ exitStatus }) => exitStatus);
    exit.catch(() => undefined);
    return { exit };
  }

  it('starts the shim once for the namespace, and never runs its delete command', async () => {
    expect(await createTask('one')).toBe(4242);
    await createTask('two');
    await client.tasks.delete({ containerId: 'one' });
    await client.tasks.delete({ containerId: 'two' });
    await createTask('three');
    expect(commands()).toEqual(['start one']);
    await client.tasks.delete({ containerId: 'three' });
  });

  it('starts the shim once for containers that are created at the same time', async () => {
    await Promise.all(['a', 'b', 'c'].map(createTask));
    expect(commands()).toHaveLength(1);
  });

  it('replaces a shim that was killed, and nobody who waits notices', async () => {
    const one = await startTask('one');
    const two = await startTask('two');
    const before = shimPid();
    process.kill(before, 'SIGKILL');
    await until('another shim serves', () => shimPid() !== before);
    expect((await client.tasks.get({ containerId: 'two', execId: '' })).process?.status).toBe(2);
    for (const containerId of ['one', 'two']) await client.tasks.kill({ containerId, execId: '', signal: 9, all: false });
    expect(await Promise.all([one.exit, two.exit])).toEqual([137, 137]);
    expect(commands()).toEqual(['start one', 'start one']);
    expect((await client.tasks.delete({ containerId: 'one' })).exitStatus).toBe(137);
  });

  it('gives the exit status to whoever asks after both daemon and shim were killed', async () => {
    await startTask('one');
    await daemon.end('SIGKILL');
    process.kill(shimPid(), 'SIGKILL');
    await daemon.start();
    await client.waitUntilReady();
    const exit = client.tasks.wait({ containerId: 'one', execId: '' });
    await client.tasks.kill({ containerId: 'one', execId: '', signal: 15, all: false });
    expect((await exit).exitStatus).toBe(143);
    expect(commands()).toEqual(['start one', 'start one']);
  });

  it('gives up on a shim that cannot be started again: who waits gets the exit of its delete command, and the end is published', async () => {
    const { exit } = await startTask('one');
    const controller = new AbortController();
    const topics: string[] = [];
    const events = (async () => {
      for await (const event of client.events.subscribe({ filters: ['topic~=|^/tasks/|'] }, { signal: controller.signal })) topics.push(event.topic);
    })().catch(() => undefined);
    writeFileSync(join(daemon.folder, 'broken'), '');
    process.kill(shimPid(), 'SIGKILL');
    expect(await exit).toBe(137);
    await until('the end was published', () => topics.length === 2);
    expect(topics).toEqual(['/tasks/exit', '/tasks/delete']);
    expect((await client.tasks.list({ filter: '' })).tasks).toEqual([]);
    expect(commands().at(-1)).toBe('delete one');
    controller.abort();
    await events;
  });

  it('removes a bundle whose container is gone', async () => {
    await startTask('one');
    await daemon.end('SIGKILL');
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(join(daemon.folder, 'root/io.containerd.metadata.v1.sqlite/meta.db'));
    database.exec('DELETE FROM containers');
    database.close();
    await daemon.start();
    expect(existsSync(join(daemon.folder, 'state/io.containerd.runtime.v2.task/n/one'))).toBe(false);
    expect(commands().at(-1)).toBe('delete one');
  });

  it('ends an idle shim with itself', async () => {
    await createTask('one');
    await client.tasks.delete({ containerId: 'one' });
    const pid = shimPid();
    await daemon.end('SIGTERM');
    await until('the shim is gone', () => !existsSync(`/proc/${String(pid)}`) || readFileSync(`/proc/${String(pid)}/status`, 'utf8').includes('State:\tZ'));
  });
});

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone, as it should be.
  }
}
