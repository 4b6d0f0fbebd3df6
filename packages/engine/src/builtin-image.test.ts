import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readTar } from '@dray/oci-image';
import { expect, it } from 'vitest';
import { builtinImageArchive } from './builtin-image.ts';

it('builtinImageArchive() is a docker save archive whose layer holds the program, the same every time', async () => {
  const program = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'dray-builtin-')), 'program');
  fs.writeFileSync(program, 'not really a program');
  const [first, second] = [await filesOf(builtinImageArchive(program, 'dray/hello:latest')), await filesOf(builtinImageArchive(program, 'dray/hello:latest'))];
  expect(first).toEqual(second);
  const [{ Config: config, RepoTags: tags, Layers: layers }] = JSON.parse(first.get('manifest.json')?.toString() ?? '') as [{ Config: string; RepoTags: string[]; Layers: string[] }];
  expect(tags).toEqual(['dray/hello:latest']);
  const layer = first.get(layers[0] ?? '') ?? Buffer.alloc(0);
  const { rootfs } = JSON.parse(first.get(config)?.toString() ?? '') as { rootfs: { diff_ids: string[] } };
  expect(rootfs.diff_ids).toEqual([`sha256:${createHash('sha256').update(layer).digest('hex')}`]);
  expect((await filesOf([layer])).get('hello')?.toString()).toBe('not really a program');
  fs.rmSync(path.dirname(program), { recursive: true });
});

async function filesOf(archive: AsyncIterable<Uint8Array> | Uint8Array[]): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const source = (async function* chunks(): AsyncGenerator<Uint8Array> {
    yield* archive;
  })();
  for await (const { header, body } of readTar(source)) {
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(Buffer.from(part));
    files.set(header.path, Buffer.concat(parts));
  }
  return files;
}
