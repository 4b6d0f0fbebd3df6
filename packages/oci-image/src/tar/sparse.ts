import { OciImageError } from '../errors.ts';
import { parseDecimal } from './pax.ts';
import { BLOCK_BYTES } from './types.ts';

/** A part of a sparse file that has data. */
export interface SparsePart {
  readonly offset: number;
  readonly length: number;
}

/** Most parts a sparse file may have (CVE-2025-58183: a map may claim any number). */
export const SPARSE_PARTS_MAX = 65_536;
/** Largest sparse map in front of a file's data (format 1.0). */
export const SPARSE_MAP_BYTES_MAX: number = 1024 * 1024;

/** Checks that parts ascend, stay inside the file and hold exactly the data that follows. @throws OciImageError `TAR_INVALID`, `LAYER_LIMIT` */
export function checkSparseParts(parts: readonly SparsePart[], realSize: number, dataSize: number): void {
  if (parts.length > SPARSE_PARTS_MAX) throw tooMany();
  let end = 0;
  let total = 0;
  for (const part of parts) {
    if (part.offset < end || part.offset + part.length > realSize) throw invalid('parts overlap or leave the file');
    end = part.offset + part.length;
    total += part.length;
  }
  if (total !== dataSize) throw invalid(`the map names ${total} bytes, the entry has ${dataSize}`);
}

/** Turns alternating offsets and lengths into parts. */
export function sparseParts(numbers: readonly number[]): SparsePart[] {
  if (numbers.length % 2 !== 0) throw invalid('odd number of values');
  if (numbers.length / 2 > SPARSE_PARTS_MAX) throw tooMany();
  const parts: SparsePart[] = [];
  for (let index = 0; index < numbers.length; index += 2) parts.push({ offset: numbers[index] ?? 0, length: numbers[index + 1] ?? 0 });
  return parts;
}

/** Parses the comma-separated map of format 0.1. */
export function parseSparseMap(text: string): SparsePart[] {
  if (text === '') return [];
  return sparseParts(text.split(',').map((value) => parseDecimal('sparse map', value)));
}

/** Collects the map of format 1.0, which stands before the data: a count, then offset and length of each part, one number a line, padded to a block. */
export class SparseMapCollector {
  #text = '';
  #blocks = 0;

  /** Bytes of the entry the map takes so far. */
  get size(): number {
    return this.#blocks * BLOCK_BYTES;
  }

  /** Takes one block. @returns the parts once the map is whole */
  push(block: Uint8Array): SparsePart[] | undefined {
    this.#blocks += 1;
    if (this.size > SPARSE_MAP_BYTES_MAX) throw tooMany();
    this.#text += Buffer.from(block.buffer, block.byteOffset, block.byteLength).toString('latin1');
    const firstLine = this.#text.indexOf('\n');
    if (firstLine < 0) {
      if (this.#text.length > 32) throw invalid('no number of parts');
      return undefined;
    }
    const count = parseDecimal('number of sparse parts', this.#text.slice(0, firstLine));
    if (count > SPARSE_PARTS_MAX) throw tooMany();
    const lines = this.#text.split('\n');
    if (lines.length - 1 < 1 + count * 2) return undefined;
    return sparseParts(lines.slice(1, 1 + count * 2).map((line) => parseDecimal('sparse map', line)));
  }
}

function invalid(reason: string): OciImageError {
  return new OciImageError('TAR_INVALID', `archive/tar: invalid tar header: bad sparse map: ${reason}`);
}

function tooMany(): OciImageError {
  return new OciImageError('LAYER_LIMIT', `sparse file has more than ${SPARSE_PARTS_MAX} parts`);
}
