import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { contentStoreContract } from '../testing/index.ts';
import { digestOf } from '../digest.ts';
import { FileContentStore } from './file-store.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'oci-image-store-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

describe('FileContentStore', () => {
  for (const { name, run } of contentStoreContract(async () => await Promise.resolve(new FileContentStore({ root: join(root, 'store') })))) test(name, run);

  test('goes on with an ingest that another process left', async () => {
    const bytes = Buffer.from('0123456789');
    const first = await new FileContentStore({ root }).openWriter({ ref: 'r' });
    await first.write(bytes.subarray(0, 4));
    await first.close();
    await using second = await new FileContentStore({ root }).openWriter({ ref: 'r' });
    expect(second.status.offset).toBe(4);
    await second.write(bytes.subarray(4));
    expect(await second.commit({ size: 10 })).toBe(digestOf(bytes));
  });

  test('begins an ingest anew that a crash left half made', async () => {
    const store = new FileContentStore({ root });
    await (await store.openWriter({ ref: 'r' })).close();
    const [folder = ''] = await readdir(join(root, 'ingest'));
    await rm(join(root, 'ingest', folder, 'ref'));
    await writeFile(join(root, 'ingest', folder, 'data'), 'rubbish');
    await using writer = await store.openWriter({ ref: 'r' });
    expect(writer.status.offset).toBe(0);
  });

  test('keeps labels where it is given a place for them', async () => {
    const labels = new Map<string, Readonly<Record<string, string>>>();
    const store = new FileContentStore({
      root,
      labels: {
        get: async (digest) => await Promise.resolve(labels.get(digest) ?? {}),
        set: async (digest, value) => { await Promise.resolve(labels.set(digest, value)); },
        delete: async (digest) => { await Promise.resolve(labels.delete(digest)); },
      },
    });
    const writer = await store.openWriter({ ref: 'r' });
    await writer.write(Buffer.from('x'));
    const digest = await writer.commit({ labels: { a: '1', b: '2' } });
    await store.updateLabels(digest, { a: null, c: '3' });
    expect((await store.info(digest)).labels).toEqual({ b: '2', c: '3' });
    await store.delete(digest);
    expect(labels.size).toBe(0);
  });

  test('has no way from a digest to a path outside', () => {
    expect(() => new FileContentStore({ root }).blobPath('sha256:../../x')).toThrow(expect.objectContaining({ code: 'INVALID_DIGEST' }));
  });
});
