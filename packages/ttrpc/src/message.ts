/** The two messages that ttrpc puts into request and response frames (package `ttrpc`, request.proto), and their frames. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX, FRAME_REQUEST, FRAME_RESPONSE, writeFrameHeader } from './frame.ts';
import { TtrpcError, type TtrpcErrorDetail } from './errors.ts';

/** Header values by lower-case key. */
export type TtrpcMetadata = ReadonlyMap<string, readonly string[]>;

/** A call as it travels. */
export interface TtrpcRequest {
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  /** 0 is no deadline. */
  readonly timeoutNanos: bigint;
  readonly metadata: TtrpcMetadata;
}

/** google.rpc.Status. */
export interface TtrpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly TtrpcErrorDetail[];
}

/** An answer as it travels; without a status it is a success. */
export interface TtrpcResponse {
  readonly status: TtrpcStatus | undefined;
  readonly payload: Uint8Array;
}

const EMPTY: Uint8Array = new Uint8Array(0);

/**
 * A request as one frame, ready to be written.
 * @throws TtrpcError resource_exhausted FRAME_TOO_LARGE
 */
export function encodeRequestFrame(streamId: number, flags: number, request: TtrpcRequest): Uint8Array {
  const writer = frameWriter();
  if (request.service !== '') writer.uint32(10).string(request.service);
  if (request.method !== '') writer.uint32(18).string(request.method);
  if (request.payload.length > 0) writer.uint32(26).bytes(request.payload);
  if (request.timeoutNanos !== 0n) writer.uint32(32).int64(request.timeoutNanos);
  for (const [key, values] of request.metadata) {
    for (const value of values) {
      writer.uint32(42).fork();
      if (key !== '') writer.uint32(10).string(key);
      if (value !== '') writer.uint32(18).string(value);
      writer.join();
    }
  }
  return finishFrame(writer, streamId, FRAME_REQUEST, flags);
}

/**
 * A response as one frame, ready to be written.
 * @throws TtrpcError resource_exhausted FRAME_TOO_LARGE
 */
export function encodeResponseFrame(streamId: number, response: TtrpcResponse): Uint8Array {
  const writer = frameWriter();
  if (response.status !== undefined) {
    const { code, message, details } = response.status;
    writer.uint32(10).fork();
    if (code !== 0) writer.uint32(8).int32(code);
    if (message !== '') writer.uint32(18).string(message);
    for (const detail of details) {
      writer.uint32(26).fork();
      if (detail.typeUrl !== '') writer.uint32(10).string(detail.typeUrl);
      if (detail.value.length > 0) writer.uint32(18).bytes(detail.value);
      writer.join();
    }
    writer.join();
  }
  if (response.payload.length > 0) writer.uint32(18).bytes(response.payload);
  return finishFrame(writer, streamId, FRAME_RESPONSE, 0);
}

/** @throws TtrpcError invalid_argument MALFORMED */
export function decodeRequest(bytes: Uint8Array): TtrpcRequest {
  const metadata = new Map<string, string[]>();
  const request = { service: '', method: '', payload: EMPTY, timeoutNanos: 0n };
  decodeFields('request', bytes, (reader, field) => {
    if (field === 1) request.service = reader.string();
    else if (field === 2) request.method = reader.string();
    else if (field === 3) request.payload = reader.bytes();
    else if (field === 4) request.timeoutNanos = BigInt(reader.int64());
    else if (field === 5) addMetadata(metadata, reader.bytes());
    else return false;
    return true;
  });
  return { ...request, metadata };
}

/** @throws TtrpcError invalid_argument MALFORMED */
export function decodeResponse(bytes: Uint8Array): TtrpcResponse {
  let status: TtrpcStatus | undefined;
  let payload: Uint8Array = EMPTY;
  decodeFields('response', bytes, (reader, field) => {
    if (field === 1) status = decodeStatus(reader.bytes());
    else if (field === 2) payload = reader.bytes();
    else return false;
    return true;
  });
  return { status, payload };
}

function decodeStatus(bytes: Uint8Array): TtrpcStatus {
  const details: TtrpcErrorDetail[] = [];
  let code = 0;
  let message = '';
  decodeFields('status', bytes, (reader, field) => {
    if (field === 1) code = reader.int32();
    else if (field === 2) message = reader.string();
    else if (field === 3) details.push(decodeDetail(reader.bytes()));
    else return false;
    return true;
  });
  return { code, message, details };
}

function decodeDetail(bytes: Uint8Array): TtrpcErrorDetail {
  let typeUrl = '';
  let value: Uint8Array = EMPTY;
  decodeFields('detail', bytes, (reader, field) => {
    if (field === 1) typeUrl = reader.string();
    else if (field === 2) value = reader.bytes();
    else return false;
    return true;
  });
  return { typeUrl, value };
}

function addMetadata(metadata: Map<string, string[]>, bytes: Uint8Array): void {
  let key = '';
  let value = '';
  decodeFields('metadata', bytes, (reader, field) => {
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else return false;
    return true;
  });
  const lower = key.toLowerCase();
  const values = metadata.get(lower);
  if (values === undefined) metadata.set(lower, [value]);
  else values.push(value);
}

/** Wire types of the fields that `read` knows, by message. A field of another type is skipped as an unknown one. */
const VARINT_FIELDS: Readonly<Record<string, readonly number[]>> = { request: [4], status: [1] };

function decodeFields(message: string, bytes: Uint8Array, read: (reader: BinaryReader, field: number) => boolean): void {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      const wanted = VARINT_FIELDS[message]?.includes(field) === true ? WireType.Varint : WireType.LengthDelimited;
      if (wireType !== wanted || !read(reader, field)) reader.skip(wireType, field);
    }
  } catch (error) {
    if (error instanceof TtrpcError) throw error;
    throw new TtrpcError('invalid_argument', `cannot decode ttrpc ${message} of ${bytes.length} bytes`, { code: 'MALFORMED', cause: error });
  }
}

/** A writer with room for the frame header, so that frame and message are one allocation and one write. */
function frameWriter(): BinaryWriter {
  return new BinaryWriter().raw(new Uint8Array(FRAME_HEADER_BYTES));
}

function finishFrame(writer: BinaryWriter, streamId: number, type: number, flags: number): Uint8Array {
  const frame = writer.finish();
  const payloadBytes = frame.length - FRAME_HEADER_BYTES;
  if (payloadBytes > FRAME_PAYLOAD_BYTES_MAX) throw messageTooLarge(payloadBytes);
  writeFrameHeader(frame, { streamId, type, flags }, payloadBytes);
  return frame;
}

/** The error for a message of `bytes` bytes that no frame can hold. */
export function messageTooLarge(bytes: number): TtrpcError {
  return new TtrpcError('resource_exhausted', `message length ${bytes} exceed maximum message size of ${FRAME_PAYLOAD_BYTES_MAX}`, {
    code: 'FRAME_TOO_LARGE',
  });
}
