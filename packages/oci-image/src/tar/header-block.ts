import { OciImageError } from '../errors.ts';
import type { SparsePart } from './sparse.ts';
import { BLOCK_BYTES, decodeName } from './types.ts';

/** One 512-byte header as it stands, before PAX records and long names are applied. */
export interface HeaderBlock {
  readonly typeFlag: string;
  readonly path: string;
  readonly linkPath: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly userName: string;
  readonly groupName: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

const USTAR_MAGIC = 0x7573_7461; // "usta"

/** Whether a block is all zero: two of them end an archive. */
export function isZeroBlock(block: Buffer): boolean {
  for (let position = 0; position < BLOCK_BYTES; position += 4) if (block.readUInt32LE(position) !== 0) return false;
  return true;
}

/**
 * Decodes one header block: v7, ustar or GNU.
 * @throws OciImageError `TAR_INVALID` for a wrong checksum or number
 */
export function decodeHeaderBlock(block: Buffer): HeaderBlock {
  checkSum(block);
  const isUstar = block.readUInt32BE(257) === USTAR_MAGIC && block[261] === 0x72;
  const isPosix = isUstar && block[262] === 0;
  const prefix = isPosix ? field(block, 345, 155) : '';
  const name = field(block, 0, 100);
  return {
    typeFlag: String.fromCharCode(block[156] ?? 0),
    path: prefix === '' ? name : `${prefix}/${name}`,
    linkPath: field(block, 157, 100),
    mode: number(block, 100, 8, 'mode'),
    uid: number(block, 108, 8, 'uid'),
    gid: number(block, 116, 8, 'gid'),
    size: number(block, 124, 12, 'size'),
    mtimeSeconds: signedNumber(block, 136, 12, 'mtime'),
    userName: isUstar ? field(block, 265, 32) : '',
    groupName: isUstar ? field(block, 297, 32) : '',
    deviceMajor: isUstar ? number(block, 329, 8, 'device') : 0,
    deviceMinor: isUstar ? number(block, 337, 8, 'device') : 0,
  };
}

/** Sparse information of an old GNU header (type `S`). */
export function decodeGnuSparse(block: Buffer): { readonly parts: SparsePart[]; readonly isExtended: boolean; readonly realSize: number } {
  return { parts: sparseEntries(block, 386, 4), isExtended: block[482] !== 0, realSize: number(block, 483, 12, 'sparse size') };
}

/** A block of further sparse entries that follows an old GNU header. */
export function decodeGnuSparseExtension(block: Buffer): { readonly parts: SparsePart[]; readonly isExtended: boolean } {
  return { parts: sparseEntries(block, 0, 21), isExtended: block[504] !== 0 };
}

function sparseEntries(block: Buffer, start: number, count: number): SparsePart[] {
  const parts: SparsePart[] = [];
  for (let position = start; position < start + count * 24; position += 24) {
    if (block[position] === 0) break;
    parts.push({ offset: number(block, position, 12, 'sparse offset'), length: number(block, position + 12, 12, 'sparse length') });
  }
  return parts;
}

/** The checksum counts its own field as spaces; very old tars summed signed bytes. */
function checkSum(block: Buffer): void {
  let unsigned = 0;
  let signed = 0;
  for (let position = 0; position < BLOCK_BYTES; position += 1) {
    const byte = position >= 148 && position < 156 ? 0x20 : block[position] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const stored = number(block, 148, 8, 'checksum');
  if (stored !== unsigned && stored !== signed) throw invalid('wrong checksum');
}

function field(block: Buffer, start: number, length: number): string {
  let end = start;
  while (end < start + length && block[end] !== 0) end += 1;
  return decodeName(block.subarray(start, end));
}

function number(block: Buffer, start: number, length: number, what: string): number {
  const value = signedNumber(block, start, length, what);
  if (value < 0) throw invalid(`negative ${what}`);
  return value;
}

/** Octal text, or base-256 when the first bit is set. */
function signedNumber(block: Buffer, start: number, length: number, what: string): number {
  const first = block[start] ?? 0;
  if (first >= 0x80) return base256(block, start, length, what);
  let value = 0;
  let hasDigit = false;
  for (let position = start; position < start + length; position += 1) {
    const byte = block[position] ?? 0;
    if (byte >= 0x30 && byte <= 0x37) {
      value = value * 8 + byte - 0x30;
      hasDigit = true;
    } else if (byte === 0 || byte === 0x20) {
      if (hasDigit) break;
    } else {
      throw invalid(`bad ${what}`);
    }
  }
  return value;
}

function base256(block: Buffer, start: number, length: number, what: string): number {
  let value = BigInt(block[start] ?? 0) & 0x7fn;
  const isNegative = (value & 0x40n) !== 0n;
  for (let position = start + 1; position < start + length; position += 1) value = (value << 8n) | BigInt(block[position] ?? 0);
  if (isNegative) value -= 1n << BigInt(length * 8 - 1);
  const result = Number(value);
  if (!Number.isSafeInteger(result)) throw invalid(`${what} out of range`);
  return result;
}

function invalid(reason: string): OciImageError {
  return new OciImageError('TAR_INVALID', `archive/tar: invalid tar header: ${reason}`);
}
