import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TarDecoder } from './decoder.ts';
import { encodeTarEnd, encodeTarHeader, type TarEntryOptions, tarPadding } from './encoder.ts';
import { encodePaxRecord, formatPaxTime, parsePax, parsePaxTime } from './pax.ts';
import { readTar } from './reader.ts';
import { decodeName, encodeName, type TarEvent, type TarHeader } from './types.ts';

function events(archive: Uint8Array, size = archive.byteLength): TarEvent[] {
  const decoder = new TarDecoder();
  const found: TarEvent[] = [];
  for (let position = 0; position < archive.byteLength; position += size) {
    for (const event of decoder.push(archive.subarray(position, position + size))) found.push(event.kind === 'data' ? { ...event, bytes: Buffer.from(event.bytes) } : event);
  }
  decoder.end();
  return found;
}

function headers(archive: Uint8Array): TarHeader[] {
  return events(archive).flatMap((event) => (event.kind === 'entry' ? [event.header] : []));
}

/** A header written by hand: what the encoder would not write. */
function rawHeader(fields: { readonly name?: string; readonly type: string; readonly size?: number; readonly magic?: string; readonly patch?: (block: Buffer) => void }): Buffer {
  const block = Buffer.alloc(512);
  block.write(fields.name ?? 'x', 0, 'latin1');
  block.write('0000644\0', 100, 'latin1');
  block.write('0000000\0', 108, 'latin1');
  block.write('0000000\0', 116, 'latin1');
  block.write((fields.size ?? 0).toString(8).padStart(11, '0'), 124, 'latin1');
  block.write('00000000000\0', 136, 'latin1');
  block.write(fields.type, 156, 'latin1');
  block.write(fields.magic ?? 'ustar\x0000', 257, 'latin1');
  fields.patch?.(block);
  block.fill(0x20, 148, 156);
  block.write(`${block.reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

const withData = (header: Uint8Array, data: Uint8Array | string): Buffer => Buffer.concat([header, Buffer.from(data), tarPadding(Buffer.from(data).length)]);
const pax = (records: readonly (readonly [string, string])[]): Buffer => {
  const payload = Buffer.concat(records.map(([key, value]) => encodePaxRecord(key, Buffer.from(value))));
  return withData(rawHeader({ type: 'x', size: payload.length }), payload);
};

const name = fc.stringMatching(/^[a-zé名 ._-]{1,40}$/).filter((text) => !text.endsWith('/'));
const entry: fc.Arbitrary<{ options: TarEntryOptions; content: Uint8Array }> = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 9 }).map((names) => names.join('/')),
  mode: fc.integer({ min: 0, max: 0o7777 }), uid: fc.integer({ min: 0, max: 2 ** 31 }), gid: fc.integer({ min: 0, max: 2 ** 31 }),
  mtimeNs: fc.bigInt({ min: -(10n ** 18n), max: 10n ** 20n }), content: fc.uint8Array({ maxLength: 1500 }),
  xattrs: fc.dictionary(fc.constantFrom('user.a', 'user.b=c', 'security.capability'), fc.uint8Array()),
}).map(({ content, xattrs, ...rest }) => ({ content, options: { ...rest, type: 'file', size: content.byteLength, xattrs: new Map(Object.entries(xattrs).filter(([key]) => !key.includes('='))) } }));

describe('tar', () => {
  test('reads back what it writes, however the archive is cut', () => {
    fc.assert(fc.property(fc.array(entry, { maxLength: 5 }), fc.integer({ min: 1, max: 1400 }), (entries, size) => {
      const archive = Buffer.concat([...entries.map(({ options, content }) => withData(encodeTarHeader(options), content)), encodeTarEnd()]);
      const found = events(archive, size);
      expect(found.filter((event) => event.kind === 'end')).toHaveLength(entries.length);
      const contents: Buffer[] = [];
      const read: TarHeader[] = [];
      for (const event of found) {
        if (event.kind === 'entry') { read.push(event.header); contents.push(Buffer.alloc(0)); }
        if (event.kind === 'data') {
          expect(event.offset).toBe(contents.at(-1)?.length);
          contents.push(Buffer.concat([contents.pop() ?? Buffer.alloc(0), event.bytes]));
        }
      }
      for (const [index, { options, content }] of entries.entries()) {
        expect(read[index]).toMatchObject({ path: options.path, mode: options.mode, uid: options.uid, gid: options.gid, mtimeNs: options.mtimeNs, size: content.byteLength });
        expect([...(read[index]?.xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value).toString('hex')]).sort())
          .toEqual([...(options.xattrs ?? [])].map(([key, value]) => [key, Buffer.from(value).toString('hex')]).sort());
        expect(contents[index]?.equals(content)).toBe(true);
      }
    }), { numRuns: 60 });
  });

  test('answers mutated archives with entries or with its own error', () => {
    const archive = Buffer.concat([withData(encodeTarHeader({ type: 'file', path: 'é'.repeat(90), size: 700, mtimeNs: 5n }), Buffer.alloc(700, 1)), encodeTarHeader({ type: 'symlink', path: 'l', linkPath: 'a/b' }), encodeTarEnd()]);
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { maxLength: 8 }), fc.nat(archive.length), (changes, length) => {
      const mutated = Buffer.from(archive.subarray(0, length));
      for (const [position, byte] of changes) if (position < mutated.length) mutated[position] = byte;
      try {
        events(mutated, 100);
      } catch (error) {
        expect(error).toMatchObject({ name: 'OciImageError' });
      }
    }), { numRuns: 1000 });
  });

  test('keeps names that are no UTF-8', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => {
      expect(encodeName(decodeName(bytes)).equals(bytes)).toBe(true);
    }));
    expect(encodeName('a😀\ud800'.slice(0, 3)).toString()).toBe('a😀');
  });

  test('reads GNU long names, base-256 numbers and prefixes', () => {
    const long = 'd/'.repeat(100) + 'file';
    const archive = Buffer.concat([
      withData(rawHeader({ type: 'L', name: '././@LongLink', size: long.length + 1, magic: 'ustar  \0' }), `${long}\0`),
      withData(rawHeader({ type: 'K', name: '././@LongLink', size: 5, magic: 'ustar  \0' }), 'to/x\0'),
      rawHeader({ type: '2', magic: 'ustar  \0', patch: (block) => { block.fill(0, 108, 116); block.writeUInt8(0x80, 108); block.writeUInt32BE(3_000_000_000, 112); } }),
      rawHeader({ type: '0', name: 'tail', patch: (block) => { block.write('some/prefix', 345, 'latin1'); } }),
      rawHeader({ type: '0', name: 'v7', magic: '', patch: (block) => { block.write('not a prefix', 345, 'latin1'); } }),
      rawHeader({ type: '\0', name: 'old-folder/', magic: '' }),
    ]);
    expect(headers(archive)).toMatchObject([
      { path: long, linkPath: 'to/x', uid: 3_000_000_000, type: 'symlink' }, { path: 'some/prefix/tail' }, { path: 'v7' }, { path: 'old-folder/', type: 'directory' },
    ]);
  });

  test('lets PAX records win over the header, and global ones have no effect', () => {
    const global = encodePaxRecord('path', Buffer.from('global'));
    const archive = Buffer.concat([
      withData(rawHeader({ type: 'g', size: global.length }), global),
      pax([['path', 'by/pax'], ['size', '3'], ['uid', '4000000'], ['mtime', '1.5'], ['LIBARCHIVE.xattr.user.a%20b', Buffer.from('v').toString('base64')]]),
      withData(rawHeader({ type: '0', size: 600 }), 'abc'), rawHeader({ type: '0', name: 'next' }),
    ]);
    const [first, second] = headers(archive);
    expect(first).toMatchObject({ path: 'by/pax', size: 3, uid: 4_000_000, mtimeNs: 1_500_000_000n });
    expect(Buffer.from(first?.xattrs.get('user.a b') ?? []).toString()).toBe('v');
    expect(second?.path).toBe('next');
  });

  test.each([
    ['GNU', Buffer.concat([
      rawHeader({ type: 'S', size: 5, magic: 'ustar  \0', patch: (block) => {
        block.write('00000000012\0', 386, 'latin1'); block.write('00000000003\0', 398, 'latin1'); block.write('00000000144\0', 410, 'latin1'); block.write('00000000002\0', 422, 'latin1');
        block.write('00000000310\0', 483, 'latin1');
      } }), withData(Buffer.alloc(0), 'abcde')])],
    ['PAX 0.0', Buffer.concat([pax([['GNU.sparse.size', '200'], ['GNU.sparse.numblocks', '2'], ['GNU.sparse.offset', '10'], ['GNU.sparse.numbytes', '3'], ['GNU.sparse.offset', '100'], ['GNU.sparse.numbytes', '2']]), withData(rawHeader({ type: '0', size: 5 }), 'abcde')])],
    ['PAX 0.1', Buffer.concat([pax([['GNU.sparse.size', '200'], ['GNU.sparse.map', '10,3,100,2'], ['GNU.sparse.name', 'x']]), withData(rawHeader({ type: '0', name: 'ignored', size: 5 }), 'abcde')])],
    ['PAX 1.0', Buffer.concat([pax([['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.realsize', '200'], ['GNU.sparse.name', 'x']]), withData(rawHeader({ type: '0', name: 'ignored', size: 517 }), '2\n10\n3\n100\n2\n'.padEnd(512, '\0') + 'abcde')])],
  ])('reads sparse files in the form %s', (_form, archive) => {
    for (const size of [1, 100, archive.length]) {
      const found = events(archive, size);
      expect(found[0]).toMatchObject({ kind: 'entry', header: { path: 'x', size: 200, isSparse: true } });
      const content = Buffer.alloc(200);
      for (const event of found) if (event.kind === 'data') Buffer.from(event.bytes).copy(content, event.offset);
      expect(content.subarray(10, 13).toString() + content.subarray(100, 102).toString()).toBe('abcde');
    }
  });

  test.each([
    ['a sparse map of any length (CVE-2025-58183)', Buffer.concat([pax([['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.realsize', '1']]), withData(rawHeader({ type: '0', size: 512 }), '1000000000\n'.padEnd(512, '\0'))]), 'LAYER_LIMIT'],
    ['sparse parts that overlap', Buffer.concat([pax([['GNU.sparse.size', '9'], ['GNU.sparse.map', '0,3,2,2']]), withData(rawHeader({ type: '0', size: 5 }), 'abcde')]), 'TAR_INVALID'],
    ['sparse parts beyond the file', Buffer.concat([pax([['GNU.sparse.size', '9'], ['GNU.sparse.map', '8,5']]), withData(rawHeader({ type: '0', size: 5 }), 'abcde')]), 'TAR_INVALID'],
    ['a huge extended header', rawHeader({ type: 'x', size: 2 ** 30 }), 'LAYER_LIMIT'],
    ['a wrong checksum', Buffer.alloc(512, 1), 'TAR_INVALID'],
    ['a record without length', withData(rawHeader({ type: 'x', size: 5 }), 'a=b\n\n'), 'TAR_INVALID'],
    ['a record that is longer than the header', withData(rawHeader({ type: 'x', size: 7 }), '9 a=bb\n'), 'TAR_INVALID'],
    ['NUL in a path', Buffer.concat([pax([['path', 'a\0b']]), rawHeader({ type: '0' })]), 'TAR_INVALID'],
    ['an entry that is cut', withData(rawHeader({ type: '0', size: 1000 }), 'short'), 'TAR_TRUNCATED'],
    ['an extended header with nothing after it', pax([['path', 'a']]), 'TAR_TRUNCATED'],
    ['half a header', rawHeader({ type: '0' }).subarray(0, 300), 'TAR_TRUNCATED'],
  ])('refuses %s', (_what, archive, code) => {
    expect(() => events(archive)).toThrow(expect.objectContaining({ code }));
  });

  test('ends at two zero blocks, whatever follows', () => {
    expect(headers(Buffer.concat([rawHeader({ type: '0' }), encodeTarEnd(), Buffer.alloc(700, 9)]))).toHaveLength(1);
  });

  test('writes the same entry as the same bytes, with a PAX header only where it is needed', () => {
    expect(encodeTarHeader({ type: 'file', path: 'a', mtimeNs: 1_000_000_000n })).toHaveLength(512);
    expect(encodeTarHeader({ type: 'file', path: 'a', mtimeNs: 1n })).toHaveLength(1536);
    expect(() => encodeTarHeader({ type: 'file', path: 'a\0' })).toThrow(expect.objectContaining({ code: 'TAR_INVALID' }));
  });
});

describe('PAX', () => {
  test('times survive writing and reading', () => {
    fc.assert(fc.property(fc.bigInt({ min: -(10n ** 26n), max: 10n ** 26n }), (time) => {
      expect(parsePaxTime(formatPaxTime(time))).toBe(time);
    }));
  });

  test('records survive writing and reading, also where their length gains a digit by itself', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 1200 }), (length) => {
      const value = Buffer.alloc(length, 'v');
      expect(parsePax(encodePaxRecord('SCHILY.xattr.user.x', value)).xattrs.get('user.x')).toEqual(value);
    }));
  });
});

describe('readTar()', () => {
  test('skips what the consumer does not read', async () => {
    const archive = Buffer.concat([withData(encodeTarHeader({ type: 'file', path: 'a', size: 2000 }), Buffer.alloc(2000)), withData(encodeTarHeader({ type: 'file', path: 'b', size: 1 }), 'x'), encodeTarEnd()]);
    const source = async function* (): AsyncGenerator<Uint8Array, void, void> {
      for (let position = 0; position < archive.length; position += 600) yield await Promise.resolve(archive.subarray(position, position + 600));
    };
    const seen: string[] = [];
    for await (const { header, body } of readTar(source())) {
      if (header.path === 'a') for await (const _chunk of body) break;
      else seen.push(header.path, Buffer.concat(await Array.fromAsync(body)).toString());
    }
    expect(seen).toEqual(['b', 'x']);
  });
});
