import { type CgroupKernel, errnoCode } from './kernel.ts';
import type { BlkioEntry, RdmaEntry } from './stats.ts';

/** What v2 shows as "max". */
export const UNLIMITED = 0xffff_ffff_ffff_ffffn;

/** Reads control files of one cgroup directory; a missing file reads as empty. */
export class StatFiles {
  readonly #kernel: CgroupKernel;
  readonly #directory: string;

  constructor(kernel: CgroupKernel, directory: string) {
    this.#kernel = kernel;
    this.#directory = directory;
  }

  text(file: string): string {
    try {
      return this.#kernel.read(`${this.#directory}/${file}`).trim();
    } catch (error) {
      const code = errnoCode(error);
      if (code === 'ENOENT' || code === 'ENODEV' || code === 'EOPNOTSUPP' || code === 'ENOTSUP') return '';
      throw error;
    }
  }

  /** A file with one number, or "max". */
  number(file: string): bigint {
    return parseCount(this.text(file));
  }

  /** A file of `key value` lines. */
  pairs(file: string): Record<string, bigint> {
    return parsePairs(this.text(file));
  }
}

/** Parses a count; "max" is the largest number, and what is not a number is 0. */
export function parseCount(text: string): bigint {
  if (text === 'max') return UNLIMITED;
  return /^-?\d+$/.test(text) ? BigInt(text) : 0n;
}

/** Parses `key value` lines; others are ignored. */
export function parsePairs(text: string): Record<string, bigint> {
  const pairs: Record<string, bigint> = {};
  for (const line of text.split('\n')) {
    const match = /^(\S+) (-?\d+)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) pairs[match[1]] = BigInt(match[2]);
  }
  return pairs;
}

/** Parses a list of ranges as `0-2,5` to its numbers. */
export function parseRanges(text: string): number[] {
  const numbers: number[] = [];
  for (const part of text.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part.trim());
    if (match === null) continue;
    const first = Number(match[1]);
    // A machine has few thousand processors; a longer range is not from the kernel.
    const last = Math.min(Number(match[2] ?? match[1]), first + 65_535);
    for (let number = first; number <= last; number++) numbers.push(number);
  }
  return numbers;
}

/** Parses v1 blkio lines: `8:0 Read 4096` or `8:0 17`; the total line is left out. */
export function parseBlkioV1(text: string): BlkioEntry[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\d+):(\d+)(?: (\w+))? (\d+)$/.exec(line);
    return match === null ? [] : [{ major: Number(match[1]), minor: Number(match[2]), op: match[3] ?? '', value: BigInt(match[4] ?? 0) }];
  });
}

/** Parses v2's io.stat (`8:0 rbytes=1 wbytes=2 rios=3 …`) to entries by key. */
export function parseIoStat(text: string): { major: number; minor: number; values: Record<string, bigint> }[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\d+):(\d+) (.*)$/.exec(line);
    if (match === null) return [];
    const values: Record<string, bigint> = {};
    for (const word of (match[3] ?? '').split(' ')) {
      const pair = /^(\w+)=(\d+)$/.exec(word);
      if (pair?.[1] !== undefined && pair[2] !== undefined) values[pair[1]] = BigInt(pair[2]);
    }
    return [{ major: Number(match[1]), minor: Number(match[2]), values }];
  });
}

/** Parses rdma.current and rdma.max. */
export function parseRdma(text: string): RdmaEntry[] {
  return text.split('\n').flatMap((line) => {
    const match = /^(\S+) hca_handle=(\w+) hca_object=(\w+)$/.exec(line);
    return match === null ? [] : [{ device: match[1] ?? '', hcaHandles: parseCount(match[2] ?? ''), hcaObjects: parseCount(match[3] ?? '') }];
  });
}
