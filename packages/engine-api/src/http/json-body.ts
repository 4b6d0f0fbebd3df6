import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { EngineApiError, invalid, messageOf } from '../errors.ts';

/** The largest JSON body that is read, in bytes; creating a container with many labels takes some KiB. */
export const JSON_BODY_BYTES_MAX: number = 16 * 1024 * 1024;

/** Whether a request's headers announce a body. */
export function announcesBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? '0') > 0;
}

/** Refuses a body that does not say it is JSON. @throws EngineApiError invalid_argument */
export function checkJsonContentType(headers: IncomingHttpHeaders): void {
  const contentType = headers['content-type'] ?? '';
  if (contentType === '' && !announcesBody(headers)) return;
  const mediaType = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  if (mediaType === '') throw invalid(`malformed Content-Type header (${contentType}): mime: no media type`);
  if (mediaType !== 'application/json') throw invalid(`unsupported Content-Type header (${contentType}): must be 'application/json'`);
}

/** Reads a stream to its end. @throws EngineApiError resource_exhausted beyond `maxBytes` */
export async function readAll(stream: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new EngineApiError('invalid_argument', 'BODY_TOO_LARGE', `request body is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** Parses one JSON value with nothing after it. @throws EngineApiError invalid_argument */
export function parseJsonBody(bytes: Buffer): unknown {
  const text = bytes.toString('utf8');
  if (text.trim() === '') throw invalid('invalid JSON: got EOF while reading request body', 'INVALID_JSON');
  try {
    return JSON.parse(text);
  } catch (error) {
    if (messageOf(error).includes('after JSON')) throw invalid('unexpected content after JSON', 'INVALID_JSON');
    throw invalid(`invalid JSON: ${messageOf(error)}`, 'INVALID_JSON');
  }
}
