import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attach, demultiplex, isBuilt, loggerUri, readRecords, rmFolder, startMonitor, staticBuild, temporaryFolder, type LogRecord } from './monitor-harness.ts';

const reason = process.getuid?.() !== 0 ? ' (skipped: needs root)' : isBuilt ? '' : ' (skipped: run scripts/build-native.mjs first)';
const PARTIAL_BYTES = 16 * 1024;

/** Runs the standalone logger by containerd's contract; the chunks are written one after the other to stdout's pipe. */
async function runLogger(pairs: Readonly<Record<string, string>>, chunks: readonly Uint8Array[], stderr: readonly Uint8Array[] = []): Promise<number | null> {
  const args = Object.entries(pairs).flatMap(([key, value]) => (value === '' ? [key] : [key, value]));
  const child = spawn(staticBuild.logger, args, { argv0: 'dray-logger', stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe', 'pipe'] });
  const [, , , out, err, ready] = child.stdio as NodeJS.WritableStream[];
  const exited = once(child, 'exit');
  (ready as unknown as NodeJS.ReadableStream).resume();
  await once(ready as unknown as NodeJS.EventEmitter, 'end');
  for (const chunk of chunks) out?.write(chunk);
  for (const chunk of stderr) err?.write(chunk);
  out?.end();
  err?.end();
  return (await exited)[0] as number | null;
}

/** What Docker's copier and json-file driver make of a stream. */
function expectedLogs(bytes: Buffer): string[] {
  const logs: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const newline = bytes.indexOf(10, at);
    const end = newline === -1 ? bytes.length : newline;
    if (end - at >= PARTIAL_BYTES) {
      logs.push(decode(bytes.subarray(at, at + PARTIAL_BYTES)));
      at += PARTIAL_BYTES;
    } else {
      logs.push(decode(bytes.subarray(at, end)) + (newline === -1 ? '' : '\n'));
      at = end + 1;
    }
  }
  return logs;
}

/** UTF-8 as Go decodes it: each byte that begins no valid sequence becomes one U+FFFD. */
function decode(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length;) {
    let size = 1;
    let found: string | undefined;
    for (; size <= 4 && at + size <= bytes.length && found === undefined; size++) {
      try {
        found = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(at, at + size));
      } catch { /* not a whole character */ }
    }
    text += found ?? '\ufffd';
    at += found === undefined ? 1 : size - 1;
  }
  return text;
}

describe.skipIf(reason !== '')(`dray-logger${reason}`, () => {
  test('writes what JSON.parse reads back as Docker would have logged it, for any bytes in any pieces', async () => {
    const piece = fc.oneof(
      { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }).map((text) => Buffer.from(text)) },
      { weight: 3, arbitrary: fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)) },
      { weight: 2, arbitrary: fc.constantFrom('\n', '\n\n', '\r\n', '<&>', '\u2028\u2029', '\u{1f600}', '\x00\x1f\x7f').map((text) => Buffer.from(text)) },
      { weight: 1, arbitrary: fc.tuple(fc.constantFrom(PARTIAL_BYTES - 1, PARTIAL_BYTES, PARTIAL_BYTES + 1, 3 * PARTIAL_BYTES), fc.constantFrom('x', '\x01')).map(([size, text]) => Buffer.alloc(size, text)) },
    );
    const folder = temporaryFolder();
    let run = 0;
    await fc.assert(fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const file = path.join(folder, `${run++}.log`);
      expect(await runLogger({ driver: 'json-file', path: file }, pieces)).toBe(0);
      const records = readRecords(file);
      expect(records.map(({ log }) => log)).toEqual(expectedLogs(Buffer.concat(pieces)));
      for (const { stream, time } of records) {
        expect(stream).toBe('stdout');
        expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$/);
      }
      expect(readFileSync(file, 'utf8')).not.toMatch(/[<>&\u2028\u2029]/);
    }), { numRuns: 60 });
    rmFolder(folder);
  }, 60_000);

  test('writes the very bytes that Docker writes', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'log');
    const text = Buffer.from('a\tb"\\/<&>\u2028é\x7f\x1b\r\n');
    await runLogger({ driver: 'json-file', path: file, attrs: '{"com.example":"<x>"}', tty: '0' }, [text, Buffer.from([0xff, 0xc3])], [Buffer.from('e\n')]);
    const lines = readFileSync(file, 'utf8').split('\n').map((line) => line.replace(/"time":"[^"]*"/, '"time":""')).sort();
    expect(lines).toEqual([
      '',
      '{"log":"\\ufffd\\ufffd","stream":"stdout","attrs":{"com.example":"<x>"},"time":""}',
      '{"log":"a\\u0009b\\"\\\\/\\u003c\\u0026\\u003e\\u2028é\x7f\\u001b\\r\\n","stream":"stdout","attrs":{"com.example":"<x>"},"time":""}',
      '{"log":"e\\n","stream":"stderr","attrs":{"com.example":"<x>"},"time":""}',
    ]);
    rmFolder(folder);
  });

  test('gives the pieces of one long line one time, and a new line a time of its own', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'log');
    await runLogger({ driver: 'json-file', path: file }, [Buffer.alloc(PARTIAL_BYTES * 2, 'x'), Buffer.from('\nnext\n')]);
    const records = readRecords(file);
    expect(records.map(({ log }) => log.length)).toEqual([PARTIAL_BYTES, PARTIAL_BYTES, 1, 5]);
    expect(new Set(records.slice(0, 3).map(({ time }) => time)).size).toBe(1);
    rmFolder(folder);
  });

  test('rotates before a record when the file is full, and loses nothing while files are left', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'log');
    const lines = Array.from({ length: 500 }, (_, index) => `line ${index}\n`);
    await runLogger({ driver: 'json-file', path: file, 'max-size': '5000', 'max-file': '20' }, [Buffer.from(lines.join(''))]);
    const files: string[] = [file];
    for (let number = 1; existsSync(`${file}.${number}`); number++) files.unshift(`${file}.${number}`);
    expect(files.length).toBeGreaterThan(5);
    expect(files.flatMap((name) => readRecords(name).map(({ log }) => log))).toEqual(lines);
    for (const name of files.slice(0, -1)) {
      expect(statSync(name).size).toBeGreaterThanOrEqual(5000);
      expect(statSync(name).size).toBeLessThan(5200);
    }
    rmFolder(folder);
  });

  test('keeps max-file files, or begins the one file anew', async () => {
    const folder = temporaryFolder();
    const input = [Buffer.from(Array.from({ length: 500 }, (_, index) => `line ${index}\n`).join(''))];
    await runLogger({ driver: 'json-file', path: path.join(folder, 'three'), 'max-size': '2000', 'max-file': '3' }, input);
    expect(['three', 'three.1', 'three.2', 'three.3'].map((name) => existsSync(path.join(folder, name)))).toEqual([true, true, true, false]);
    await runLogger({ driver: 'json-file', path: path.join(folder, 'one'), 'max-size': '2000' }, input);
    expect(existsSync(path.join(folder, 'one.1'))).toBe(false);
    expect(statSync(path.join(folder, 'one')).size).toBeLessThan(2200);
    expect(readRecords(path.join(folder, 'one')).at(-1)?.log).toBe('line 499\n');
    rmFolder(folder);
  });

  test('appends to the log of an earlier run, and writes nothing with driver none', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'log');
    await runLogger({ driver: 'json-file', path: file }, [Buffer.from('one\n')]);
    await runLogger({ driver: 'json-file', path: file }, [Buffer.from('two\n')]);
    expect(readRecords(file).map(({ log }) => log)).toEqual(['one\n', 'two\n']);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(await runLogger({ driver: 'none' }, [Buffer.alloc(1 << 20, 'y')])).toBe(0);
    rmFolder(folder);
  });

  test('refuses pairs that make no sense, and descriptors that are not there', async () => {
    const folder = temporaryFolder();
    const refused = [{}, { driver: 'syslog' }, { driver: 'json-file' }, { driver: 'json-file', path: 'relative' }, { driver: 'json-file', path: `${folder}/x`, 'max-file': '0' }, { driver: 'json-file', path: `${folder}/x`, 'max-size': '10k' }, { driver: 'json-file', path: `${folder}/missing/x` }];
    for (const pairs of refused) {
      const args = Object.entries(pairs).flat();
      const child = spawn(staticBuild.logger, args, { argv0: 'dray-logger', stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
      expect((await once(child, 'exit'))[0]).toBe(1);
    }
    const bare = spawn(staticBuild.logger, ['driver', 'none'], { argv0: 'dray-logger', stdio: 'ignore' });
    expect((await once(bare, 'exit'))[0]).not.toBe(0);
    rmFolder(folder);
  });

  test('leaves whole records behind when the disk refuses more', async () => {
    const folder = temporaryFolder();
    symlinkSync('/dev/full', path.join(folder, 'full'));
    await using monitor = startMonitor(['sh', '-c', 'seq 1 1000'], { folder, stdout: loggerUri({ driver: 'json-file', path: path.join(folder, 'full') }) });
    const status = await monitor.until(({ isIoDone }) => isIoDone);
    expect(status.exit?.status).toBe(0);
    expect(status.lostBytes).toBeGreaterThan(10_000n);
  });
});

describe.skipIf(reason !== '')(`dray-logger's attach socket${reason}`, () => {
  /** A process that waits for a line on the FIFO-less route: a file that the test makes. */
  function waiting(folder: string, script: string): string[] {
    return ['sh', '-c', `while [ ! -e "$0" ]; do sleep 0.01; done; ${script}`, path.join(folder, 'go')];
  }

  test('hands every client what it asked for: frames, raw bytes, one stream or none', async () => {
    const folder = temporaryFolder();
    const socket = path.join(folder, 'attach.sock');
    const uri = loggerUri({ driver: 'json-file', path: path.join(folder, 'log'), attach: socket });
    await using monitor = startMonitor(waiting(folder, 'echo out; echo err >&2; printf rest'), { folder, stdout: uri, stderr: uri });
    await monitor.until(({ pid }) => pid !== 0);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    const clients = [attach(socket), attach(socket, { framed: false, streams: 1 }), attach(socket, { streams: 2 }), attach(socket, { streams: 0 })];
    await Promise.all(clients.map(({ ready }) => ready));
    writeFileSync(path.join(folder, 'go'), '');
    const [both, raw, err, none] = await Promise.all(clients.map(({ ended }) => ended));
    expect(demultiplex(both as Buffer)).toEqual({ stdout: Buffer.from('out\nrest'), stderr: Buffer.from('err\n') });
    expect(raw?.toString()).toBe('out\nrest');
    expect(err).toEqual(Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 4]), Buffer.from('err\n')]));
    expect(none?.length).toBe(0);
    await monitor.until(({ isIoDone }) => isIoDone);
    const late = attach(socket);
    await late.ready;
    expect((await late.ended).length).toBe(0);
    await monitor.taken();
    expect(existsSync(socket)).toBe(false);
  });

  test('moves 100 MB to a client and logs 20 MB of short lines, each byte once', async () => {
    const folder = temporaryFolder();
    const socket = path.join(folder, 'attach.sock');
    await using big = startMonitor(waiting(folder, 'head -c 100000000 /dev/zero'), { folder, stdout: loggerUri({ driver: 'none', attach: socket }) });
    await big.until(({ pid }) => pid !== 0);
    const client = attach(socket, { framed: false });
    await client.ready;
    writeFileSync(path.join(folder, 'go'), '');
    const bytes = await client.ended;
    expect(bytes.length).toBe(100_000_000);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    const log = path.join(folder, 'lines.log');
    await using lines = startMonitor(['seq', '1', '2600000'], { stdout: loggerUri({ driver: 'json-file', path: log }) });
    await lines.until(({ isIoDone }) => isIoDone);
    let count = 0;
    for (const line of readFileSync(log, 'utf8').split('\n')) {
      if (line !== '' && !line.startsWith(`{"log":"${++count}\\n"`)) throw new Error(`line ${count}: ${line}`);
    }
    expect(count).toBe(2_600_000);
  }, 60_000);

  test('pauses the process for a client that does not read, and neither loses nor repeats a byte in its log', async () => {
    const folder = temporaryFolder();
    const socket = path.join(folder, 'attach.sock');
    const log = path.join(folder, 'log');
    await using monitor = startMonitor(waiting(folder, 'seq 1 1000000'), { folder, stdout: loggerUri({ driver: 'json-file', path: log, attach: socket }) });
    await monitor.until(({ pid }) => pid !== 0);
    const slow = attach(socket, { paused: true });
    const fast = attach(socket);
    await Promise.all([slow.ready, fast.ready]);
    writeFileSync(path.join(folder, 'go'), '');
    // The log stands still once the slow client's megabyte is full; nobody has exited by then.
    let size = -1;
    while (size !== statSync(log).size || size < 1 << 20) {
      size = statSync(log).size;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect((await monitor.client()).status.exit).toBeUndefined();
    slow.socket.resume();
    const expected = Array.from({ length: 1_000_000 }, (_, index) => `${index + 1}\n`).join('');
    expect(demultiplex(await slow.ended).stdout.toString() === expected).toBe(true);
    expect(demultiplex(await fast.ended).stdout.toString() === expected).toBe(true);
    expect(readRecords(log).map(({ log: line }: LogRecord) => line).join('') === expected).toBe(true);
  }, 60_000);

  test('forgets a client that goes away, silent ones and those whose request is wrong', async () => {
    const folder = temporaryFolder();
    const socket = path.join(folder, 'attach.sock');
    await using monitor = startMonitor(waiting(folder, 'seq 1 1000000'), { folder, stdout: loggerUri({ driver: 'none', attach: socket }) });
    await monitor.until(({ pid }) => pid !== 0);
    const gone = attach(socket, { paused: true });
    const good = attach(socket, { framed: false });
    await Promise.all([gone.ready, good.ready]);
    const silent = connect(socket);
    const wrong = ['DRAYATT2\x03\x01\0\0\0\0\0\0', 'DRAYATT1\x04\x01\0\0\0\0\0\0', 'DRAYATT1\x03\x02\0\0\0\0\0\0', 'DRAYATT1\x03\x01\0\0\0\0\0\x01', 'GET / HTTP/1.1\r\n\r\n'].map((text) => {
      const client = connect(socket);
      client.on('error', () => undefined);
      client.resume();
      client.write(Buffer.from(text, 'latin1'));
      return new Promise((resolve) => client.on('close', resolve));
    });
    await Promise.all(wrong);
    writeFileSync(path.join(folder, 'go'), '');
    setTimeout(() => gone.socket.destroy(), 300);
    expect((await good.ended).length).toBe(6_888_896);
    await monitor.until(({ isIoDone }) => isIoDone);
    silent.destroy();
  });

  test('takes a client that closes only its own direction', async () => {
    const folder = temporaryFolder();
    const socket = path.join(folder, 'attach.sock');
    await using monitor = startMonitor(waiting(folder, 'echo still here'), { folder, stdout: loggerUri({ driver: 'none', attach: socket }) });
    await monitor.until(({ pid }) => pid !== 0);
    const client = connect({ path: socket, allowHalfOpen: true });
    client.end(Buffer.from('DRAYATT1\x01\x00\0\0\0\0\0\0', 'latin1'));
    const chunks: Buffer[] = [];
    client.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(client, 'data');
    writeFileSync(path.join(folder, 'go'), '');
    await once(client, 'end');
    expect(Buffer.concat(chunks).toString()).toBe('Kstill here\n');
  });

  test('is served by the standalone program too', async () => {
    const folder = temporaryFolder();
    const socket = path.join(folder, 'attach.sock');
    const child = spawn(staticBuild.logger, ['driver', 'none', 'attach', socket], { argv0: 'dray-logger', stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe', 'pipe'] });
    const exited = once(child, 'exit');
    const [, , , out, err, ready] = child.stdio as NodeJS.WritableStream[];
    (ready as unknown as NodeJS.ReadableStream).resume();
    await once(ready as unknown as NodeJS.EventEmitter, 'end');
    const client = attach(socket);
    await client.ready;
    err?.write('warning');
    await once(client.socket, 'data');
    out?.end('done');
    err?.end();
    expect(demultiplex(await client.ended)).toEqual({ stdout: Buffer.from('done'), stderr: Buffer.from('warning') });
    expect((await exited)[0]).toBe(0);
    rmFolder(folder);
  });
});
