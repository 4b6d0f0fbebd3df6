/** What a tar entry is. Types that are none of these are skipped by the decoder or refused. */
export type TarEntryType = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/** Metadata of one tar entry, all formats brought to one form. */
export interface TarHeader {
  readonly type: TarEntryType;
  /** As it stands in the archive, unchecked. Bytes that are no UTF-8 are kept as lone surrogates: see {@link encodeName}. */
  readonly path: string;
  /** Target of a symlink or, as an archive path, of a hard link; empty otherwise. */
  readonly linkPath: string;
  /** Permission bits with setuid, setgid and sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: string;
  readonly groupName: string;
  /** Size of the file once unpacked, holes included; 0 for what has no content. */
  readonly size: number;
  /** Nanoseconds since the epoch. */
  readonly mtimeNs: bigint;
  readonly atimeNs?: bigint;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Whether the file has holes: its data events then leave parts out. */
  readonly isSparse: boolean;
}

/** What a {@link TarDecoder} finds, in order: an entry, its data, its end. */
export type TarEvent =
  | { readonly kind: 'entry'; readonly header: TarHeader }
  /** Content at `offset` of the file. The bytes are a view of the pushed chunk: copy what must be kept. */
  | { readonly kind: 'data'; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'end' };

/** Size of a tar block. */
export const BLOCK_BYTES = 512;

const ESCAPE_BASE = 0xdc00;

/** Bytes of a name to a string, without loss: bytes that are not UTF-8 become lone surrogates U+DC80 to U+DCFF. */
export function decodeName(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  if (!text.includes('\ufffd')) return text;
  return Buffer.from(text, 'utf8').equals(buffer) ? text : escapeBytes(buffer);
}

/** The inverse of {@link decodeName}. */
export function encodeName(name: string): Buffer {
  if (!/[\udc80-\udcff]/.test(name) || name.isWellFormed()) return Buffer.from(name, 'utf8');
  const parts = name.match(/[\ud800-\udbff][\udc00-\udfff]|[\udc80-\udcff]|[^\udc80-\udcff]/g) ?? [];
  return Buffer.concat(parts.map((part) => (part.length === 1 && /[\udc80-\udcff]/.test(part) ? Buffer.of(part.charCodeAt(0) - ESCAPE_BASE) : Buffer.from(part, 'utf8'))));
}

function escapeBytes(buffer: Buffer): string {
  let text = '';
  for (let position = 0; position < buffer.length;) {
    const length = utf8Length(buffer, position);
    if (length === 0) {
      text += String.fromCharCode(ESCAPE_BASE + (buffer[position] ?? 0));
      position += 1;
    } else {
      text += buffer.toString('utf8', position, position + length);
      position += length;
    }
  }
  return text;
}

/** Length of the valid UTF-8 sequence at `position`; 0 when there is none. */
function utf8Length(buffer: Buffer, position: number): number {
  const first = buffer[position] ?? 0;
  const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  const part = buffer.subarray(position, position + length);
  const isValid = part.length === length && Buffer.from(part.toString('utf8'), 'utf8').equals(part);
  return isValid ? length : 0;
}
