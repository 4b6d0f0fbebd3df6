import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBundle, missingForBundles, type TestBundle } from './support/bundle.ts';
import { type CommandResult, missingRunc, runc, runcTs } from './support/command.ts';

const missing = missingForBundles() ?? missingRunc();
const ID = 'dray-command';

/** Command lines about a container that is not there, or that are wrong. */
const WITHOUT_CONTAINER: readonly (readonly string[])[] = [
  ['state', 'x'], ['start', 'x'], ['kill', 'x'], ['kill', 'x', 'BADSIG'], ['delete', 'x'], ['delete', '--force', 'x'], ['pause', 'x'], ['resume', 'x'], ['ps', 'x'], ['update', 'x'], ['events', 'x'],
  ['exec', 'x', 'true'], ['checkpoint', 'x'], ['list'], ['list', '-q'], ['list', '--format', 'json'], ['list', '--format', 'bad'], ['create', '--bundle', '/nosuch', 'x'], ['run', '--bundle', '/etc', 'x'],
  ['create', ''], ['nosuch'],
];

/** Wrong usage: the help is this command's own, the error the original's. */
const WRONG_USAGE: readonly (readonly string[])[] = [['state'], ['state', 'a', 'b'], ['kill'], ['kill', 'a', 'b', 'c'], ['exec'], ['list', 'x'], ['run', '--nosuch', 'x'], ['run', '--preserve-fds', 'x', 'y'], ['run', '--bundle']];

/** A life, step by step: after each the same must have been said. */
const LIFE: readonly (readonly string[])[] = [
  ['start', ID], ['start', ID], ['ps', '--format', 'json', ID], ['kill', ID, '0'], ['kill', ID, 'NOPE'], ['delete', ID], ['exec', ID, 'sh', '-c', 'echo out; echo err >&2; exit 9'], ['exec', ID, 'nowhere'],
  ['exec', '--user', '1000:1000', '--cwd', '/tmp', '--env', 'A=b', '--cap', 'CAP_NET_RAW', ID, 'sh', '-c', 'id; pwd; echo $A; grep ^Cap /proc/self/status'], ['exec', '--user', 'root', ID, 'id'],
  ['pause', ID], ['pause', ID], ['exec', ID, 'true'], ['delete', ID], ['resume', ID], ['resume', ID],
  ['update', '--memory', '64m', '--memory-swap', '128m', '--pids-limit', '30', '--cpu-share', '200', ID], ['exec', ID, 'sh', '-c', 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes pids/pids.max cpu/cpu.shares'],
  ['update', '--memory', 'x', ID], ['kill', ID, 'KILL'],
];

describe.skipIf(missing !== undefined)(`the command beside Debian's runc${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: 60_000 }, () => {
  let bundle: TestBundle;
  let folder: string;

  beforeAll(() => {
    bundle = createBundle();
    folder = mkdtempSync(join(tmpdir(), 'runc-ts-command-'));
  });

  afterAll(() => {
    bundle[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(WITHOUT_CONTAINER.map((args) => [args.join(' '), args] as const))('answers "%s" as runc does', async (_name, args) => {
    const [theirs, ours] = await both(args);
    expect(comparable(ours)).toEqual(comparable(theirs));
  });

  it.each(WRONG_USAGE.map((args) => [args.join(' '), args] as const))('refuses "%s" as runc does', async (_name, args) => {
    const [theirs, ours] = await both(args);
    expect([ours.status, messages(ours.stderr), firstLine(ours.stdout)]).toEqual([theirs.status, messages(theirs.stderr), firstLine(theirs.stdout)]);
  });

  it('leads a container through the same life', async () => {
    const lives = [await life(runc, 'runc'), await life(runcTs, 'ts')];
    expect(lives[1]).toEqual(lives[0]);
  });

  it('writes its errors into the log file as JSON, one line each, and as text on standard error', async () => {
    const log = join(folder, 'log.json');
    const result = await runcTs(['--root', join(folder, 'ts'), '--log', log, '--log-format', 'json', 'create', '--bundle', '/nosuch', 'x']);
    expect(JSON.parse(readFileSync(log, 'utf8').trimEnd())).toEqual({ level: 'error', msg: 'runc create failed: chdir /nosuch: no such file or directory', time: expect.stringMatching(/^\d{4}-.*Z$/) as string });
    expect(result).toEqual({ status: 1, stdout: '', stderr: 'runc create failed: chdir /nosuch: no such file or directory\n' });
  });

  it('makes the log file even when there is nothing to say', async () => {
    const log = join(folder, 'empty.json');
    await runcTs(['--root', join(folder, 'ts'), '--log', log, 'list']);
    expect(readFileSync(log, 'utf8')).toBe('');
  });

  it('writes a configuration once', async () => {
    const own = mkdtempSync(join(folder, 'spec-'));
    expect(await runcTs(['spec', '--bundle', own])).toMatchObject({ status: 0, stdout: '' });
    expect(JSON.parse(readFileSync(join(own, 'config.json'), 'utf8'))).toHaveProperty('process.args', ['sh']);
    expect(await runcTs(['spec', '--bundle', own])).toMatchObject({ status: 1, stderr: expect.stringContaining('File config.json exists. Remove it first') as string });
  });

  it('prints features and its version', async () => {
    const features = await runcTs(['features']);
    expect(JSON.parse(features.stdout)).toMatchObject({ ociVersionMin: '1.0.0', linux: { cgroup: { v1: true, v2: true, systemd: false }, seccomp: { enabled: true } } });
    const version = await runcTs(['--version']);
    expect(version.stdout).toMatch(/^runc-ts version \S+\nspec: \S+\n/);
  });

  it('runs a process described in a file, detached, and writes its pid', async () => {
    bundle.configure((spec) => { spec.process.args = ['sleep', '60']; });
    const root = ['--root', join(folder, 'ts')];
    await detached(runcTs, [...root, 'run', '--detach', '--bundle', bundle.directory, ID]);
    try {
      const file = join(folder, 'process.json');
      const pidFile = join(folder, 'exec.pid');
      writeFileSync(file, JSON.stringify({ args: ['sleep', '50'], cwd: '/', user: { uid: 0, gid: 0 }, env: ['PATH=/bin'] }));
      await detached(runcTs, [...root, 'exec', '--process', file, '--detach', '--pid-file', pidFile, ID]);
      const pid = readFileSync(pidFile, 'utf8');
      expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toBe('sleep\x0050\0');
      expect((await runcTs([...root, 'ps', ID])).stdout).toContain('sleep 50');
    } finally {
      await runcTs([...root, 'delete', '--force', ID]);
    }
    expect(existsSync(join(folder, 'ts', ID))).toBe(false);
  });

  async function both(args: readonly string[]): Promise<[CommandResult, CommandResult]> {
    return [await runc(['--root', join(folder, 'runc'), ...args]), await runcTs(['--root', join(folder, 'ts'), ...args])];
  }

  async function life(command: typeof runc, name: string): Promise<unknown[]> {
    const root = ['--root', join(folder, name)];
    bundle.configure((spec) => {
      spec.process.args = ['sleep', '60'];
      spec['annotations'] = { 'org.example': 'x' };
    });
    const steps: unknown[] = [];
    try {
      await detached(command, [...root, 'create', '--bundle', bundle.directory, ID]);
      for (const args of [['state', ID], ...LIFE]) {
        const result = await command([...root, ...args]);
        const { pid, status } = JSON.parse((await command([...root, 'state', ID])).stdout) as { pid: number; status: string };
        steps.push({ args, ...comparable(result, pid), ...(args[0] === 'kill' && args[2] === 'KILL' ? {} : { status }) });
      }
      await expect.poll(async () => (JSON.parse((await command([...root, 'state', ID])).stdout) as { status: string }).status).toBe('stopped');
      for (const args of [['kill', ID], ['start', ID], ['exec', ID, 'true'], ['pause', ID], ['update', '--memory', '64m', ID], ['delete', ID], ['state', ID]]) steps.push({ args, ...comparable(await command([...root, ...args])) });
    } finally {
      await command([...root, 'delete', '--force', ID]);
    }
    return steps;
  }
});

/** A created container keeps its standard streams; a pipe of ours would never end. */
async function detached(command: typeof runc, args: readonly string[]): Promise<void> {
  const result = await command(args, { detached: true });
  expect(result.status).toBe(0);
}

function comparable({ status, stdout, stderr }: CommandResult, pid?: number): object {
  const hidden = pid === undefined || pid === 0 ? stdout : stdout.replaceAll(String(pid), '<pid>');
  return { code: status, stdout: hidden.replace(/"created": ?"[^"]*"/, '"created":"<time>"'), stderr: messages(stderr) };
}

function messages(stderr: string): string[] {
  return stderr.split('\n').filter((line) => line !== '').map((line) => line.replace(/^time="[^"]*" /, '').replace('/usr/sbin/runc: ', 'runc: '));
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}
