import { LibcontainerError } from '../errors.ts';

/** Above any real plan; the binary refuses more. */
const PLAN_BYTES_MAX = 16 * 1024 * 1024;
const encoder = new TextEncoder();

/**
 * Writes the primitives of the plan format: little-endian integers, and byte strings as u32 length, bytes and one NUL that is not counted
 * (so that the reader can use them where they are). Every value is checked for its range.
 *
 * Room is taken before the view is looked at: taking may move the plan to a larger buffer with a new view.
 */
export class PlanWriter {
  #buffer = new Uint8Array(4096);
  #view = new DataView(this.#buffer.buffer);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  u8(value: number): void {
    check(value, 0, 0xff);
    const offset = this.#take(1);
    this.#view.setUint8(offset, value);
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  u16(value: number): void {
    check(value, 0, 0xffff);
    const offset = this.#take(2);
    this.#view.setUint16(offset, value, true);
  }

  u32(value: number): void {
    check(value, 0, 0xffffffff);
    const offset = this.#take(4);
    this.#view.setUint32(offset, value, true);
  }

  i32(value: number): void {
    check(value, -0x80000000, 0x7fffffff);
    const offset = this.#take(4);
    this.#view.setInt32(offset, value, true);
  }

  u64(value: bigint): void {
    checkBig(value, 0n, (1n << 64n) - 1n);
    const offset = this.#take(8);
    this.#view.setBigUint64(offset, value, true);
  }

  i64(value: bigint): void {
    checkBig(value, -(1n << 63n), (1n << 63n) - 1n);
    const offset = this.#take(8);
    this.#view.setBigInt64(offset, value, true);
  }

  bytes(value: Uint8Array): void {
    this.u32(value.length);
    const offset = this.#take(value.length + 1);
    this.#buffer.set(value, offset);
    this.#buffer[offset + value.length] = 0;
  }

  string(value: string): void {
    if (value.includes('\0')) throw invalid(`string ${JSON.stringify(value.slice(0, 80))} contains NUL`);
    this.bytes(encoder.encode(value));
  }

  /** A presence byte, then the value if there is one. */
  optional<T>(value: T | undefined, write: (writer: this, value: T) => void): void {
    this.bool(value !== undefined);
    if (value !== undefined) write(this, value);
  }

  optionalString(value: string | undefined): void {
    this.optional(value, (writer, text) => { writer.string(text); });
  }

  array<T>(values: readonly T[], write: (writer: this, value: T) => void): void {
    this.u32(values.length);
    for (const value of values) write(this, value);
  }

  strings(values: readonly string[]): void {
    this.array(values, (writer, value) => { writer.string(value); });
  }

  /** Overwrites four bytes that were written before. */
  setU32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true);
  }

  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#size);
  }

  #take(count: number): number {
    const offset = this.#size;
    this.#size += count;
    if (this.#size > PLAN_BYTES_MAX) throw invalid(`size is more than ${PLAN_BYTES_MAX} bytes`);
    if (this.#size > this.#buffer.length) this.#grow();
    return offset;
  }

  #grow(): void {
    const buffer = new Uint8Array(Math.max(this.#buffer.length * 2, this.#size));
    buffer.set(this.#buffer);
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer);
  }
}

function invalid(detail: string): LibcontainerError {
  return new LibcontainerError({ kind: 'invalid_argument', code: 'PLAN_INVALID', message: `cannot encode plan: ${detail}` });
}

function check(value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) throw invalid(`${value} is not an integer from ${min} to ${max}`);
}

function checkBig(value: bigint, min: bigint, max: bigint): void {
  if (value < min || value > max) throw invalid(`${value.toString()} is not an integer from ${min.toString()} to ${max.toString()}`);
}
