import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseTaskRecord, readTaskRecord, removeTaskRecord, TASK_RECORD_VERSION, writeTaskRecord, type TaskRecord } from './task-record.ts';

const processRecord = fc.record({
  id: fc.string(), phase: fc.constantFrom('creating', 'created', 'starting', 'running', 'stopped'), pid: fc.nat(), spec: fc.string(), isExitPublished: fc.boolean(),
  stdio: fc.record({ terminal: fc.boolean(), stdin: fc.string(), stdout: fc.string(), stderr: fc.string() }),
  exit: fc.option(fc.record({ status: fc.nat(255), atNanos: fc.bigInt({ min: 0n, max: 2n ** 63n }).map(String) }), { nil: undefined }),
});
const taskRecord = fc.record({
  version: fc.constant(TASK_RECORD_VERSION), id: fc.string(), namespace: fc.string(), group: fc.string(), hasRootfsMount: fc.boolean(), isPaused: fc.boolean(), init: processRecord, execs: fc.array(processRecord, { maxLength: 3 }),
  runtime: fc.record({ binary: fc.string(), root: fc.string(), systemdCgroup: fc.boolean(), noPivotRoot: fc.boolean(), noNewKeyring: fc.boolean(), ioUid: fc.nat(), ioGid: fc.nat() }),
});

describe('a task record', () => {
  test('comes back from its text as it was', () => {
    fc.assert(fc.property(taskRecord, (record) => {
      expect(parseTaskRecord(JSON.stringify(record))).toEqual(record);
    }));
  });

  test('is refused with STATE_FILE when its text is anything else', () => {
    fc.assert(fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      expect(() => parseTaskRecord(text)).toThrow(expect.objectContaining({ code: 'STATE_FILE' }));
    }));
    fc.assert(fc.property(taskRecord, fc.constantFrom('id', 'runtime', 'init', 'execs', 'version', 'isPaused'), fc.jsonValue(), (record, key, value) => {
      try {
        parseTaskRecord(JSON.stringify({ ...record, [key]: value }));
      } catch (error) {
        expect(error).toMatchObject({ code: 'STATE_FILE' });
      }
    }));
  });

  test('is written whole, read, and taken away', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'dray-record-'));
    try {
      expect(readTaskRecord(folder)).toBeUndefined();
      const record = fc.sample(taskRecord, 1)[0] as TaskRecord;
      writeTaskRecord(folder, record);
      expect(readTaskRecord(folder)).toEqual(JSON.parse(JSON.stringify(record)));
      expect(readdirSync(folder)).toEqual(['dray-task.json']);
      writeFileSync(path.join(folder, 'dray-task.json'), '{"version":99}\n');
      expect(() => readTaskRecord(folder)).toThrow('version 99, want 1');
      removeTaskRecord(folder);
      removeTaskRecord(folder);
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('that was being written when its shim was killed at any byte reads as the one before, and can be written again', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'dray-record-'));
    const file = path.join(folder, 'dray-task.json');
    const normal = (record: TaskRecord): unknown => JSON.parse(JSON.stringify(record));
    try {
      fc.assert(fc.property(taskRecord, taskRecord, taskRecord, fc.double({ min: 0, max: 1, noNaN: true }), (first, second, third, part) => {
        rmSync(file, { force: true });
        writeTaskRecord(folder, first as TaskRecord);
        const { size } = statSync(file);
        writeTaskRecord(folder, second as TaskRecord);
        const bytes = readFileSync(file);
        const cut = size + Math.floor((bytes.length - size - 1) * part);
        writeFileSync(file, bytes.subarray(0, cut));
        expect(readTaskRecord(folder)).toEqual(normal(first as TaskRecord));
        writeTaskRecord(folder, third as TaskRecord);
        expect(readTaskRecord(folder)).toEqual(normal(third as TaskRecord));
        writeFileSync(file, bytes.subarray(0, Math.floor((size - 1) * part)));
        expect(readTaskRecord(folder)).toBeUndefined();
      }));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('that changes often does not let its file grow without end', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'dray-record-'));
    try {
      const record = fc.sample(taskRecord, 1)[0] as TaskRecord;
      for (let change = 0; change < 40; change++) writeTaskRecord(folder, { ...record, group: String(change).repeat(10_000) });
      expect(readTaskRecord(folder)?.group).toBe('39'.repeat(10_000));
      expect(statSync(path.join(folder, 'dray-task.json')).size).toBeLessThan(400 * 1024);
      expect(readdirSync(folder)).toEqual(['dray-task.json']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
