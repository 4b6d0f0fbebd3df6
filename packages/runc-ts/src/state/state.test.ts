import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isAlive, parseProcessStat, readProcessStat } from './process-stat.ts';
import { createRecord, timestamp } from './record.ts';
import { openStore, type StateStore } from './store.ts';

describe('parseProcessStat()', () => {
  it('is not misled by a name with spaces and parentheses', () => {
    expect(parseProcessStat(`12 (a) S 1 (b) R 7 ${Array.from({ length: 16 }, (_none, index) => index).join(' ')} 0 4242 1 2`)).toEqual({ state: 'R', ppid: 7, startTime: 4242 });
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => { parseProcessStat(text); }));
  });
});

describe('isAlive()', () => {
  it('tells a process from another one that got its pid', () => {
    const start = readProcessStat(process.pid)?.startTime ?? 0;
    expect([isAlive(process.pid, start), isAlive(process.pid, start + 1), isAlive(0, 0), isAlive(2 ** 30, start)]).toEqual([true, false, false, false]);
  });
});

describe('timestamp()', () => {
  it('writes as many digits as it takes', () => {
    expect(timestamp(1_700_000_000_000)).toBe('2023-11-14T22:13:20Z');
    expect(timestamp(1_700_000_000_120)).toBe('2023-11-14T22:13:20.12Z');
    expect(timestamp()).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
  });
});

describe('openStore()', () => {
  let root: string;
  let store: StateStore;

  beforeEach(() => {
    root = join(mkdtempSync(join(tmpdir(), 'runc-ts-store-')), 'deep', 'root');
    store = openStore(root);
  });

  afterEach(() => {
    rmSync(join(root, '..', '..'), { recursive: true });
  });

  it('makes nothing before the first container', () => {
    expect(store.ids()).toEqual([]);
    expect(() => store.load('x')).toThrow(expect.objectContaining({ code: 'NO_CONTAINER', message: 'container does not exist' }));
  });

  it('reserves an id once', () => {
    store.reserve('x');
    expect(() => store.reserve('x')).toThrow(expect.objectContaining({ code: 'CONTAINER_EXISTS', message: 'container with given ID already exists' }));
    store.remove('x');
    store.reserve('x');
  });

  it('keeps limits that do not fit into a double, and leaves no temporary file', () => {
    store.reserve('x');
    const process = { user: { uid: 0, gid: 0 }, cwd: '/', rlimits: [{ type: 'RLIMIT_CORE', hard: 18446744073709551615n, soft: 1n }] };
    store.save(createRecord({ id: 'x', pid: 5, startTime: 6, spec: { ociVersion: '1.0.2', process, annotations: { k: 'v' } }, bundle: '/b', rootfs: '/b/rootfs', cgroupPaths: {}, isRootless: false, noNewKeyring: false, descriptors: [] }));
    const record = store.load('x');
    expect(record).toMatchObject({ init_process_pid: 5, init_process_start: 6, config: { labels: ['k=v', 'bundle=/b'] } });
    expect(record.dray.process?.rlimits?.[0]?.hard).toBe(18446744073709551615n);
    expect(readdirSync(store.directory('x'))).toEqual(['state.json']);
  });

  it.each(['{', '[]', '{"id":"x"}', '{"id":"x","cgroup_paths":{},"dray":{"version":2}}'])('refuses a state of %j', (text) => {
    mkdirSync(join(root, 'x'), { recursive: true });
    writeFileSync(join(root, 'x', 'state.json'), text);
    expect(() => store.load('x')).toThrow(expect.objectContaining({ name: 'RuncError' }));
  });

  it('never follows an id out of its root', () => {
    expect(() => store.load('../x')).toThrow(expect.objectContaining({ code: 'INVALID_ID' }));
  });
});
