import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeTarEnd, encodeTarHeader, readTar, tarPadding } from '@dray/oci-image';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { layersOf } from './archive-root.ts';
import { listChanges } from './changes.ts';
import { giveTo, movedPath, moveEntries, nameFromRoot } from './rebase-tar.ts';

async function* archive(...entries: { path: string; type?: 'file' | 'directory' | 'hardlink'; linkPath?: string; text?: string }[]): AsyncGenerator<Uint8Array> {
  for (const { path, type = 'file', linkPath = '', text = '' } of entries) {
    yield encodeTarHeader({ type, path, linkPath, size: Buffer.byteLength(text), uid: 7, gid: 8 });
    if (text !== '') yield Buffer.concat([Buffer.from(text), tarPadding(Buffer.byteLength(text))]);
  }
  yield encodeTarEnd();
}

async function list(source: AsyncIterable<Uint8Array>): Promise<string[]> {
  const lines: string[] = [];
  for await (const { header, body } of readTar(source)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk.slice());
    lines.push(`${header.path}${header.linkPath === '' ? '' : `>${header.linkPath}`}:${header.uid}:${Buffer.concat(chunks).toString()}`);
  }
  return lines;
}

describe('archives on their way', () => {
  const sample = () => archive({ path: './', type: 'directory' }, { path: 'a/b', text: 'hi' }, { path: './c', type: 'hardlink', linkPath: 'a/b' });

  it('move below a folder, hard links too', async () => {
    expect(await list(moveEntries(sample(), 'x/y', () => Promise.resolve()))).toEqual(['x/y:7:', 'x/y/a/b:7:hi', 'x/y/c>x/y/a/b:7:']);
    expect(await list(moveEntries(sample(), '', () => Promise.resolve()))).toEqual(['./:7:', 'a/b:7:hi', 'c>a/b:7:']);
  });

  it('are named from the root', async () => expect(await list(nameFromRoot(sample()))).toEqual(['/:7:', '/a/b:7:hi', '/c>/a/b:7:']));
  it('belong to another', async () => expect(await list(giveTo(sample(), { uid: 1, gid: 2 }))).toEqual(['./:1:', 'a/b:1:hi', './c>a/b:1:']));

  it('never leave their folder', () => {
    expect(() => movedPath('a/../../b', 'x')).toThrow('"a/../../b" is outside of "/x"');
    expect(movedPath('/a/./b/..//c', 'x')).toBe('x/a/c');
    fc.assert(fc.property(fc.array(fc.constantFrom('..', '.', '', 'a', 'b')).map((names) => names.join('/')), (path) => {
      try {
        expect(`${movedPath(path, 'x')}/`.startsWith('x/')).toBe(true);
      } catch (err) {
        expect(err).toMatchObject({ code: 'ENTRY_OUTSIDE' });
      }
    }));
  });
});

describe('listChanges()', () => {
  it('tells added from modified', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dray-changes-'));
    const [upper, top, bottom] = [join(folder, 'upper'), join(folder, 'top'), join(folder, 'bottom')];
    await Promise.all([mkdir(join(upper, 'etc'), { recursive: true }), mkdir(join(top, 'new'), { recursive: true }), mkdir(join(bottom, 'etc'), { recursive: true })]);
    await Promise.all([writeFile(join(upper, 'etc/old'), '2'), writeFile(join(upper, 'etc/added'), ''), writeFile(join(bottom, 'etc/old'), '1'), writeFile(join(upper, 'z'), '')]);
    expect(await listChanges({ upper, lowers: [top, bottom] })).toEqual([{ Path: '/etc', Kind: 0 }, { Path: '/etc/added', Kind: 1 }, { Path: '/etc/old', Kind: 0 }, { Path: '/z', Kind: 1 }]);
    await rm(folder, { recursive: true });
  });

  it('finds the layers in an overlay mount only', () => {
    expect(layersOf([{ type: 'overlay', source: 'overlay', options: ['workdir=/w', 'upperdir=/u', 'lowerdir=/a:/b'] }])).toEqual({ upper: '/u', lowers: ['/a', '/b'] });
    expect(layersOf([{ type: 'bind', source: '/x', options: ['rbind'] }])).toBeUndefined();
  });
});
