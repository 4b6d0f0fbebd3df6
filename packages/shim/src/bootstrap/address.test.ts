import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { groupOf, socketPath } from './address.ts';

test('socketPath() hashes containerd\'s address, the namespace and the group as the original does', () => {
  // printf '/run/containerd/containerd.sock/default/test' | sha256sum
  expect(socketPath({ grpcAddress: '/run/containerd/containerd.sock', namespace: 'default', group: 'test' })).toBe('/run/containerd/s/cfa94b04d543b3f64f78eff8125c7a7cd0903173f673d87367be72ff09fc92c2');
  expect(socketPath({ folder: '/x', grpcAddress: '/a', namespace: 'n', group: 'g' })).toMatch(/^\/x\/[0-9a-f]{64}$/);
});

describe('groupOf()', () => {
  function withSpec(spec: string): string {
    const folder = mkdtempSync(path.join(tmpdir(), 'dray-group-'));
    try {
      writeFileSync(path.join(folder, 'config.json'), spec);
      return groupOf(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test('is one for the whole namespace', () => {
    expect(withSpec('{}')).toBe('dray');
    expect(withSpec('{"annotations":{"io.kubernetes.cri.sandbox-id":"x"}}')).toBe('dray');
  });

  test('is what the annotation demands', () => {
    expect(withSpec('{"annotations":{"io.containerd.runc.v2.group":"mine"}}')).toBe('mine');
    for (const odd of ['[]', 'null', '{"annotations":[]}', '{"annotations":{"io.containerd.runc.v2.group":7}}', '{"annotations":{"io.containerd.runc.v2.group":""}}']) expect(withSpec(odd)).toBe('dray');
  });
});
