import { OciImageError } from '../errors.ts';
import { decodeName } from './types.ts';

/** Largest payload of an extended header or long name. */
export const EXTENDED_HEADER_BYTES_MAX: number = 1024 * 1024;

const XATTR_PREFIX = 'SCHILY.xattr.';
const LIBARCHIVE_PREFIX = 'LIBARCHIVE.xattr.';
const NEWLINE = 0x0a;
const SPACE = 0x20;
const EQUALS = 0x3d;

/** The records of one PAX extended header that concern the next entry. */
export interface PaxRecords {
  readonly path?: string;
  readonly linkPath?: string;
  readonly size?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly userName?: string;
  readonly groupName?: string;
  readonly mtimeNs?: bigint;
  readonly atimeNs?: bigint;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** GNU.sparse.* records. */
  readonly sparse: ReadonlyMap<string, string>;
  /** GNU.sparse.offset and GNU.sparse.numbytes, alternately: format 0.0 repeats them. */
  readonly sparsePairs: readonly number[];
}

/**
 * Parses an extended header.
 * @throws OciImageError `TAR_INVALID`
 * @see POSIX pax, "pax Extended Header"
 */
export function parsePax(payload: Uint8Array): PaxRecords {
  const records: { -readonly [key in keyof PaxRecords]: PaxRecords[key] } = { xattrs: new Map(), sparse: new Map(), sparsePairs: [] };
  const xattrs = new Map<string, Uint8Array>();
  const sparse = new Map<string, string>();
  const sparsePairs: number[] = [];
  for (const { key, value } of splitRecords(payload)) {
    const text = (): string => nulFree(key, decodeName(value));
    switch (key) {
      case 'path': records.path = text(); break;
      case 'linkpath': records.linkPath = text(); break;
      case 'size': records.size = parseDecimal(key, text()); break;
      case 'uid': records.uid = parseDecimal(key, text()); break;
      case 'gid': records.gid = parseDecimal(key, text()); break;
      case 'uname': records.userName = text(); break;
      case 'gname': records.groupName = text(); break;
      case 'mtime': records.mtimeNs = parsePaxTime(text()); break;
      case 'atime': records.atimeNs = parsePaxTime(text()); break;
      case 'GNU.sparse.offset': case 'GNU.sparse.numbytes': addSparsePair(sparsePairs, key, text()); break;
      default:
        if (key.startsWith('GNU.sparse.')) sparse.set(key, text());
        else if (key.startsWith(XATTR_PREFIX)) xattrs.set(key.slice(XATTR_PREFIX.length), value);
        else if (key.startsWith(LIBARCHIVE_PREFIX)) addLibarchive(xattrs, key, value);
    }
  }
  return { ...records, xattrs, sparse, sparsePairs };
}

/** `[-]seconds[.fraction]` as nanoseconds; digits below nanoseconds are cut. @throws OciImageError `TAR_INVALID` */
export function parsePaxTime(text: string): bigint {
  const match = /^(-?)([0-9]{1,18})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw invalid(`bad time ${JSON.stringify(text.slice(0, 40))}`);
  const nanoseconds = BigInt(match[2] ?? '0') * 1_000_000_000n + BigInt((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  return match[1] === '-' ? -nanoseconds : nanoseconds;
}

/** The time as {@link parsePaxTime} reads it. */
export function formatPaxTime(nanoseconds: bigint): string {
  const absolute = nanoseconds < 0n ? -nanoseconds : nanoseconds;
  const fraction = (absolute % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${nanoseconds < 0n ? '-' : ''}${absolute / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`;
}

/** One record as it is written: `length key=value\n`, the length counting itself. */
export function encodePaxRecord(key: string, value: Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`, 'utf8'), value, Buffer.of(NEWLINE)]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length), 'latin1'), rest]);
}

/** A decimal number that a JavaScript number holds exactly. */
export function parseDecimal(what: string, text: string): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw invalid(`bad ${what} ${JSON.stringify(text.slice(0, 40))}`);
  return value;
}

function* splitRecords(payload: Uint8Array): Generator<{ key: string; value: Uint8Array }, void, void> {
  const buffer = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  for (let position = 0; position < buffer.length;) {
    const space = buffer.indexOf(SPACE, position);
    const length = space < 0 || space - position > 8 ? Number.NaN : Number(/^[0-9]+$/.exec(buffer.toString('latin1', position, space))?.[0]);
    const end = position + length;
    const equals = buffer.indexOf(EQUALS, space + 1);
    if (!(end <= buffer.length) || buffer[end - 1] !== NEWLINE || equals <= space + 1 || equals >= end) throw invalid('bad extended header record');
    yield { key: nulFree('key', buffer.toString('utf8', space + 1, equals)), value: buffer.subarray(equals + 1, end - 1) };
    position = end;
  }
}

function addSparsePair(pairs: number[], key: string, text: string): void {
  const isOffset = key === 'GNU.sparse.offset';
  if (isOffset !== (pairs.length % 2 === 0)) throw invalid('sparse records out of order');
  pairs.push(parseDecimal(key, text));
}

/** libarchive writes the name URL-encoded and the value in base64. A SCHILY record of the same name wins. */
function addLibarchive(xattrs: Map<string, Uint8Array>, key: string, value: Uint8Array): void {
  const encoded = key.slice(LIBARCHIVE_PREFIX.length);
  let name: string;
  try {
    name = decodeURIComponent(encoded);
  } catch {
    throw invalid(`bad extended attribute name ${JSON.stringify(encoded.slice(0, 80))}`);
  }
  if (!xattrs.has(name)) xattrs.set(name, Buffer.from(Buffer.from(value).toString('latin1'), 'base64'));
}

function nulFree(what: string, text: string): string {
  if (text.includes('\0')) throw invalid(`NUL in ${what}`);
  return text;
}

function invalid(reason: string): OciImageError {
  return new OciImageError('TAR_INVALID', `archive/tar: invalid tar header: ${reason}`);
}
