import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants, createReadStream, createWriteStream, existsSync, openSync, closeSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeFifo, buildSanitized, leaveBehind, isBuilt, startMonitor, staticBuild, temporaryFolder, type Build } from './monitor-harness.ts';

const reason = process.getuid?.() !== 0 ? ' (skipped: needs root)' : isBuilt ? '' : ' (skipped: run scripts/build-native.mjs first)';

/** Kernel pipes are drained by a stream of its own, so that the reader is a real one. */
function readFifo(file: string): { readonly done: Promise<Buffer>; readonly destroy: () => void } {
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 });
  const chunks: Buffer[] = [];
  stream.on('data', (chunk) => chunks.push(chunk as Buffer));
  return { done: once(stream, 'end').then(() => Buffer.concat(chunks)), destroy: () => { stream.destroy(); } };
}

describe.skipIf(reason !== '')(`dray-monitor${reason}`, () => {
  test('keeps the exit status and time of a process that ended while nobody was connected', async () => {
    await using monitor = startMonitor(['sh', '-c', 'exit 42']);
    const before = BigInt(Date.now()) * 1_000_000n;
    const status = await monitor.until(({ exit }) => exit !== undefined);
    expect(status.exit?.status).toBe(42);
    monitor.disconnect();
    const again = await monitor.until(({ exit }) => exit !== undefined);
    expect(again.exit).toEqual(status.exit);
    expect(monitor.exitFile()).toMatchObject({ pid: status.pid, exitStatus: 42, exitedAtNanos: status.exit?.atNanos });
    expect(monitor.exitFile().exitedAtNanos - before).toBeGreaterThan(-10_000_000_000n);
    expect(await monitor.taken()).toBe(0);
    expect(existsSync(monitor.file('control.sock'))).toBe(false);
  });

  test('reports 128 plus the signal that ended the process, and delivers signals itself', async () => {
    await using monitor = startMonitor(['sleep', '1000']);
    await monitor.until(({ pid }) => pid !== 0);
    const client = await monitor.client();
    await expect(client.taken()).rejects.toMatchObject({ code: 'EBUSY' });
    await expect(client.quit()).rejects.toMatchObject({ code: 'EBUSY' });
    await client.signal(15);
    const status = await monitor.until(({ exit }) => exit !== undefined);
    expect(status.exit?.status).toBe(143);
    await expect(client.signal(9)).rejects.toMatchObject({ code: 'ESRCH' });
  });

  test('watches a process that a client names, even if it has ended already', async () => {
    await using monitor = startMonitor([], { pidFile: '', command: leaveBehind(path.join('/tmp', `dray-monitor-pid-${process.pid}`), 'exit 9') });
    const pidFile = path.join('/tmp', `dray-monitor-pid-${process.pid}`);
    await monitor.until(({ commandStatus }) => commandStatus === 0);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    rmSync(pidFile);
    const client = await monitor.client();
    await expect(client.watch(process.pid)).rejects.toMatchObject({ code: 'ECHILD' });
    await client.watch(pid);
    expect((await monitor.until(({ exit }) => exit !== undefined)).exit?.status).toBe(9);
    await expect(client.watch(1)).rejects.toMatchObject({ code: 'EBUSY' });
  });

  test('leaves, and kills what is left, when nobody needs it: quit, or a command that fails', async () => {
    await using idle = startMonitor([], { pidFile: '', command: leaveBehind(path.join('/tmp', `dray-monitor-left-${process.pid}`), 'sleep 1000; sleep 1000') });
    await idle.until(({ commandStatus }) => commandStatus === 0);
    const left = Number(readFileSync(`/tmp/dray-monitor-left-${process.pid}`, 'utf8'));
    rmSync(`/tmp/dray-monitor-left-${process.pid}`);
    await (await idle.client()).quit();
    expect(await idle.exited).toBe(0);
    expect(() => process.kill(left, 0)).toThrow('ESRCH');
    await using failing = startMonitor([], { command: ['sh', '-c', 'exit 3'] });
    expect(await failing.exited).toBe(0);
  });

  test('says in its log what it could not do', async () => {
    await using missing = startMonitor([], { command: ['/does/not/exist'] });
    expect(await missing.exited).toBe(1);
    expect(readFileSync(missing.file('log'), 'utf8')).toBe('cannot run "/does/not/exist": No such file or directory\n');
    await using scheme = startMonitor(['true'], { stdout: 'gopher:///x' });
    expect(await scheme.exited).toBe(1);
    expect(readFileSync(scheme.file('log'), 'utf8')).toBe('cannot connect stdout: Protocol not supported\n');
    await using badLogger = startMonitor(['true'], { stdout: 'binary:///x/dray-logger?driver=nonsense' });
    expect(await badLogger.exited).toBe(1);
    const usage = spawnSync(staticBuild.monitor, ['--nonsense', 'x', '--', 'true'], { argv0: 'dray-monitor', encoding: 'utf8' });
    expect([usage.status, usage.stderr]).toEqual([2, 'dray-monitor: cannot understand "--nonsense"\n']);
  });

  test('copies 50 MiB byte-exact from stdin through cat to stdout, and ends stdin after closeStdin only', async () => {
    const folder = temporaryFolder();
    const stdin = makeFifo(path.join(folder, 'in'));
    const stdout = makeFifo(path.join(folder, 'out'));
    await using monitor = startMonitor(['cat'], { folder, stdin, stdout });
    const output = readFifo(stdout);
    await monitor.until(({ pid }) => pid !== 0);
    const input = randomBytes(50 << 20);
    // Two writers one after the other: the first one's leaving must not end the stream.
    const first = createWriteStream(stdin);
    await new Promise<void>((resolve) => first.end(input.subarray(0, 1000), () => { resolve(); }));
    const second = createWriteStream(stdin);
    await new Promise<void>((resolve) => second.end(input.subarray(1000), () => { resolve(); }));
    await (await monitor.client()).closeStdin();
    const received = await output.done;
    expect(received.length).toBe(input.length);
    expect(createHash('sha256').update(received).digest('hex')).toBe(createHash('sha256').update(input).digest('hex'));
    const status = await monitor.until(({ isIoDone }) => isIoDone);
    expect(status.exit?.status).toBe(0);
  });

  test('waits for a slow reader without losing a byte, and keeps the exit status apart from the output', async () => {
    const folder = temporaryFolder();
    const stdout = makeFifo(path.join(folder, 'out'));
    const reader = openSync(stdout, constants.O_RDONLY | constants.O_NONBLOCK);
    await using monitor = startMonitor(['sh', '-c', 'seq 1 400000'], { folder, stdout });
    await monitor.until(({ pid }) => pid !== 0);
    // seq cannot have ended: its output is larger than all the pipes together.
    expect((await monitor.client()).status.exit).toBeUndefined();
    const chunks: Buffer[] = [];
    const buffer = Buffer.alloc(65536);
    for (;;) {
      try {
        const size = readSync(reader, buffer);
        if (size === 0) break;
        chunks.push(Buffer.from(buffer.subarray(0, size)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    closeSync(reader);
    const lines = Buffer.concat(chunks).toString().trimEnd().split('\n');
    expect(lines.length).toBe(400_000);
    expect(lines.every((line, index) => line === String(index + 1))).toBe(true);
    await monitor.until(({ isIoDone }) => isIoDone);
  });

  test('survives its reader: what was not read waits for the next one, and the process goes on', async () => {
    const folder = temporaryFolder();
    const stdout = makeFifo(path.join(folder, 'out'));
    const first = openSync(stdout, constants.O_RDONLY | constants.O_NONBLOCK);
    await using monitor = startMonitor(['sh', '-c', 'echo one; while [ ! -e "$0" ]; do sleep 0.01; done; echo two', path.join(folder, 'go')], { folder, stdout });
    await monitor.until(({ pid }) => pid !== 0);
    closeSync(first);
    writeFileSync(path.join(folder, 'go'), '');
    const second = openSync(stdout, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await monitor.until(({ isIoDone }) => isIoDone);
    expect(status.exit?.status).toBe(0);
    const buffer = Buffer.alloc(100);
    expect(buffer.toString('utf8', 0, readSync(second, buffer))).toBe('one\ntwo\n');
    closeSync(second);
  });

  test('does not wait for a grandchild that keeps the output open, once the status is taken', async () => {
    const folder = temporaryFolder();
    await using monitor = startMonitor(['sh', '-c', 'echo before; sleep 1000 & echo $! > "$0"', path.join(folder, 'grandchild')], { folder, stdout: `file://${folder}/sub/out.txt`, stderr: `file://${folder}/sub/out.txt` });
    const status = await monitor.until(({ exit }) => exit !== undefined);
    expect([status.exit?.status, status.isIoDone]).toEqual([0, false]);
    const grandchild = Number(readFileSync(path.join(folder, 'grandchild'), 'utf8'));
    const output = readFileSync(path.join(folder, 'sub/out.txt'), 'utf8');
    expect(await monitor.taken()).toBe(0);
    expect(output).toBe('before\n');
    process.kill(grandchild, 'SIGKILL');
  });

  test('gives a process without streams /dev/null, and no descriptor but those that the monitor was given', async () => {
    const folder = temporaryFolder();
    const script = 'ls /proc/self/fd > "$0"; readlink /proc/self/fd/0 /proc/self/fd/2 >> "$0"';
    spawnSync('sh', ['-c', script, path.join(folder, 'wanted')], { stdio: 'ignore' });
    await using monitor = startMonitor(['sh', '-c', script, path.join(folder, 'seen')], { folder });
    await monitor.until(({ exit }) => exit !== undefined);
    expect(readFileSync(path.join(folder, 'seen'), 'utf8')).toBe(readFileSync(path.join(folder, 'wanted'), 'utf8'));
    expect(readFileSync(path.join(folder, 'seen'), 'utf8')).toContain('/dev/null\n/dev/null\n');
  });

  test('starts a foreign logger by containerd\'s contract', async () => {
    const folder = temporaryFolder();
    const logger = path.join(folder, 'my-logger');
    writeFileSync(logger, '#!/bin/sh\nd=$2\necho "$1 $3 $CONTAINER_ID $CONTAINER_NAMESPACE" > "$d/args"\nexec 5>&-\ncat <&4 > "$d/err" &\ncat <&3 > "$d/out"\nwait\necho done > "$d/done"\n', { mode: 0o755 });
    const uri = `binary://${logger}?dir=${encodeURIComponent(folder)}&flag=`;
    await using monitor = startMonitor(['sh', '-c', 'echo to out; echo to err >&2'], { folder, stdout: uri, stderr: uri, id: 'c1', namespace: 'ns1' });
    await monitor.until(({ exit }) => exit !== undefined);
    while (!existsSync(path.join(folder, 'done'))) await new Promise((resolve) => setTimeout(resolve, 5));
    const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');
    expect([read('out'), read('err'), read('args')]).toEqual(['to out\n', 'to err\n', 'dir flag c1 ns1\n']);
  });

  test('has a control socket for root alone, at a path longer than an address holds', async () => {
    const folder = path.join(temporaryFolder(), 'x'.repeat(120));
    spawnSync('mkdir', ['-p', folder]);
    await using monitor = startMonitor(['sleep', '1000'], { folder });
    await monitor.until(({ pid }) => pid !== 0);
    expect(statSync(monitor.file('control.sock')).mode & 0o777).toBe(0o600);
    await (await monitor.client()).signal(9);
    await monitor.until(({ exit }) => exit !== undefined);
    await monitor.taken();
    rmSync(path.dirname(folder), { recursive: true });
  });
});

const builds: [string, () => Build][] = [['static', () => staticBuild], ['sanitized', () => sanitized]];
let sanitizedFolder = '';
let sanitized: Build = staticBuild;

describe.skipIf(reason !== '').each(builds)(`dray-monitor's control socket, %s build${reason}`, (_name, build) => {
  beforeAll(() => {
    if (build === builds[0]?.[1]) return;
    sanitizedFolder = temporaryFolder();
    sanitized = buildSanitized(sanitizedFolder);
  }, 120_000);
  afterAll(() => {
    if (sanitizedFolder !== '') rmSync(sanitizedFolder, { recursive: true, force: true });
  });

  test('survives garbage, half frames and clients that stay silent', async () => {
    await using monitor = startMonitor(['sleep', '1000'], { build: build() });
    await monitor.until(({ pid }) => pid !== 0);
    const hello = Buffer.concat([Buffer.from([12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]), Buffer.from('DRAYMON1'), Buffer.from([1, 0, 0, 0])]);
    const attacks: Buffer[] = [
      Buffer.from('GET / HTTP/1.0\r\n\r\n'), Buffer.alloc(20_000, 0xff), Buffer.alloc(12), hello.subarray(0, 15),
      Buffer.concat([hello, Buffer.from([0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 0, 0, 0])]),
      Buffer.concat([hello, Buffer.from([4, 16, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0])]),
      Buffer.concat([hello, Buffer.from([0, 16, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0]), Buffer.alloc(4096, 0x2f)]),
      Buffer.concat([hello, Buffer.from([6, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0x2f, 0])]),
      Buffer.concat([hello, Buffer.from([0, 0, 0, 0, 200, 0, 0, 0, 2, 0, 0, 0])]),
      ...Array.from({ length: 60 }, () => Buffer.concat([hello, randomBytes(40)])), ...Array.from({ length: 60 }, () => randomBytes(200)),
    ];
    for (const attack of attacks) {
      const socket = connect(monitor.file('control.sock'));
      socket.on('error', () => undefined);
      socket.resume();
      await new Promise<void>((resolve) => socket.write(attack, () => { resolve(); }));
      if (attack.length % 2 === 0) socket.destroy();
      else setTimeout(() => socket.destroy(), 200);
    }
    monitor.disconnect();
    const client = await monitor.client();
    expect(client.status.exit).toBeUndefined();
    await client.resize(10, 10);
    await client.signal(9);
    expect((await monitor.until(({ exit }) => exit !== undefined)).exit?.status).toBe(137);
    expect(await monitor.taken()).toBe(0);
    expect(monitor.stderr).toBe('');
  });

  test('moves output under the same build, with many short lived writers', async () => {
    const folder = temporaryFolder();
    const stdout = makeFifo(path.join(folder, 'out'));
    const output = readFifo(stdout);
    await using monitor = startMonitor(['sh', '-c', 'for i in $(seq 1 200); do echo $i & done; wait; seq 1 100000'], { folder, stdout, build: build() });
    expect((await output.done).toString().split('\n').length).toBe(100_201);
    await monitor.until(({ isIoDone }) => isIoDone);
    expect(await monitor.taken()).toBe(0);
    expect(monitor.stderr).toBe('');
  });
});

