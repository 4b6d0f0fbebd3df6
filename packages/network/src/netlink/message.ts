/**
 * The netlink wire format: messages of a 16-byte header, a family header and attributes, all in the machine's byte order and aligned to 4 bytes.
 *
 * @see netlink(7), include/uapi/linux/netlink.h
 */
import { NetworkError } from '../errors.ts';

export const NLM_F_REQUEST = 0x1;
export const NLM_F_MULTI = 0x2;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_APPEND = 0x800;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
/** The attribute's type without its "nested" and "network byte order" bits. */
const ATTRIBUTE_TYPE_MASK = 0x3fff;
const ATTRIBUTE_NESTED = 0x8000;

/** One attribute to send: raw bytes, or nested attributes. */
export interface Attribute { readonly type: number; readonly value: Uint8Array | readonly Attribute[] }

/** One message to send. */
export interface NetlinkRequest { readonly type: number; readonly flags: number; readonly header: Uint8Array; readonly attributes: readonly Attribute[] }

/** One message received; `payload` starts with the family header. */
export interface NetlinkMessage { readonly type: number; readonly flags: number; readonly sequence: number; readonly payload: Buffer }

const align = (length: number): number => (length + 3) & ~3;

/** An attribute that holds an unsigned 8-bit number. */
export const u8 = (type: number, value: number): Attribute => ({ type, value: Uint8Array.of(value) });

/** An attribute that holds an unsigned 16-bit number in network byte order. */
export function u16be(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return { type, value: bytes };
}

/** An attribute that holds an unsigned 32-bit number in the machine's byte order. */
export function u32(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return { type, value: bytes };
}

/** An attribute that holds an unsigned 32-bit number in network byte order, as nftables wants it. */
export function u32be(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return { type, value: bytes };
}

/** An attribute that holds a NUL-terminated string. */
export const text = (type: number, value: string): Attribute => ({ type, value: Buffer.from(`${value}\0`) });

/** An attribute that holds bytes. */
export const bytes = (type: number, value: Uint8Array): Attribute => ({ type, value });

/** An attribute that holds attributes. */
export const nested = (type: number, value: readonly Attribute[]): Attribute => ({ type: type | ATTRIBUTE_NESTED, value });

/** Attributes as they go over the wire. */
export function encodeAttributes(attributes: readonly Attribute[]): Buffer {
  return Buffer.concat(attributes.flatMap(({ type, value }) => {
    const body = value instanceof Uint8Array ? value : encodeAttributes(value);
    const header = Buffer.alloc(ATTRIBUTE_HEADER_BYTES);
    header.writeUInt16LE(ATTRIBUTE_HEADER_BYTES + body.length, 0);
    header.writeUInt16LE(type, 2);
    return [header, body, Buffer.alloc(align(body.length) - body.length)];
  }));
}

/** A message as it goes over the wire. */
export function encodeMessage(request: NetlinkRequest, sequence: number): Buffer {
  const body = Buffer.concat([request.header, Buffer.alloc(align(request.header.length) - request.header.length), encodeAttributes(request.attributes)]);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(HEADER_BYTES + body.length, 0);
  header.writeUInt16LE(request.type, 4);
  header.writeUInt16LE(request.flags, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, body]);
}

/**
 * The messages in one datagram.
 *
 * @throws NetworkError `MALFORMED_MESSAGE` when a length points outside the datagram.
 */
export function decodeMessages(datagram: Buffer): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  for (let offset = 0; offset < datagram.length;) {
    const length = offset + HEADER_BYTES <= datagram.length ? datagram.readUInt32LE(offset) : 0;
    if (length < HEADER_BYTES || offset + length > datagram.length) throw malformed('message', length, datagram.length - offset);
    messages.push({
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      payload: datagram.subarray(offset + HEADER_BYTES, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/**
 * The attributes in `data`, by type. A type that occurs twice keeps its last value, as in the kernel.
 *
 * @throws NetworkError `MALFORMED_MESSAGE` when a length points outside `data`.
 */
export function decodeAttributes(data: Buffer): Map<number, Buffer> {
  return new Map(listAttributes(data));
}

/** The attributes in `data` in their order; lists repeat one type. */
export function listAttributes(data: Buffer): [type: number, value: Buffer][] {
  const attributes: [number, Buffer][] = [];
  for (let offset = 0; offset + ATTRIBUTE_HEADER_BYTES <= data.length;) {
    const length = data.readUInt16LE(offset);
    if (length < ATTRIBUTE_HEADER_BYTES || offset + length > data.length) throw malformed('attribute', length, data.length - offset);
    attributes.push([data.readUInt16LE(offset + 2) & ATTRIBUTE_TYPE_MASK, data.subarray(offset + ATTRIBUTE_HEADER_BYTES, offset + length)]);
    offset += align(length);
  }
  return attributes;
}

/** The string in an attribute, without its terminating NUL. */
export function decodeText(value: Buffer): string {
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end === -1 ? value.length : end);
}

function malformed(what: string, length: number, available: number): NetworkError {
  return new NetworkError('internal', 'MALFORMED_MESSAGE', `cannot decode netlink ${what}: length is ${length}, available are ${available} bytes`);
}
