import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statContainerPath, goFileMode } from '../archive/path-stat.ts';
import { readAccounts } from '../users/read-accounts.ts';
import { resolveInRoot } from './resolve-in-root.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'dray-root-'));
  await mkdir(join(root, 'd/s'), { recursive: true });
  await mkdir(join(root, 'etc'));
  await writeFile(join(root, 'd/f'), 'x');
  await symlink('/d', join(root, 'abs'));
  await symlink('../../../../d/f', join(root, 'd/up'));
  await symlink('/etc/passwd', join(root, 'd/out'));
  await symlink('loop2', join(root, 'loop1'));
  await symlink('loop1', join(root, 'loop2'));
  await symlink('/../../../../etc/hostname', join(root, 'etc/passwd'));
});
afterAll(() => rm(root, { recursive: true }));

describe('resolveInRoot()', () => {
  it.each([
    ['/', '/', true], ['/d/f', '/d/f', true], ['d/./s/../f', '/d/f', true], ['/abs/f', '/d/f', true], ['/d/up', '/d/f', true], ['/../../../d', '/d', true], ['/d/nope', '/d/nope', false],
    ['/nope/../d', '/d', false], ['/d/out', '/etc/hostname', false], ['/d/f/x', '/d/f/x', false],
  ])('%s leads to %s', async (path, inner, exists) => {
    expect(await resolveInRoot(root, path)).toEqual({ hostPath: join(root, inner).replace(/\/$/, ''), innerPath: inner, exists });
  });

  it('leaves the last link alone when told', async () => {
    expect(await resolveInRoot(root, '/abs', { followLast: false })).toMatchObject({ innerPath: '/abs', exists: true });
    expect(await resolveInRoot(root, '/abs/up', { followLast: false })).toMatchObject({ innerPath: '/d/up', exists: true });
    expect(await resolveInRoot(root, '/nope', { followLast: false })).toMatchObject({ exists: false });
  });

  it('gives up on links that go round', async () => {
    await expect(resolveInRoot(root, '/loop1')).rejects.toMatchObject({ code: 'ELOOP' });
  });

  it('reads no account file of the host through a link', async () => {
    expect(await readAccounts(root)).toEqual({ passwd: '', group: '' });
  });
});

describe('statContainerPath()', () => {
  it.each([['/d', 'd', true], ['/d/', 'd', true], ['/d/.', '.', true], ['/abs', 'abs', false], ['/abs/', 'abs', true], ['/', '/', true], ['/.', '.', true], ['d/f', 'f', false]])('%s is called %s', async (path, name, isDirectory) => {
    expect(await statContainerPath(root, path, 'web')).toMatchObject({ archiveName: name, isDirectory, stat: { name } });
  });

  it('tells a link and where it leads inside', async () => {
    expect((await statContainerPath(root, '/d/up', 'web')).stat).toMatchObject({ linkTarget: '/d/f', mode: 0o777 + 2 ** 27 });
  });

  it('says what is missing in Docker\'s words', async () => {
    for (const path of ['/nope', '/d/f/']) await expect(statContainerPath(root, path, 'web')).rejects.toThrow(`Could not find the file ${path} in container web`);
    await expect(statContainerPath(root, '', 'web')).rejects.toThrow('path cannot be empty');
  });

  it('writes modes as Go does', () => {
    expect(goFileMode(0o040755)).toBe(2_147_484_141);
    expect(goFileMode(0o104755)).toBe(0o755 + 2 ** 23);
    expect(goFileMode(0o041777)).toBe(2 ** 31 + 2 ** 20 + 0o777);
    expect(goFileMode(0o020666)).toBe(2 ** 26 + 2 ** 21 + 0o666);
  });
});
