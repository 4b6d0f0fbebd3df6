import assert from 'node:assert/strict';
import type { ContentStore, ContentWriter } from '../content/index.ts';
import { digestOf } from '../digest.ts';

/** One test of a contract suite: register it with any test runner. */
export interface ContractTest {
  readonly name: string;
  readonly run: () => Promise<void>;
}

/**
 * What every content store promises, as tests. `open` gives a new, empty store each time.
 * @example for (const { name, run } of contentStoreContract(openMyStore)) test(name, run);
 */
export function contentStoreContract(open: () => Promise<ContentStore>): ContractTest[] {
  const bytes = Buffer.from('content');
  const descriptor = { mediaType: 'text/plain', digest: digestOf(bytes), size: bytes.length };
  const put = async (store: ContentStore): Promise<void> => {
    await using writer = await store.openWriter({ ref: 'put', descriptor });
    await writer.write(bytes);
    await writer.commit({ size: bytes.length, digest: descriptor.digest });
  };
  const test = (name: string, body: (store: ContentStore) => Promise<void>): ContractTest => ({ name, run: async () => { await body(await open()); } });
  const kind = (wanted: string) => (error: unknown): boolean => error instanceof Error && 'kind' in error && error.kind === wanted;
  const code = (wanted: string) => (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === wanted;

  return [
    test('a committed blob can be read, whole and in part', async (store) => {
      await put(store);
      const read = async (range?: { offset?: number; length?: number }): Promise<string> => Buffer.concat(await Array.fromAsync(store.read(descriptor.digest, range))).toString();
      assert.equal(await read(), 'content');
      assert.equal(await read({ offset: 3 }), 'tent');
      assert.equal(await read({ offset: 1, length: 2 }), 'on');
      assert.equal(await read({ offset: 7 }), '');
      assert.equal((await store.info(descriptor.digest)).size, 7);
    }),
    test('a blob that is not there is not found, by every way to it', async (store) => {
      await assert.rejects(store.info(descriptor.digest), kind('not_found'));
      await assert.rejects(Array.fromAsync(store.read(descriptor.digest)), kind('not_found'));
      await assert.rejects(store.delete(descriptor.digest), kind('not_found'));
      await assert.rejects(store.updateLabels(descriptor.digest, { a: 'b' }), kind('not_found'));
      await assert.rejects(store.abort('nothing'), kind('not_found'));
    }),
    test('nothing is visible before the commit', async (store) => {
      await using writer = await store.openWriter({ ref: 'r', descriptor });
      await writer.write(bytes);
      await assert.rejects(store.info(descriptor.digest), kind('not_found'));
    }),
    test('content with another digest or size is refused', async (store) => {
      await using writer = await store.openWriter({ ref: 'r' });
      await writer.write(bytes);
      await assert.rejects(writer.commit({ digest: digestOf('other') }), code('DIGEST_MISMATCH'));
      await assert.rejects(writer.commit({ size: 3 }), code('SIZE_MISMATCH'));
      await assert.rejects(store.info(descriptor.digest), kind('not_found'));
    }),
    test('a writer that is closed without a commit can be resumed, truncated and aborted', async (store) => {
      const first = await store.openWriter({ ref: 'r' });
      await first.write(bytes.subarray(0, 5));
      await first.close();
      const second = await store.openWriter({ ref: 'r' });
      assert.equal(second.status.offset, 5);
      await second.truncate(3);
      assert.equal(second.status.offset, 3);
      await second.write(bytes.subarray(3));
      await second.close();
      assert.deepEqual((await Array.fromAsync(store.listIngests())).map(({ ref, offset }) => ({ ref, offset })), [{ ref: 'r', offset: 7 }]);
      await store.abort('r');
      assert.deepEqual(await Array.fromAsync(store.listIngests()), []);
    }),
    test('one ingest has one writer', async (store) => {
      await using _writer = await store.openWriter({ ref: 'r' });
      await assert.rejects(store.openWriter({ ref: 'r' }), code('INGEST_LOCKED'));
    }),
    test('a blob that is there is not taken again', async (store) => {
      await put(store);
      await assert.rejects(store.openWriter({ ref: 'r', descriptor }), kind('already_exists'));
      const writer: ContentWriter = await store.openWriter({ ref: 'unknown' });
      await writer.write(bytes);
      await assert.rejects(writer.commit({}), kind('already_exists'));
      await writer.close();
      assert.deepEqual(await Array.fromAsync(store.listIngests()), []);
    }),
    test('blobs can be listed and deleted', async (store) => {
      await put(store);
      assert.deepEqual((await Array.fromAsync(store.list())).map(({ digest }) => digest), [descriptor.digest]);
      await store.delete(descriptor.digest);
      assert.deepEqual(await Array.fromAsync(store.list()), []);
    }),
  ];
}
