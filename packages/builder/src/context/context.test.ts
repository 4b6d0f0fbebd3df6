import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { takeDockerfile } from './build-context.ts';
import { leavesRoot, scopedPath } from './scoped-path.ts';
import { contextTree, diskTree, findSources, sumOfAll } from './source-tree.ts';

let folder = '';
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-context-'));
  fs.mkdirSync(path.join(folder, 'root/sub'), { recursive: true });
  fs.writeFileSync(path.join(folder, 'outside'), 'secret');
  fs.writeFileSync(path.join(folder, 'root/sub/file'), 'x');
  fs.symlinkSync('../../outside', path.join(folder, 'root/sub/up'));
  fs.symlinkSync('/sub/file', path.join(folder, 'root/absolute'));
  fs.symlinkSync('loop', path.join(folder, 'root/loop'));
});
afterAll(() => { fs.rmSync(folder, { recursive: true }); });

describe('scopedPath()', () => {
  it('follows links inside the root and never out of it', () => {
    const root = path.join(folder, 'root');
    expect(scopedPath(root, 'absolute')).toMatchObject({ path: 'sub/file' });
    expect(scopedPath(root, 'sub/up')).toMatchObject({ path: 'outside', stat: undefined });
    expect(scopedPath(root, '../../outside').hostPath).toBe(path.join(root, 'outside'));
    expect(() => scopedPath(root, 'loop')).toThrow('too many levels of symbolic links');
  });

  it('stays below the root, whatever the path', () => {
    const root = path.join(folder, 'root');
    const part = fc.constantFrom('..', '.', '', 'sub', 'up', 'absolute', 'file', 'new');
    fc.assert(fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      expect(`${scopedPath(root, parts.join('/')).hostPath}/`.startsWith(`${root}/`)).toBe(true);
    }));
  });
});

describe('leavesRoot()', () => {
  it.each([['../x', true], ['a/../../x', true], ['a/../x', false], ['/x', false], ['..', true], ['..x', false], ['', false]])('says of %j: %s', (text, wanted) => {
    expect(leavesRoot(text)).toBe(wanted);
  });
});

describe('findSources()', () => {
  it('finds by wildcards and knows folders by what is in them', async () => {
    const tree = contextTree({ root: path.join(folder, 'root'), sums: new Map([['sub', 'a'], ['sub/file', 'b'], ['sub/up', 'c']]) });
    expect((await findSources(tree, 's*/f?le', { mayUnpack: true })).map(({ name, sum }) => [name, sum])).toEqual([['sub/file', 'file:b']]);
    const [whole] = await findSources(tree, 'sub', { mayUnpack: true });
    expect(whole?.sum).toMatch(/^dir:[0-9a-f]{64}$/);
    expect(sumOfAll(whole === undefined ? [] : [whole, whole])).toMatch(/^multi:[0-9a-f]{64}$/);
    await expect(findSources(tree, 'absent', { mayUnpack: true })).rejects.toThrow('stat absent: file does not exist');
    expect(await findSources(tree, 'absent*', { mayUnpack: true })).toEqual([]);
  });

  it('knows a changed file on disk as another', async () => {
    const root = path.join(folder, 'root');
    const before = (await findSources(diskTree(root), 'sub/file', { mayUnpack: true }))[0]?.sum;
    fs.writeFileSync(path.join(root, 'sub/file'), 'y');
    expect((await findSources(diskTree(root), 'sub/file', { mayUnpack: true }))[0]?.sum).not.toBe(before);
  });
});

describe('takeDockerfile()', () => {
  it('uses a Dockerfile that .dockerignore leaves out, and takes it away', async () => {
    const root = path.join(folder, 'ignored');
    fs.mkdirSync(root);
    fs.writeFileSync(path.join(root, 'Dockerfile'), 'FROM x');
    fs.writeFileSync(path.join(root, 'kept'), '');
    fs.writeFileSync(path.join(root, '.dockerignore'), '*');
    expect(await takeDockerfile({ root, sums: new Map() }, '')).toEqual({ name: 'Dockerfile', source: 'FROM x' });
    expect(fs.readdirSync(root)).toEqual(['kept']);
    await expect(takeDockerfile({ root, sums: new Map() }, '')).rejects.toMatchObject({ code: 'NO_DOCKERFILE', message: 'Cannot locate specified Dockerfile: Dockerfile' });
    await expect(takeDockerfile({ root, sums: new Map() }, '../x')).rejects.toThrow('forbidden path outside the build context: ../x ()');
  });
});
