/**
 * The few protobuf messages that the short-lived `start` and `delete` commands exchange. They run once or twice for every container, so they do not
 * load the generated types; a test compares both.
 */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** A length-delimited or varint field, in the order of the message. */
export interface WireField {
  readonly number: number;
  readonly value: bigint | Uint8Array;
}

/** Cuts a message into its fields; undefined when the bytes are no message. Fixed-width fields are skipped. */
export function readFields(bytes: Uint8Array): WireField[] | undefined {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint | undefined => {
    let value = 0n;
    for (let shift = 0n; shift < 70n && at < bytes.length; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === undefined || tag >> 3n === 0n || tag > 0xffff_ffffn) return undefined;
    const number = Number(tag >> 3n);
    const type = Number(tag & 7n);
    if (type === VARINT) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.push({ number, value });
      continue;
    }
    const size = type === BYTES ? varint() : type === FIXED64 ? 8n : type === FIXED32 ? 4n : undefined;
    if (size === undefined || size > BigInt(bytes.length - at)) return undefined;
    if (type === BYTES) fields.push({ number, value: bytes.subarray(at, at + Number(size)) });
    at += Number(size);
  }
  return fields;
}

function encodeVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** A varint field; nothing for zero, as proto3 wants. */
export function varintField(number: number, value: bigint): Buffer {
  return value === 0n ? Buffer.alloc(0) : Buffer.concat([encodeVarint(BigInt(number << 3 | VARINT)), encodeVarint(value)]);
}

/** A string, bytes or message field; nothing when empty. */
export function bytesField(number: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as string);
  return bytes.length === 0 ? Buffer.alloc(0) : Buffer.concat([encodeVarint(BigInt(number << 3 | BYTES)), encodeVarint(BigInt(bytes.length)), bytes]);
}

/** containerd.task.v2.DeleteResponse, which the `delete` command prints. */
export function encodeDeleteResponse(response: { readonly pid: number; readonly exitStatus: number; readonly exitedAtNanos: bigint }): Buffer {
  const timestamp = Buffer.concat([varintField(1, response.exitedAtNanos / 1_000_000_000n), varintField(2, response.exitedAtNanos % 1_000_000_000n)]);
  return Buffer.concat([varintField(1, BigInt(response.pid)), varintField(2, BigInt(response.exitStatus)), bytesField(3, timestamp)]);
}

/** containerd.runtime.bootstrap.v1.BootstrapResult, which `start` answers a containerd 2.3 with. */
export function encodeBootstrapResult(result: { readonly version: number; readonly address: string; readonly metadata: Readonly<Record<string, string>> }): Buffer {
  const metadata = Object.entries(result.metadata).map(([key, value]) => bytesField(5, Buffer.concat([bytesField(1, key), bytesField(2, value)])));
  return Buffer.concat([varintField(1, BigInt(result.version)), bytesField(2, result.address), bytesField(3, 'ttrpc'), ...metadata]);
}

/** What `start` needs of its standard input. */
export interface BootstrapInput {
  /** BootstrapParams arrived, as containerd 2.3 and later send them: the answer has the same form. */
  readonly isBootstrapParams: boolean;
  /** The packed runtime options, wherever they came from. */
  readonly options: { readonly typeUrl: string; readonly value: Uint8Array } | undefined;
  readonly socketFolder: string | undefined;
}

function text(fields: readonly WireField[], number: number): string {
  const value = fields.findLast((field) => field.number === number)?.value;
  return value instanceof Uint8Array ? Buffer.from(value).toString() : '';
}

function readAny(bytes: Uint8Array): BootstrapInput['options'] {
  const fields = readFields(bytes);
  if (fields === undefined) return undefined;
  const value = fields.findLast((field) => field.number === 2)?.value;
  const typeUrl = text(fields, 1);
  return typeUrl === '' ? undefined : { typeUrl, value: value instanceof Uint8Array ? value : new Uint8Array() };
}

function optionsAmong(fields: readonly WireField[]): BootstrapInput['options'] {
  for (const { number, value } of fields) {
    if (number !== 8 || !(value instanceof Uint8Array)) continue;
    const any = readFields(value)?.find((field) => field.number === 1)?.value;
    const options = any instanceof Uint8Array ? readAny(any) : undefined;
    if (options?.typeUrl.endsWith('Options') === true) return options;
  }
  return undefined;
}

/**
 * Reads the standard input of `start`. Packed options and BootstrapParams decode as each other; what names this very id and namespace is the latter.
 */
export function readBootstrapInput(bytes: Uint8Array, { id, namespace }: { readonly id: string; readonly namespace: string }): BootstrapInput {
  const fields = readFields(bytes) ?? [];
  if (text(fields, 1) === id && text(fields, 2) === namespace) {
    return { isBootstrapParams: true, options: optionsAmong(fields), socketFolder: text(fields, 9) === '' ? undefined : text(fields, 9) };
  }
  return { isBootstrapParams: false, options: readAny(bytes), socketFolder: undefined };
}
