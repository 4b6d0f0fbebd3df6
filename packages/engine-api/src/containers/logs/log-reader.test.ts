import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedTime, parseLogLine } from './log-line.ts';
import { readLog, type LogRequest } from './log-reader.ts';

let folder = '';
let path = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-log-'));
  path = join(folder, 'x-json.log');
});
afterEach(() => rm(folder, { recursive: true }));

const line = (log: string, options: { stream?: string; time?: string } = {}): string => `${JSON.stringify({ log, stream: options.stream ?? 'stdout', time: options.time ?? '2026-01-01T00:00:00.5Z' })}\n`;
const view = { stdout: true, stderr: true, timestamps: false, details: false, isFramed: false, since: undefined, until: undefined };
const request = (changes: Partial<LogRequest> = {}): LogRequest => ({ path, view, tail: undefined, follow: undefined, signal: new AbortController().signal, ...changes });
const read = async (changes: Partial<LogRequest> = {}): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of readLog(request(changes))) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('latin1');
};

describe('parseLogLine()', () => {
  it('reads what JSON.stringify writes, byte for byte', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, isStderr) => {
      const well = text.toWellFormed();
      const entry = parseLogLine(Buffer.from(JSON.stringify({ log: well, stream: isStderr ? 'stderr' : 'stdout', time: '2026-01-01T00:00:00.123456789Z' })));
      expect(entry?.payload.toString()).toBe(well);
      expect(entry).toMatchObject({ isStderr, time: '2026-01-01T00:00:00.123456789Z' });
    }));
  });

  it('agrees with a JSON parser on every line, and skips what is none', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const broken = Buffer.concat([Buffer.from('{"log":"'), bytes, Buffer.from('","stream":"stdout","time":"2026-01-01T00:00:00Z"}')]);
      const entry = parseLogLine(broken);
      let expected: unknown;
      try {
        expected = (JSON.parse(broken.toString()) as { log: unknown }).log;
      } catch {
        expected = undefined;
      }
      if (typeof expected === 'string') expect(entry?.payload.toString()).toBe(expected);
    }));
    for (const text of ['', '{}', 'null', 'garbage', '{"log":1}']) expect(parseLogLine(Buffer.from(text))).toBeUndefined();
  });

  it('reads escapes and surrogate pairs', () => {
    const escaped = String.raw`{"log":"\u0041\u00e9\ud83d\ude00\\\"\/\b\f\n\r\t","stream":"stderr","time":"2026-01-01T00:00:00Z"}`;
    expect(parseLogLine(Buffer.from(escaped))?.payload.toString()).toBe('Aé😀\\"/\b\f\n\r\t');
  });

  it('reads lines with attributes', () => {
    expect(parseLogLine(Buffer.from('{"log":"x\\n","stream":"stdout","attrs":{"a":"b"},"time":"2026-01-01T00:00:00Z"}'))?.attributes).toEqual({ a: 'b' });
  });
});

describe('readLog()', () => {
  it('gives raw bytes, or frames by stream', async () => {
    await writeFile(path, line('out\n') + line('err\n', { stream: 'stderr' }));
    expect(await read()).toBe('out\nerr\n');
    expect(await read({ view: { ...view, isFramed: true } })).toBe('\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x04err\n');
    expect(await read({ view: { ...view, stdout: false } })).toBe('err\n');
  });

  it('puts the time with nine digits, then the attributes, before a line', async () => {
    await writeFile(path, '{"log":"x\\n","stream":"stdout","attrs":{"b":"2","a":"1"},"time":"2026-01-01T00:00:00.5Z"}\n');
    expect(await read({ view: { ...view, timestamps: true, details: true } })).toBe('2026-01-01T00:00:00.500000000Z a=1,b=2 x\n');
  });

  it('keeps to since and until, both inclusive', async () => {
    await writeFile(path, ['1', '2', '3', '4'].map((n) => line(`${n}\n`, { time: `2026-01-01T00:00:0${n}Z` })).join(''));
    expect(await read({ view: { ...view, since: fixedTime('2026-01-01T00:00:02Z'), until: fixedTime('2026-01-01T00:00:03Z') } })).toBe('2\n3\n');
  });

  it('counts the tail over rotated files, compressed ones included', async () => {
    await writeFile(`${path}.2.gz`, gzipSync(line('1\n') + line('2\n')));
    await writeFile(`${path}.1`, line('3\n') + line('4\n'));
    await writeFile(path, line('5\n'));
    expect(await read()).toBe('1\n2\n3\n4\n5\n');
    for (const [tail, text] of [[0, ''], [1, '5\n'], [2, '4\n5\n'], [3, '3\n4\n5\n'], [4, '2\n3\n4\n5\n'], [99, '1\n2\n3\n4\n5\n']] as const) expect(await read({ tail })).toBe(text);
  });

  it('finds the last lines of any log', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.string({ maxLength: 400 }), { maxLength: 30 }), fc.nat(35), async (texts, tail) => {
      await writeFile(path, texts.map((text) => line(`${text.toWellFormed()}\n`)).join(''));
      const expected = tail === 0 ? '' : texts.slice(-tail).map((text) => `${text.toWellFormed()}\n`).join('');
      expect(Buffer.from(await read({ tail }), 'latin1').toString()).toBe(expected);
    }), { numRuns: 60 });
  });

  it('leaves a line out that is not finished, and a file that is not there reads as empty', async () => {
    expect(await read()).toBe('');
    await writeFile(path, line('whole\n') + '{"log":"half');
    expect(await read()).toBe('whole\n');
  });

  it('follows lines, unfinished ones and rotation until the container stops', async () => {
    await writeFile(path, line('1\n'));
    const stopped = Promise.withResolvers<void>();
    const reader = readLog(request({ follow: stopped.promise }));
    const next = async (): Promise<string> => String((await reader.next()).value);
    expect(await next()).toBe('1\n');
    const second = line('2\n');
    await appendFile(path, second.slice(0, 10));
    await appendFile(path, second.slice(10));
    expect(await next()).toBe('2\n');
    await appendFile(path, line('3\n'));
    await rename(path, `${path}.1`);
    await writeFile(path, line('4\n'));
    let rest = await next();
    while (!rest.endsWith('4\n')) rest += await next();
    expect(rest).toBe('3\n4\n');
    await appendFile(path, line('5\n'));
    stopped.resolve();
    let last = '';
    for await (const chunk of reader) last += chunk.toString();
    expect(last).toBe('5\n');
  });

  it('follows a log that is not there yet, and stops when the client goes away', async () => {
    const client = new AbortController();
    const reader = readLog(request({ follow: new Promise(() => undefined), signal: client.signal }));
    const first = reader.next();
    await writeFile(path, line('late\n'));
    expect(String((await first).value)).toBe('late\n');
    const end = reader.next();
    client.abort();
    expect((await end).done).toBe(true);
  });
});
