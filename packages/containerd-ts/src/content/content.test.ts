import { createHash } from 'node:crypto';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isContainerdError } from '../errors.ts';
import { openTestStores, type TestStores } from '../testing/stores.ts';
import { parseDigest } from './digest.ts';

let stores: TestStores;

beforeEach(() => {
  stores = openTestStores();
});

afterEach(async () => {
  await stores[Symbol.asyncDispose]();
});

const bytes = Buffer.from('hello, content');
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
const ANY = { size: 0n, digest: '', labels: {} };

async function ingest(namespace: string, data: Uint8Array, options: { readonly labels?: Record<string, string>; readonly leaseId?: string } = {}): Promise<string> {
  const writer = await stores.ingests.open(namespace, { ref: 'r', total: 0n, expected: '', leaseId: options.leaseId });
  await writer.write(0n, data);
  return (await writer.commit({ ...ANY, labels: options.labels ?? {} })).digest;
}

async function readAll(namespace: string, offset = 0n, size = 0n): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stores.content.read(namespace, digest, { offset, size })) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('an ingest', () => {
  it('becomes a blob that can be read whole and in ranges', async () => {
    expect(await ingest('n', bytes, { labels: { a: 'b', empty: '' } })).toBe(digest);
    expect(stores.content.info('n', digest)).toMatchObject({ size: 14n, labels: { a: 'b' } });
    expect(statSync(stores.files.blobPath(digest)).mode & 0o777).toBe(0o444);
    expect(await readAll('n')).toBe('hello, content');
    expect(await readAll('n', 7n)).toBe('content');
    expect(await readAll('n', 7n, 3n)).toBe('con');
    await expect(readAll('n', 15n)).rejects.toMatchObject({ kind: 'out_of_range' });
    expect(stores.ingests.list('n', [])).toEqual([]);
  });

  it('goes on where a writer that went away stopped', async () => {
    const first = await stores.ingests.open('n', { ref: 'r', total: 14n, expected: digest, leaseId: undefined });
    await first.write(0n, bytes.subarray(0, 5));
    await first.close();
    expect(stores.ingests.status('n', 'r')).toMatchObject({ offset: 5n, total: 14n, expected: digest });
    const second = await stores.ingests.open('n', { ref: 'r', total: 14n, expected: digest, leaseId: undefined });
    expect(second.status().offset).toBe(5n);
    await second.write(5n, bytes.subarray(5));
    await second.commit({ size: 14n, digest, labels: {} });
    expect(await readAll('n')).toBe('hello, content');
  });

  it('refuses a second writer of its ref, and a write elsewhere than at the end', async () => {
    const writer = await stores.ingests.open('n', { ref: 'r', total: 0n, expected: '', leaseId: undefined });
    await expect(stores.ingests.open('n', { ref: 'r', total: 0n, expected: '', leaseId: undefined })).rejects.toMatchObject({ kind: 'unavailable' });
    await writer.write(0n, bytes);
    await expect(writer.write(3n, bytes)).rejects.toMatchObject({ kind: 'out_of_range' });
    await writer.write(0n, Buffer.from('anew'));
    expect(writer.status().offset).toBe(4n);
    await writer.close();
  });

  it('refuses a wrong digest and a wrong size, and remains', async () => {
    const writer = await stores.ingests.open('n', { ref: 'r', total: 0n, expected: '', leaseId: undefined });
    await writer.write(0n, Buffer.from('other'));
    await expect(writer.commit({ size: 0n, digest, labels: {} })).rejects.toThrow(/unexpected commit digest sha256:.*, expected sha256:.*: failed precondition/);
    await expect(writer.commit({ size: 6n, digest: '', labels: {} })).rejects.toThrow('"r" failed size validation: 5 != 6: failed precondition');
    await writer.close();
    expect(stores.ingests.status('n', 'r').offset).toBe(5n);
    await stores.ingests.abort('n', 'r');
    expect(() => stores.ingests.status('n', 'r')).toThrow('ingest ref "r": not found');
  });

  it('needs no bytes when another namespace has the blob', async () => {
    await ingest('one', bytes);
    const writer = await stores.ingests.open('two', { ref: 'r', total: 14n, expected: digest, leaseId: undefined });
    expect(writer.status().offset).toBe(14n);
    await writer.commit({ size: 14n, digest, labels: {} });
    expect(await readAll('two')).toBe('hello, content');
  });

  it('is refused when the namespace has the blob, which its lease then holds', async () => {
    await ingest('n', bytes);
    stores.leases.create('n', { id: 'l', labels: {} });
    await expect(stores.ingests.open('n', { ref: 'r', total: 0n, expected: digest, leaseId: 'l' })).rejects.toMatchObject({ kind: 'already_exists' });
    expect(stores.leases.listResources('n', 'l')).toEqual([{ type: 'content', id: digest }]);
    const writer = await stores.ingests.open('n', { ref: 'r2', total: 0n, expected: '', leaseId: 'l' });
    await writer.write(0n, bytes);
    await expect(writer.commit(ANY)).rejects.toMatchObject({ kind: 'already_exists' });
    expect(stores.ingests.list('n', [])).toEqual([]);
  });

  it('is refused for a lease that does not exist, and nothing is left', async () => {
    await expect(stores.ingests.open('n', { ref: 'r', total: 0n, expected: '', leaseId: 'absent' })).rejects.toThrow('lease "absent": not found');
    expect(stores.ingests.list('n', [])).toEqual([]);
    const writer = await stores.ingests.open('n', { ref: 'r', total: 0n, expected: '', leaseId: undefined });
    await writer.close();
  });

  it('gives the digest of any bytes in any pieces', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 2000 }), { maxLength: 8 }), async (pieces) => {
        const writer = await stores.ingests.open('n', { ref: 'p', total: 0n, expected: '', leaseId: undefined });
        for (const piece of pieces) await writer.write(writer.status().offset, piece);
        const expected = `sha256:${createHash('sha256').update(Buffer.concat(pieces)).digest('hex')}`;
        expect(writer.digest()).toBe(expected);
        await writer.close();
        await stores.ingests.abort('n', 'p');
      }),
      { numRuns: 25 },
    );
  });
});

describe('a blob', () => {
  it('loses its bytes with its last namespace', async () => {
    await ingest('one', bytes);
    await ingest('two', bytes);
    await stores.content.delete('one', digest);
    expect(() => stores.content.info('one', digest)).toThrow(`content digest ${digest}: not found`);
    expect(await readAll('two')).toBe('hello, content');
    await stores.content.delete('two', digest);
    expect(existsSync(stores.files.blobPath(digest))).toBe(false);
  });

  it('takes labels by field masks', async () => {
    await ingest('n', bytes, { labels: { a: '1', 'b.c/d': '2' } });
    expect(stores.content.update('n', { digest, labels: { 'b.c/d': '3' } }, ['labels.b.c/d']).labels).toEqual({ a: '1', 'b.c/d': '3' });
    expect(stores.content.update('n', { digest, labels: {} }, ['labels.a']).labels).toEqual({ 'b.c/d': '3' });
    expect(stores.content.update('n', { digest, labels: { z: '9' } }, []).labels).toEqual({ z: '9' });
    expect(() => stores.content.update('n', { digest, labels: {} }, ['size'])).toThrow('cannot update "size" field');
    expect(() => stores.content.update('n', { digest, labels: { k: 'v'.repeat(5000) } }, ['labels.k'])).toThrow('greater than maximum size (4096 bytes), key: k');
    expect(stores.content.list('n', ['labels.z==9']).map((info) => info.digest)).toEqual([digest]);
    expect(stores.content.list('n', ['labels.z==8'])).toEqual([]);
  });

  it('is swept when no record names it', async () => {
    await ingest('n', bytes);
    writeFileSync(join(stores.folder, 'content', 'ingest', 'orphan'), 'x');
    writeFileSync(join(stores.folder, 'content', 'blobs', 'sha256', '0'.repeat(64)), 'x');
    expect(stores.files.sweep({ digests: stores.content.allDigests(), ingests: stores.ingests.allFiles() })).toBe(2);
    expect(await readAll('n')).toBe('hello, content');
  });
});

describe('parseDigest()', () => {
  it.each(['', 'foo', 'sha256:12', 'md5:d41d8cd98f00b204e9800998ecf8427e', `sha256:${'G'.repeat(64)}`, `sha256:../${'0'.repeat(61)}`])('refuses %j', (text) => {
    expect(() => parseDigest(text)).toThrow('invalid argument');
  });

  it('answers any text with a digest that is that text, or with an invalid argument', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^sha(256|512):[0-9a-f]{0,130}$/)), (text) => {
        try {
          const { algorithm, hex } = parseDigest(text);
          expect(`${algorithm}:${hex}`).toBe(text);
        } catch (error) {
          expect(isContainerdError(error) && error.kind === 'invalid_argument').toBe(true);
        }
      }),
    );
  });
});
