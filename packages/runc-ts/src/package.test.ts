import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { VERSION } from './version.ts';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string; dependencies: Record<string, string> };

describe('package.json', () => {
  it('has the version that the command prints', () => {
    expect(VERSION).toBe(manifest.version);
  });

  it('depends on nothing but libcontainer', () => {
    expect(Object.keys(manifest.dependencies)).toEqual(['@dray/libcontainer']);
  });
});
