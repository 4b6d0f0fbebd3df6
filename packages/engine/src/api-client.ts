import http from 'node:http';
import { EngineError } from './errors.ts';

/** How much of an answer is read. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;

/** A small client of the engine's own API, enough for `dray-engine`. */
export class ApiClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Whether an engine answers. */
  async isUp(): Promise<boolean> {
    try {
      return (await this.#request('GET', '/_ping')).status === 200;
    } catch {
      return false; // nobody listens
    }
  }

  /** Sends a request and reads its answer. @throws EngineError API with the daemon's words, unless the status is among `accept` */
  async call(method: string, path: string, body?: unknown, accept: readonly number[] = []): Promise<unknown> {
    const { status, bytes } = await this.#request(method, path, body);
    const text = bytes.toString('utf8');
    const document: unknown = /^\s*[{[]/.test(text) && !text.trim().includes('\n') ? JSON.parse(text) : text;
    if (status < 400 || accept.includes(status)) return document;
    const message = typeof document === 'object' && document !== null && 'message' in document ? String(document.message) : `status ${status}`;
    throw new EngineError('internal', 'API', message);
  }

  /** The bytes of an answer. */
  async bytes(path: string): Promise<Buffer> {
    return (await this.#request('GET', path)).bytes;
  }

  #request(method: string, path: string, body?: unknown): Promise<{ status: number; bytes: Buffer }> {
    return new Promise((resolve, reject) => {
      const isStream = typeof body === 'object' && body !== null && 'pipe' in body;
      const headers = body === undefined ? {} : { 'Content-Type': isStream ? 'application/x-tar' : 'application/json' };
      const request = http.request({ socketPath: this.#socketPath, method, path, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > ANSWER_BYTES_MAX) request.destroy(new Error(`the answer is larger than ${ANSWER_BYTES_MAX} bytes`));
          else chunks.push(chunk);
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(chunks) }));
        response.on('error', reject);
      });
      request.on('error', reject);
      if (isStream) (body as NodeJS.ReadableStream).pipe(request);
      else request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** Takes the frames of `logs` and `attach` apart. */
export function demultiplex(bytes: Buffer): { stdout: Buffer; stderr: Buffer } {
  const parts: Record<1 | 2, Buffer[]> = { 1: [], 2: [] };
  for (let offset = 0; offset + 8 <= bytes.length;) {
    const length = bytes.readUInt32BE(offset + 4);
    parts[bytes[offset] === 2 ? 2 : 1].push(bytes.subarray(offset + 8, offset + 8 + length));
    offset += 8 + length;
  }
  return { stdout: Buffer.concat(parts[1]), stderr: Buffer.concat(parts[2]) };
}
