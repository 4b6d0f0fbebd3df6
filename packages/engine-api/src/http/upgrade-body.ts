import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineApiError, invalid } from '../errors.ts';

/** The body of a request that asked for an upgrade, and the bytes that came after it. */
export interface UpgradeBody { readonly body: Buffer; readonly rest: Buffer }

/** The largest chunk-size line, in bytes. */
const CHUNK_LINE_BYTES_MAX = 4096;

/**
 * Reads the body of a request with an Upgrade header. Node's parser stops behind the headers of such a request, so its body is among the first bytes
 * of the raw connection. The connection is left paused.
 * @throws EngineApiError invalid_argument on a malformed or oversized body, canceled where the client leaves before the body is whole
 */
export async function readUpgradeBody(request: IncomingMessage, socket: Duplex, head: Buffer, maxBytes: number): Promise<UpgradeBody> {
  const decode = bodyDecoder(request, maxBytes);
  let bytes = head;
  let decoded = decode(bytes);
  while (decoded === undefined) {
    bytes = Buffer.concat([bytes, await nextChunk(socket)]);
    decoded = decode(bytes);
  }
  return decoded;
}

/** A function that gives the body once all of it is there. */
function bodyDecoder(request: IncomingMessage, maxBytes: number): (bytes: Buffer) => UpgradeBody | undefined {
  if (request.headers['transfer-encoding'] !== undefined) return (bytes) => decodeChunked(bytes, maxBytes);
  const length = Number(request.headers['content-length'] ?? '0');
  if (!Number.isSafeInteger(length) || length < 0 || length > maxBytes) throw invalid(`request body is larger than ${maxBytes} bytes`, 'BODY_TOO_LARGE');
  return (bytes) => bytes.length < length ? undefined : { body: bytes.subarray(0, length), rest: bytes.subarray(length) };
}

/** Decodes a chunked body at the beginning of `bytes`; undefined while it is not whole. @throws EngineApiError invalid_argument */
export function decodeChunked(bytes: Buffer, maxBytes: number): UpgradeBody | undefined {
  const chunks: Buffer[] = [];
  let total = 0;
  let offset = 0;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', offset);
    if (lineEnd < 0) {
      if (bytes.length - offset > CHUNK_LINE_BYTES_MAX) throw invalid('malformed chunked encoding');
      return undefined;
    }
    const size = chunkSize(bytes.toString('latin1', offset, lineEnd));
    total += size;
    if (total > maxBytes) throw invalid(`request body is larger than ${maxBytes} bytes`, 'BODY_TOO_LARGE');
    offset = lineEnd + 2;
    if (size === 0) {
      const end = trailerEnd(bytes, offset);
      return end === undefined ? undefined : { body: Buffer.concat(chunks), rest: bytes.subarray(end) };
    }
    if (bytes.length < offset + size + 2) return undefined;
    if (bytes[offset + size] !== 13 || bytes[offset + size + 1] !== 10) throw invalid('malformed chunked encoding');
    chunks.push(bytes.subarray(offset, offset + size));
    offset += size + 2;
  }
}

function chunkSize(line: string): number {
  const digits = /^([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?$/.exec(line)?.[1];
  if (digits === undefined) throw invalid('malformed chunked encoding');
  return Number.parseInt(digits, 16);
}

/** Where the trailers and their empty line end. */
function trailerEnd(bytes: Buffer, offset: number): number | undefined {
  for (let start = offset; ;) {
    const lineEnd = bytes.indexOf('\r\n', start);
    if (lineEnd < 0) {
      if (bytes.length - offset > CHUNK_LINE_BYTES_MAX) throw invalid('malformed chunked encoding');
      return undefined;
    }
    if (lineEnd === start) return lineEnd + 2;
    start = lineEnd + 2;
  }
}

function nextChunk(socket: Duplex): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      socket.pause();
      socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onEnd);
      settle();
    };
    const onData = (chunk: Buffer): void => finish(() => resolve(chunk));
    const onEnd = (): void => finish(() => reject(new EngineApiError('canceled', 'CLIENT_GONE', 'the client left before its request was whole')));
    socket.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onEnd);
    socket.resume();
  });
}
