import { DatabaseSync } from 'node:sqlite';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from './database.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dray-metadata-'));
  path = join(folder, 'metadata', 'meta.db');
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('openDatabase()', () => {
  it('keeps what was committed', () => {
    {
      using database = openDatabase(path);
      database.transaction(() => database.prepare('INSERT INTO namespaces (name) VALUES ($name)').run({ name: 'a' }));
    }
    using database = openDatabase(path);
    expect(database.prepare('SELECT name FROM namespaces').all()).toEqual([{ name: 'a' }]);
  });

  it('undoes a transaction that throws, and the outer one of a nested one', () => {
    using database = openDatabase(path);
    const insert = database.prepare('INSERT INTO namespaces (name) VALUES ($name)');
    expect(() =>
      database.transaction(() => {
        insert.run({ name: 'outer' });
        database.transaction(() => {
          insert.run({ name: 'inner' });
          throw new Error('no');
        });
      }),
    ).toThrow('no');
    expect(database.prepare('SELECT name FROM namespaces').all()).toEqual([]);
  });

  it('refuses a transaction that awaits', () => {
    using database = openDatabase(path);
    expect(() => database.transaction(() => Promise.resolve())).toThrow('must not await');
  });

  it('refuses a second daemon on the same root', () => {
    using _first = openDatabase(path);
    expect(() => openDatabase(path)).toThrow(`root directory "${folder}" is in use by another dray-containerd`);
  });

  it('refuses a store of a newer version with a line that says what to do', () => {
    openDatabase(path)[Symbol.dispose]();
    const sqlite = new DatabaseSync(path);
    sqlite.exec('PRAGMA user_version=99');
    sqlite.close();
    expect(() => openDatabase(path)).toThrow(/has version 99, this dray-containerd knows versions up to \d+: start a newer one or use another --root/);
  });

  it('refuses a file that is no store', () => {
    mkdirSync(join(folder, 'metadata'));
    writeFileSync(path, 'this is not a database, but it is long enough to look like one at first sight'.repeat(100));
    expect(() => openDatabase(path)).toThrow(/cannot open metadata store/);
  });
});
