import { OciImageError } from '../errors.ts';
import { encodePaxRecord, formatPaxTime } from './pax.ts';
import { BLOCK_BYTES, encodeName, type TarEntryType, type TarHeader } from './types.ts';

const FLAG_OF_TYPE: Readonly<Record<TarEntryType, string>> = { file: '0', hardlink: '1', symlink: '2', character: '3', block: '4', directory: '5', fifo: '6' };
const OCTAL_7_MAX = 0o7777777;
const OCTAL_11_MAX = 0o77777777777;

/** What an entry is written from; everything but type and path has a default. */
export type TarEntryOptions = Pick<TarHeader, 'type' | 'path'> & Partial<Omit<TarHeader, 'isSparse' | 'atimeNs'>>;

/** The end of an archive: two zero blocks. */
export function encodeTarEnd(): Uint8Array {
  return Buffer.alloc(2 * BLOCK_BYTES);
}

/** The zeros after an entry's content of `size` bytes. */
export function tarPadding(size: number): Uint8Array {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}

/**
 * Encodes the header of one entry: ustar, with a PAX extended header before it when something does not fit (a long or non-ASCII name, a big number, a fraction of
 * a second, extended attributes). The same entry always gives the same bytes.
 * @throws OciImageError `TAR_INVALID` for an empty name or one with NUL
 */
export function encodeTarHeader(entry: TarEntryOptions): Uint8Array {
  const header = complete(entry);
  if (header.path === '' || header.path.includes('\0') || header.linkPath.includes('\0')) {
    throw new OciImageError('TAR_INVALID', `cannot write tar entry ${JSON.stringify(header.path)}: invalid name`);
  }
  const path = encodeName(header.path);
  const linkPath = encodeName(header.linkPath);
  const split = splitPath(path);
  const records = paxRecords(header, { path, linkPath, fits: split !== undefined });
  const block = headerBlock(header, split ?? { prefix: Buffer.alloc(0), name: path.subarray(0, 100) }, linkPath.subarray(0, 100), FLAG_OF_TYPE[header.type]);
  return records.length === 0 ? block : Buffer.concat([paxBlocks(header, records), block]);
}

function complete(entry: TarEntryOptions): Omit<TarHeader, 'isSparse' | 'atimeNs'> {
  return {
    linkPath: '', mode: entry.type === 'directory' ? 0o755 : 0o644, uid: 0, gid: 0, userName: '', groupName: '', size: 0, mtimeNs: 0n, deviceMajor: 0, deviceMinor: 0, xattrs: new Map(), ...entry,
  };
}

function paxRecords(header: Omit<TarHeader, 'isSparse' | 'atimeNs'>, names: { readonly path: Buffer; readonly linkPath: Buffer; readonly fits: boolean }): Buffer[] {
  const records: [string, Uint8Array][] = [];
  if (!names.fits || !isAscii(names.path)) records.push(['path', names.path]);
  if (names.linkPath.length > 100 || !isAscii(names.linkPath)) records.push(['linkpath', names.linkPath]);
  if (header.size > OCTAL_11_MAX) records.push(['size', Buffer.from(String(header.size))]);
  if (header.uid > OCTAL_7_MAX) records.push(['uid', Buffer.from(String(header.uid))]);
  if (header.gid > OCTAL_7_MAX) records.push(['gid', Buffer.from(String(header.gid))]);
  const isWholeSecond = header.mtimeNs % 1_000_000_000n === 0n && header.mtimeNs >= 0n && header.mtimeNs / 1_000_000_000n <= BigInt(OCTAL_11_MAX);
  if (!isWholeSecond) records.push(['mtime', Buffer.from(formatPaxTime(header.mtimeNs))]);
  for (const [name, value] of [...header.xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) records.push([`SCHILY.xattr.${name}`, value]);
  return records.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => encodePaxRecord(key, value));
}

function paxBlocks(header: Omit<TarHeader, 'isSparse' | 'atimeNs'>, records: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(records);
  const base = encodeName(header.path).toString('latin1').replace(/\/+$/, '').split('/').at(-1) ?? '';
  const name = Buffer.from(`PaxHeaders.0/${base.replaceAll(/[^\x20-\x7e]/g, '_').slice(0, 80)}`, 'latin1');
  const plain = { ...header, mode: 0o644, uid: 0, gid: 0, userName: '', groupName: '', size: payload.length, mtimeNs: 0n, deviceMajor: 0, deviceMinor: 0 };
  return Buffer.concat([headerBlock(plain, { prefix: Buffer.alloc(0), name }, Buffer.alloc(0), 'x'), payload, tarPadding(payload.length)]);
}

function headerBlock(header: Omit<TarHeader, 'isSparse' | 'atimeNs'>, path: { readonly prefix: Buffer; readonly name: Buffer }, linkPath: Buffer, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  path.name.copy(block, 0);
  octal(block, 100, 8, header.mode);
  octal(block, 108, 8, header.uid > OCTAL_7_MAX ? 0 : header.uid);
  octal(block, 116, 8, header.gid > OCTAL_7_MAX ? 0 : header.gid);
  octal(block, 124, 12, header.size > OCTAL_11_MAX ? 0 : header.size);
  const seconds = header.mtimeNs < 0n ? 0n : header.mtimeNs / 1_000_000_000n;
  octal(block, 136, 12, seconds > BigInt(OCTAL_11_MAX) ? 0 : Number(seconds));
  block.write('        ', 148, 'latin1');
  block.write(flag, 156, 'latin1');
  linkPath.copy(block, 157);
  block.write('ustar\u000000', 257, 'latin1');
  block.write(header.userName.slice(0, 31), 265, 32, 'latin1');
  block.write(header.groupName.slice(0, 31), 297, 32, 'latin1');
  octal(block, 329, 8, header.deviceMajor);
  octal(block, 337, 8, header.deviceMinor);
  path.prefix.copy(block, 345);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** The largest tail that fits the name field, the rest in the prefix; nothing when no slash splits it so. */
function splitPath(path: Buffer): { readonly prefix: Buffer; readonly name: Buffer } | undefined {
  if (path.length <= 100) return { prefix: Buffer.alloc(0), name: path };
  if (path.length > 256) return undefined;
  for (let slash = path.length - 2; slash > 0; slash -= 1) {
    if (path[slash] !== 0x2f) continue;
    if (path.length - slash - 1 > 100) return undefined;
    if (slash <= 155) return { prefix: path.subarray(0, slash), name: path.subarray(slash + 1) };
  }
  return undefined;
}

function octal(block: Buffer, start: number, length: number, value: number): void {
  block.write(value.toString(8).padStart(length - 1, '0'), start, length - 1, 'latin1');
}

function isAscii(bytes: Buffer): boolean {
  return bytes.every((byte) => byte < 0x80);
}
