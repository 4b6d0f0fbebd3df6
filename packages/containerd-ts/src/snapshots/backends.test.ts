import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NativeBackend } from './native-backend.ts';
import { OverlayBackend } from './overlay-backend.ts';
import type { SnapshotBackend, SnapshotKind, SnapshotPlace } from './snapshot.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'dray-snapshots-'));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function place(number: bigint, kind: SnapshotKind, ...parents: bigint[]): SnapshotPlace {
  return { number, kind, parents };
}

describe('OverlayBackend', () => {
  const folder = (number: number): string => join(root, 'snapshots', String(number));

  it.each([
    ['an active snapshot without parent', place(1n, 'active'), { type: 'bind', options: ['rw', 'rbind'] }],
    ['a view without parent', place(1n, 'view'), { type: 'bind', options: ['ro', 'rbind'] }],
  ])('mounts %s by bind', (_, wanted, mount) => {
    expect(new OverlayBackend({ root }).mounts(wanted)).toEqual([{ source: join(folder(1), 'fs'), target: '', ...mount }]);
  });

  it('mounts as containerd does, byte for byte', () => {
    const backend = new OverlayBackend({ root, hasIndexOption: true });
    expect(backend.mounts(place(3n, 'active', 2n, 1n))).toEqual([
      { type: 'overlay', source: 'overlay', target: '', options: ['index=off', `workdir=${folder(3)}/work`, `upperdir=${folder(3)}/fs`, `lowerdir=${folder(2)}/fs:${folder(1)}/fs`] },
    ]);
    expect(backend.mounts(place(3n, 'view', 2n))).toEqual([{ type: 'bind', source: `${folder(2)}/fs`, target: '', options: ['ro', 'rbind'] }]);
    expect(backend.mounts(place(3n, 'view', 2n, 1n))).toEqual([{ type: 'overlay', source: 'overlay', target: '', options: ['index=off', `lowerdir=${folder(2)}/fs:${folder(1)}/fs`] }]);
    expect(new OverlayBackend({ root, hasIndexOption: false }).mounts(place(3n, 'view', 2n, 1n))[0]?.options).toEqual([`lowerdir=${folder(2)}/fs:${folder(1)}/fs`]);
  });

  it('makes fs and work, and only fs for a view', async () => {
    const backend = new OverlayBackend({ root });
    backend.create(place(1n, 'active'));
    backend.create(place(2n, 'view', 1n));
    expect(readdirSync(folder(1)).sort()).toEqual(['fs', 'work']);
    expect(readdirSync(folder(2))).toEqual(['fs']);
    expect(backend.list()).toEqual([1n, 2n]);
    await backend.remove(1n);
    expect(existsSync(folder(1))).toBe(false);
    expect(backend.list()).toEqual([2n]);
  });
});

describe('NativeBackend', () => {
  it('gives an active snapshot a copy of its parent', async () => {
    const backend = new NativeBackend({ root });
    await backend.create(place(1n, 'active'));
    const [base] = backend.mounts(place(1n, 'active'));
    writeFileSync(join(base?.source ?? '', 'file'), 'from the parent');
    await backend.create(place(2n, 'active', 1n));
    const [child] = backend.mounts(place(2n, 'active', 1n));
    expect(child?.options).toEqual(['rw', 'rbind']);
    expect(readFileSync(join(child?.source ?? '', 'file'), 'utf8')).toBe('from the parent');
    writeFileSync(join(child?.source ?? '', 'file'), 'changed');
    expect(readFileSync(join(base?.source ?? '', 'file'), 'utf8')).toBe('from the parent');
  });

  it('shows the parent in a view', async () => {
    const backend = new NativeBackend({ root });
    await backend.create(place(1n, 'active'));
    await backend.create(place(2n, 'view', 1n));
    expect(backend.mounts(place(2n, 'view', 1n))).toEqual([{ type: 'bind', source: join(root, 'snapshots', '1'), target: '', options: ['ro', 'rbind'] }]);
  });
});

describe.each<[string, () => SnapshotBackend]>([
  ['OverlayBackend', () => new OverlayBackend({ root })],
  ['NativeBackend', () => new NativeBackend({ root })],
])('%s', (_, create) => {
  it('measures the files of the snapshot itself, hard links once', async () => {
    const backend = create();
    await backend.create(place(1n, 'active'));
    const folder = backend.mounts(place(1n, 'active'))[0]?.source ?? '';
    const empty = await backend.usage(place(1n, 'active'));
    writeFileSync(join(folder, 'a'), Buffer.alloc(100_000, 1));
    const { linkSync } = await import('node:fs');
    linkSync(join(folder, 'a'), join(folder, 'b'));
    const full = await backend.usage(place(1n, 'active'));
    expect(full.inodes - empty.inodes).toBe(1n);
    expect(full.size - empty.size).toBeGreaterThanOrEqual(100_000n);
  });

  it('finishes a removal that was interrupted, and forgives one that was done', async () => {
    const backend = create();
    await backend.create(place(5n, 'active'));
    const { renameSync } = await import('node:fs');
    renameSync(join(root, 'snapshots', '5'), join(root, 'snapshots', 'rm-5'));
    expect(backend.list()).toEqual([5n]);
    await backend.remove(5n);
    await backend.remove(5n);
    expect(readdirSync(join(root, 'snapshots'))).toEqual([]);
  });
});
