import { OciImageError } from '../errors.ts';
import { decodeGnuSparse, decodeGnuSparseExtension, decodeHeaderBlock, type HeaderBlock, isZeroBlock } from './header-block.ts';
import { EXTENDED_HEADER_BYTES_MAX, type PaxRecords, parseDecimal, parsePax } from './pax.ts';
import { checkSparseParts, parseSparseMap, SPARSE_PARTS_MAX, SparseMapCollector, type SparsePart, sparseParts } from './sparse.ts';
import { BLOCK_BYTES, decodeName, type TarEntryType, type TarEvent, type TarHeader } from './types.ts';

const TYPE_OF_FLAG: Readonly<Record<string, TarEntryType>> = {
  '0': 'file', '\0': 'file', '7': 'file', 'S': 'file', '1': 'hardlink', '2': 'symlink', '3': 'character', '4': 'block', '5': 'directory', '6': 'fifo',
};
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();
const MODE_MASK = 0o7777;

/** Where the decoder is in the archive. */
type State =
  | { readonly name: 'header' | 'zero' | 'done' }
  | { readonly name: 'meta'; readonly typeFlag: string; readonly payload: Buffer; filled: number }
  | { readonly name: 'gnu-sparse'; readonly block: HeaderBlock; readonly parts: SparsePart[]; readonly realSize: number }
  | { readonly name: 'sparse-map'; readonly header: TarHeader; readonly collector: SparseMapCollector; readonly size: number }
  | { readonly name: 'data'; readonly parts: readonly SparsePart[] | undefined; partIndex: number; partDone: number; offset: number; left: number; padding: number }
  | { readonly name: 'skip'; left: number };

/**
 * Decodes a tar stream that is pushed to it chunk by chunk: v7, ustar, PAX, GNU long names, base-256 numbers, sparse files in all four forms. It holds at most one
 * block and one extended header; file content is passed on as views. Global PAX headers are read and have no effect, as in Go's archive/tar, which docker,
 * containerd and umoci use. After two zero blocks everything else is ignored.
 */
export class TarDecoder {
  #state: State = { name: 'header' };
  readonly #block = Buffer.alloc(BLOCK_BYTES);
  #blockFilled = 0;
  #pax: PaxRecords | undefined;
  #longPath: string | undefined;
  #longLink: string | undefined;

  /** Takes the next bytes of the archive. @throws OciImageError `TAR_INVALID`, `LAYER_LIMIT` */
  *push(chunk: Uint8Array): Generator<TarEvent, void, void> {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let position = 0;
    while (position < bytes.length) {
      const state = this.#state;
      switch (state.name) {
        case 'done':
          return;
        case 'skip': {
          const count = Math.min(state.left, bytes.length - position);
          position += count;
          state.left -= count;
          if (state.left === 0) this.#state = { name: 'header' };
          break;
        }
        case 'meta':
          position += this.#fillMeta(state, bytes, position);
          break;
        case 'data': {
          const count = dataRun(state, bytes.length - position);
          if (count > 0) yield { kind: 'data', offset: dataOffset(state), bytes: bytes.subarray(position, position + count) };
          position += count;
          yield* this.#advance(state, count);
          break;
        }
        default: {
          const block = this.#takeBlock(bytes, position);
          position += block.taken;
          if (block.bytes !== undefined) yield* this.#onBlock(block.bytes);
        }
      }
    }
  }

  /** Says that the archive has ended. @throws OciImageError `TAR_TRUNCATED` when it ended inside an entry */
  end(): void {
    const isAtBoundary = (this.#state.name === 'header' || this.#state.name === 'zero') && this.#blockFilled === 0 && this.#pax === undefined && this.#longPath === undefined;
    if (this.#state.name !== 'done' && !isAtBoundary) throw new OciImageError('TAR_TRUNCATED', 'unexpected EOF');
  }

  /** Whether the end-of-archive mark was seen. */
  get isDone(): boolean {
    return this.#state.name === 'done';
  }

  #takeBlock(bytes: Buffer, position: number): { readonly bytes?: Buffer; readonly taken: number } {
    if (this.#blockFilled === 0 && bytes.length - position >= BLOCK_BYTES) {
      return { bytes: bytes.subarray(position, position + BLOCK_BYTES), taken: BLOCK_BYTES };
    }
    const taken = bytes.copy(this.#block, this.#blockFilled, position, position + BLOCK_BYTES - this.#blockFilled);
    this.#blockFilled += taken;
    if (this.#blockFilled < BLOCK_BYTES) return { taken };
    this.#blockFilled = 0;
    return { bytes: this.#block, taken };
  }

  *#onBlock(block: Buffer): Generator<TarEvent, void, void> {
    const state = this.#state;
    switch (state.name) {
      case 'header':
        if (isZeroBlock(block)) this.#state = { name: 'zero' };
        else yield* this.#onHeader(block);
        break;
      case 'zero':
        if (!isZeroBlock(block)) throw invalid('a lone zero block');
        this.#state = { name: 'done' };
        break;
      case 'gnu-sparse':
        yield* this.#onGnuSparse(state, decodeGnuSparseExtension(block));
        break;
      case 'sparse-map': {
        const parts = state.collector.push(block);
        if (state.collector.size > state.size) throw invalid('the sparse map is longer than its entry');
        if (parts !== undefined) yield* this.#startData(state.header, state.size - state.collector.size, parts);
        break;
      }
      default:
        throw new OciImageError('TAR_INVALID', 'archive/tar: block in the middle of data');
    }
  }

  *#onHeader(block: Buffer): Generator<TarEvent, void, void> {
    const header = decodeHeaderBlock(block);
    switch (header.typeFlag) {
      case 'L': case 'K': case 'x': case 'g': case 'X':
        if (header.size > EXTENDED_HEADER_BYTES_MAX) throw new OciImageError('LAYER_LIMIT', `tar header extension is ${header.size} bytes, at most ${EXTENDED_HEADER_BYTES_MAX} are read`);
        this.#state = { name: 'meta', typeFlag: header.typeFlag, payload: Buffer.alloc(padded(header.size)), filled: 0 };
        if (header.size === 0) this.#onMeta(header.typeFlag, Buffer.alloc(0));
        else this.#metaSize = header.size;
        break;
      case 'S': {
        const { parts, isExtended, realSize } = decodeGnuSparse(block);
        yield* this.#onGnuSparse({ name: 'gnu-sparse', block: header, parts: [], realSize }, { parts, isExtended });
        break;
      }
      default:
        yield* this.#onEntry(header);
    }
  }

  #metaSize = 0;

  #fillMeta(state: State & { name: 'meta' }, bytes: Buffer, position: number): number {
    const taken = bytes.copy(state.payload, state.filled, position, position + state.payload.length - state.filled);
    state.filled += taken;
    if (state.filled === state.payload.length) this.#onMeta(state.typeFlag, state.payload.subarray(0, this.#metaSize));
    return taken;
  }

  #onMeta(typeFlag: string, payload: Buffer): void {
    this.#state = { name: 'header' };
    if (typeFlag === 'L') this.#longPath = longName(payload);
    else if (typeFlag === 'K') this.#longLink = longName(payload);
    else if (typeFlag === 'g') parsePax(payload);
    else this.#pax = parsePax(payload);
  }

  *#onGnuSparse(state: State & { name: 'gnu-sparse' }, found: { readonly parts: SparsePart[]; readonly isExtended: boolean }): Generator<TarEvent, void, void> {
    state.parts.push(...found.parts);
    if (state.parts.length > SPARSE_PARTS_MAX) throw new OciImageError('LAYER_LIMIT', `sparse file has more than ${SPARSE_PARTS_MAX} parts`);
    this.#state = state;
    if (found.isExtended) return;
    const size = this.#pax?.size ?? state.block.size;
    yield* this.#startData({ ...this.#merge(state.block, 'file'), size: state.realSize, isSparse: true }, size, state.parts);
  }

  *#onEntry(block: HeaderBlock): Generator<TarEvent, void, void> {
    const flagged = TYPE_OF_FLAG[block.typeFlag];
    const size = this.#pax?.size ?? block.size;
    if (flagged === undefined) {
      // Vendor types (volume labels, …) are passed over with their data.
      this.#clear();
      this.#state = size === 0 ? { name: 'header' } : { name: 'skip', left: padded(size) };
      return;
    }
    const merged = this.#merge(block, flagged);
    const sparse = this.#pax === undefined || merged.type !== 'file' ? undefined : paxSparse(this.#pax, merged);
    if (sparse === undefined) {
      yield* this.#startData({ ...merged, size: merged.type === 'file' ? size : 0 }, merged.type === 'file' ? size : 0, undefined);
    } else if (sparse.parts === undefined) {
      this.#clear();
      this.#state = { name: 'sparse-map', header: sparse.header, collector: new SparseMapCollector(), size };
    } else {
      yield* this.#startData(sparse.header, size, sparse.parts);
    }
  }

  #merge(block: HeaderBlock, flagged: TarEntryType): TarHeader {
    const pax = this.#pax;
    const path = pax?.path ?? this.#longPath ?? block.path;
    const isOldDirectory = flagged === 'file' && path.endsWith('/');
    return {
      type: isOldDirectory ? 'directory' : flagged,
      path,
      linkPath: pax?.linkPath ?? this.#longLink ?? block.linkPath,
      mode: block.mode & MODE_MASK,
      uid: pax?.uid ?? block.uid,
      gid: pax?.gid ?? block.gid,
      userName: pax?.userName ?? block.userName,
      groupName: pax?.groupName ?? block.groupName,
      size: block.size,
      mtimeNs: pax?.mtimeNs ?? BigInt(block.mtimeSeconds) * 1_000_000_000n,
      ...(pax?.atimeNs === undefined ? {} : { atimeNs: pax.atimeNs }),
      deviceMajor: block.deviceMajor,
      deviceMinor: block.deviceMinor,
      xattrs: pax?.xattrs ?? NO_XATTRS,
      isSparse: false,
    };
  }

  *#startData(header: TarHeader, size: number, parts: readonly SparsePart[] | undefined): Generator<TarEvent, void, void> {
    if (parts !== undefined) checkSparseParts(parts, header.size, size);
    this.#clear();
    yield { kind: 'entry', header };
    const state: State = { name: 'data', parts, partIndex: 0, partDone: 0, offset: 0, left: size, padding: padded(size) - size };
    this.#state = state;
    if (size === 0) yield* this.#advance(state, 0);
  }

  *#advance(state: State & { name: 'data' }, count: number): Generator<TarEvent, void, void> {
    state.left -= count;
    state.offset += count;
    if (state.parts !== undefined) {
      state.partDone += count;
      while (state.partIndex < state.parts.length && state.partDone >= (state.parts[state.partIndex]?.length ?? 0)) {
        state.partIndex += 1;
        state.partDone = 0;
      }
    }
    if (state.left > 0) return;
    this.#state = state.padding === 0 ? { name: 'header' } : { name: 'skip', left: state.padding };
    yield { kind: 'end' };
  }

  #clear(): void {
    this.#pax = undefined;
    this.#longPath = undefined;
    this.#longLink = undefined;
  }
}

/** What PAX records say about holes: parts, or that a map stands before the data. */
function paxSparse(pax: PaxRecords, header: TarHeader): { readonly header: TarHeader; readonly parts?: SparsePart[] } | undefined {
  const record = (name: string): string | undefined => pax.sparse.get(`GNU.sparse.${name}`);
  const version = `${record('major') ?? '0'}.${record('minor') ?? '0'}`;
  const isInBody = version === '1.0';
  if (!isInBody && record('map') === undefined && pax.sparsePairs.length === 0) return undefined;
  const realSize = parseDecimal('sparse size', record('realsize') ?? record('size') ?? '');
  const sparse: TarHeader = { ...header, path: record('name') ?? header.path, size: realSize, isSparse: true };
  if (isInBody) return { header: sparse };
  const map = record('map');
  return { header: sparse, parts: map === undefined ? sparseParts(pax.sparsePairs) : parseSparseMap(map) };
}

/** Bytes that can be passed on in one piece. */
function dataRun(state: State & { name: 'data' }, available: number): number {
  const part = state.parts?.[state.partIndex];
  const run = part === undefined ? state.left : part.length - state.partDone;
  return Math.min(run, state.left, available);
}

function dataOffset(state: State & { name: 'data' }): number {
  const part = state.parts?.[state.partIndex];
  return part === undefined ? state.offset : part.offset + state.partDone;
}

function longName(payload: Buffer): string {
  const end = payload.indexOf(0);
  return decodeName(end < 0 ? payload : payload.subarray(0, end));
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

function invalid(reason: string): OciImageError {
  return new OciImageError('TAR_INVALID', `archive/tar: invalid tar header: ${reason}`);
}
