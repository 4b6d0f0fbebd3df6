import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shimCommand } from './shim-script.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dray-shim-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('shimCommand()', () => {
  it.each(['#!/usr/bin/env node\n', '#!/usr/bin/env -S node --flag\n', '#!/opt/node/bin/node\n'])('runs a script that begins with %j on its own Node', (line) => {
    const path = join(folder, 'shim');
    writeFileSync(path, `${line}console.log(1);`);
    expect(shimCommand(path)).toEqual({ file: process.execPath, args: [path] });
  });

  it.each(['\x7fELF', '#!/bin/sh\nexec node x', '#!/usr/bin/env nodejs-like\n', ''])('runs a file that begins with %j by itself', (start) => {
    const path = join(folder, 'shim');
    writeFileSync(path, start);
    expect(shimCommand(path)).toEqual({ file: path, args: [] });
  });
});
