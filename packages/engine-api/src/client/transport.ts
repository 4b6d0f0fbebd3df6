import http from 'node:http';
import https from 'node:https';
import type { Duplex, Readable } from 'node:stream';
import { connectionOf, type Connection, type Endpoint } from './endpoint.ts';
import { DrayClientError } from './errors.ts';

/** The newest API this client speaks; an older daemon is spoken to in its own. */
export const API_VERSION = '1.51';
/** An error body longer than this is cut. */
const ERROR_BYTES_MAX = 64 * 1024;

/** One request. */
export interface ClientRequestOptions {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Path without version, starting with a slash. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** HTTP to one daemon, with the API version negotiated once. */
export class Transport implements Disposable {
  readonly endpoint: Endpoint;
  readonly #connection: Connection;
  readonly #agent: http.Agent;
  #version: Promise<string> | undefined;

  constructor(endpoint: Endpoint, { version }: { version?: string } = {}) {
    this.endpoint = endpoint;
    this.#connection = connectionOf(endpoint);
    this.#agent = this.#connection.isTls ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
    if (version !== undefined) this.#version = Promise.resolve(version);
  }

  /** The API version both sides speak. */
  version(): Promise<string> {
    this.#version ??= this.#negotiate();
    return this.#version;
  }

  /** Sends a request and answers with its response, once that has a status below 400. */
  async send(options: ClientRequestOptions): Promise<http.IncomingMessage> {
    const request = this.#open(await this.#path(options), options);
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.on('response', resolve).on('error', (cause) => reject(this.#connectionError(cause)));
      sendBody(request, options);
    });
    if ((response.statusCode ?? 0) >= 400) throw await daemonError(response);
    return response;
  }

  /** Sends a request and reads the JSON it is answered with. */
  async json<T>(options: ClientRequestOptions): Promise<T> {
    const response = await this.send(options);
    const text = await readText(response);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  /** Sends a request and forgets the answer's body. */
  async run(options: ClientRequestOptions): Promise<void> {
    (await this.send(options)).resume();
  }

  /**
   * Sends a request that turns the connection into raw bytes both ways; `end()` closes the client's half. Output is framed unless the process has a
   * terminal (older daemons do not say which in their answer).
   */
  async hijack(options: ClientRequestOptions): Promise<Duplex> {
    const request = this.#open(await this.#path(options), { ...options, headers: { ...options.headers, Connection: 'Upgrade', Upgrade: 'tcp' } }, false);
    return new Promise((resolve, reject) => {
      request.on('error', (cause) => reject(this.#connectionError(cause)));
      request.on('response', (response) => void daemonError(response).then(reject, reject));
      request.on('upgrade', (_response, stream, head) => {
        if (head.length > 0) stream.unshift(head);
        resolve(stream);
      });
      sendBody(request, options);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #negotiate(): Promise<string> {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      this.#open('/_ping', { method: 'HEAD', path: '/_ping' }).on('response', resolve).on('error', (cause) => reject(this.#connectionError(cause))).end();
    });
    response.resume();
    const offered = String(response.headers['api-version'] ?? '1.24');
    return compareVersions(offered, API_VERSION) < 0 ? offered : API_VERSION;
  }

  async #path({ path, query = {} }: ClientRequestOptions): Promise<string> {
    const parameters = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) {
      if (value === undefined) continue;
      for (const one of Array.isArray(value) ? (value as readonly string[]) : [value as string | number | boolean]) parameters.append(key, String(one));
    }
    const text = parameters.toString();
    return `/v${await this.version()}${path}${text === '' ? '' : `?${text}`}`;
  }

  #open(path: string, options: ClientRequestOptions, isPooled = true): http.ClientRequest {
    const { request } = this.#connection.isTls ? https : http;
    return request({
      ...this.#connection.options, method: options.method ?? 'GET', path, agent: isPooled ? this.#agent : false,
      headers: { 'User-Agent': 'Dray-Client', ...(options.json !== undefined && { 'Content-Type': 'application/json' }), ...options.headers },
      ...(options.signal && { signal: options.signal }),
    });
  }

  #connectionError(cause: Error): unknown {
    if (cause.name === 'AbortError') return cause;
    const code = 'code' in cause ? String(cause.code) : '';
    const { host } = this.endpoint;
    if (['ENOENT', 'ECONNREFUSED', 'ENOTFOUND'].includes(code)) return new DrayClientError('CONNECTION_FAILED', `Cannot connect to the Docker daemon at ${host}. Is the docker daemon running?`, { cause });
    if (code === 'EACCES') return new DrayClientError('CONNECTION_FAILED', `permission denied while trying to connect to the Docker daemon socket at ${host}`, { cause });
    if (!this.#connection.isTls && (code === 'ECONNRESET' || code.startsWith('HPE_'))) return new DrayClientError('CONNECTION_FAILED', `error during connect: ${cause.message}: Are you trying to connect to a TLS-enabled daemon without TLS?`, { cause });
    return new DrayClientError('CONNECTION_FAILED', `error during connect: ${cause.message}`, { cause });
  }
}

function sendBody(request: http.ClientRequest, { json, body }: ClientRequestOptions): void {
  if (body) body.on('error', (error) => request.destroy(error)).pipe(request);
  else request.end(json === undefined ? undefined : JSON.stringify(json));
}

async function daemonError(response: http.IncomingMessage): Promise<DrayClientError> {
  const text = await readText(response, ERROR_BYTES_MAX);
  return new DrayClientError('DAEMON_ERROR', messageOf(text) ?? (text.trim() || `the daemon answered with status ${response.statusCode ?? 0}`), { status: response.statusCode ?? 0 });
}

function messageOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string' ? value.message : undefined;
  } catch {
    return undefined; // an error page of somebody between us and the daemon
  }
}

async function readText(response: http.IncomingMessage, bytesMax: number = Number.POSITIVE_INFINITY): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (length < bytesMax) chunks.push(chunk);
    length += chunk.length;
  }
  return Buffer.concat(chunks).toString('utf8', 0, Math.min(length, bytesMax === Number.POSITIVE_INFINITY ? length : bytesMax));
}

function compareVersions(a: string, b: string): number {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number));
  return (x?.[0] ?? 0) - (y?.[0] ?? 0) || (x?.[1] ?? 0) - (y?.[1] ?? 0);
}
