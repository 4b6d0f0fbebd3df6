import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createBundle, missingForBundles, type TestBundle } from './support/bundle.ts';
import { command, type CommandResult } from './support/command.ts';

const missing = missingForBundles() ?? ['/usr/bin/containerd', '/usr/bin/ctr', '/usr/bin/containerd-shim-runc-v2'].map((file) => (existsSync(file) ? undefined : `${file} is not installed`)).find((reason) => reason !== undefined);
const MAIN = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts');

describe.skipIf(missing !== undefined)(`Debian's containerd and its shim with runc-ts${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: 60_000 }, () => {
  let bundle: TestBundle;
  let folder: string;
  let daemon: ChildProcess;

  beforeAll(async () => {
    bundle = createBundle();
    folder = mkdtempSync(join(tmpdir(), 'runc-ts-containerd-'));
    writeFileSync(join(folder, 'config.toml'), 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n');
    writeFileSync(join(folder, 'runtime'), `#!/bin/sh\nexec ${process.execPath} --conditions=@dray/source --disable-warning=ExperimentalWarning --input-type=module -e 'import { main } from "${MAIN}"; process.exit(await main(process.argv.slice(1)));' -- "$@"\n`);
    chmodSync(join(folder, 'runtime'), 0o755);
    daemon = spawn('/usr/bin/containerd', ['--config', join(folder, 'config.toml'), '--root', join(folder, 'root'), '--state', join(folder, 'state'), '--address', join(folder, 'c.sock')], { stdio: 'ignore' });
    await vi.waitUntil(async () => (await ctr(['version'])).status === 0, { timeout: 30_000, interval: 200 });
  }, 60_000);

  afterAll(async () => {
    const ended = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGTERM');
    await ended;
    bundle[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it('runs a container and hands its output and exit status through', async () => {
    const result = await run(['--rm'], 'one', ['/bin/sh', '-c', 'echo from inside; exit 5']);
    expect(result.stdout).toBe('from inside\n');
    expect(result.status).toBe(5);
  });

  it('executes, pauses, resumes, lists, kills and deletes', async () => {
    expect(await run(['-d'], 'two', ['/bin/sleep', '100'])).toMatchObject({ stderr: '', status: 0 });
    expect(await taskState('two')).toBe('RUNNING');
    expect(await ctr(['task', 'exec', '--exec-id', 'e1', 'two', '/bin/sh', '-c', 'echo more; exit 4'])).toMatchObject({ stdout: 'more\n', status: 4 });
    expect((await ctr(['task', 'ps', 'two'])).stdout.trim().split('\n')).toHaveLength(2);
    await ctr(['task', 'pause', 'two']);
    expect(await taskState('two')).toBe('PAUSED');
    await ctr(['task', 'resume', 'two']);
    expect(await taskState('two')).toBe('RUNNING');
    expect((await ctr(['task', 'metrics', 'two'])).stdout).toContain('memory.usage_in_bytes');
    await ctr(['task', 'kill', '-s', '9', 'two']);
    await expect.poll(() => taskState('two'), { timeout: 10_000 }).toBe('STOPPED');
    expect((await ctr(['task', 'rm', 'two'])).stderr).toContain('exit with non-zero exit code 137');
    expect(await ctr(['container', 'rm', 'two'])).toMatchObject({ status: 0 });
  });

  it('tells why a container could not be created, in the words of its log', async () => {
    const result = await run(['--rm'], 'three', ['/no/where']);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('OCI runtime create failed: runc create failed: unable to start container process: exec: "/no/where": stat /no/where: no such file or directory: unknown');
  });

  function run(flags: readonly string[], id: string, args: readonly string[]): Promise<CommandResult> {
    return ctr(['run', ...flags, '--runc-binary', join(folder, 'runtime'), '--runc-root', join(folder, 'runc'), '--rootfs', bundle.rootfs, id, ...args]);
  }

  async function taskState(id: string): Promise<string | undefined> {
    const { stdout } = await ctr(['task', 'ls']);
    return stdout.split('\n').find((line) => line.startsWith(`${id} `))?.trim().split(/\s+/)[2];
  }

  function ctr(args: readonly string[]): Promise<CommandResult> {
    return command('/usr/bin/ctr', ['-a', join(folder, 'c.sock'), ...args]);
  }
});
