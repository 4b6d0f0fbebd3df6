import type { Dispatcher } from 'undici';
import { OciImageError } from '../errors.ts';

/** One HTTP request. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Whether the server's certificate goes unchecked. */
  readonly isInsecure: boolean;
  readonly signal?: AbortSignal;
}

/** An HTTP answer. Its body must be consumed, by `text`, `bytes`, `discard` or iterating to the end. */
export interface HttpResponse {
  readonly status: number;
  /** One header's value; several are joined by a comma. */
  header(name: string): string | undefined;
  /** All values of one header. */
  headers(name: string): readonly string[];
  readonly body: AsyncIterable<Uint8Array>;
  /** The body as bytes. @throws OciImageError `DOCUMENT_TOO_LARGE` */
  bytes(bytesMax: number): Promise<Uint8Array>;
  /** Up to `bytesMax` bytes of the body as text; the rest is dropped. */
  text(bytesMax: number): Promise<string>;
  discard(): Promise<void>;
}

/** Does HTTP requests; replaced in tests. Connection errors are thrown as `REGISTRY_UNAVAILABLE`. */
export interface Transport extends AsyncDisposable {
  request(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** TLS files and limits of {@link createHttpTransport}. */
export interface HttpTransportOptions {
  /** Additional authorities (PEM), beside Node's. */
  readonly ca?: readonly string[];
  /** Client certificate and key (PEM). */
  readonly cert?: string;
  readonly key?: string;
  /** Proxy URL for all requests. */
  readonly proxy?: string;
  /** Longest wait for an answer's first byte. Default 60 s. */
  readonly headersTimeoutMs?: number;
  /** Longest wait for the next byte of a body: a registry that stalls. Default 60 s. */
  readonly bodyTimeoutMs?: number;
}

/** Connections kept to one registry. */
const CONNECTIONS_PER_HOST_MAX = 8;
const TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 15_000;
/** Bytes dropped to keep a connection; above, it is closed. */
const DISCARD_BYTES_MAX = 64 * 1024;

/** A transport over undici, which is loaded with the first request. */
export function createHttpTransport(options: HttpTransportOptions = {}): Transport {
  return new UndiciTransport(options);
}

class UndiciTransport implements Transport {
  readonly #options: HttpTransportOptions;
  readonly #dispatchers = new Map<boolean, Dispatcher>();

  constructor(options: HttpTransportOptions) {
    this.#options = options;
  }

  async request(request: HttpRequest): Promise<HttpResponse> {
    request.signal?.throwIfAborted();
    const undici = await import('undici');
    try {
      const response = await undici.request(request.url, {
        method: request.method,
        headers: { ...request.headers },
        body: toBody(request.body),
        dispatcher: this.#dispatcher(undici, request.isInsecure),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
      return new UndiciResponse(request, response);
    } catch (error) {
      throw connectionError(request, error);
    }
  }

  async close(): Promise<void> {
    const dispatchers = [...this.#dispatchers.values()];
    this.#dispatchers.clear();
    await Promise.all(dispatchers.map(async (dispatcher) => {
      await dispatcher.destroy();
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #dispatcher(undici: typeof import('undici'), isInsecure: boolean): Dispatcher {
    const known = this.#dispatchers.get(isInsecure);
    if (known !== undefined) return known;
    const { ca, cert, key, proxy } = this.#options;
    const tls = {
      rejectUnauthorized: !isInsecure,
      ...(ca === undefined ? {} : { ca: [...ca] }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    };
    const common = {
      connections: CONNECTIONS_PER_HOST_MAX,
      headersTimeout: this.#options.headersTimeoutMs ?? TIMEOUT_MS,
      bodyTimeout: this.#options.bodyTimeoutMs ?? TIMEOUT_MS,
    };
    const dispatcher = proxy === undefined
      ? new undici.Agent({ ...common, connect: { ...tls, timeout: CONNECT_TIMEOUT_MS } })
      : new undici.ProxyAgent({ ...common, uri: proxy, requestTls: tls });
    this.#dispatchers.set(isInsecure, dispatcher);
    return dispatcher;
  }
}

class UndiciResponse implements HttpResponse {
  readonly status: number;
  readonly #request: HttpRequest;
  readonly #response: Dispatcher.ResponseData;

  constructor(request: HttpRequest, response: Dispatcher.ResponseData) {
    this.status = response.statusCode;
    this.#request = request;
    this.#response = response;
  }

  header(name: string): string | undefined {
    const values = this.headers(name);
    return values.length === 0 ? undefined : values.join(', ');
  }

  headers(name: string): readonly string[] {
    const value = this.#response.headers[name.toLowerCase()];
    return value === undefined ? [] : typeof value === 'string' ? [value] : value;
  }

  get body(): AsyncIterable<Uint8Array> {
    return wrapErrors(this.#request, this.#response.body as AsyncIterable<Uint8Array>);
  }

  async bytes(bytesMax: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.body) {
      size += chunk.byteLength;
      if (size > bytesMax) throw new OciImageError('DOCUMENT_TOO_LARGE', `answer of ${hostOf(this.#request.url)} is larger than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  }

  async text(bytesMax: number): Promise<string> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.body) {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size >= bytesMax) break;
    }
    return Buffer.concat(chunks).subarray(0, bytesMax).toString('utf8');
  }

  async discard(): Promise<void> {
    await this.#response.body.dump({ limit: DISCARD_BYTES_MAX });
  }
}

async function* wrapErrors(request: HttpRequest, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* body;
  } catch (error) {
    throw connectionError(request, error);
  }
}

/** undici takes async iterables at run time; its types name Node's streams only. */
function toBody(body: HttpRequest['body']): Uint8Array | null {
  return (body ?? null) as Uint8Array | null;
}

/** The URL may carry a signed query: only its host is named. */
function connectionError(request: HttpRequest, error: unknown): unknown {
  if (request.signal?.aborted === true) return request.signal.reason;
  if (error instanceof Error && error.name === 'OciImageError') return error;
  return new OciImageError('REGISTRY_UNAVAILABLE', `${request.method} ${hostOf(request.url)}: ${connectionReason(request.url, error)}`, { cause: error, request: `${request.method} ${hostOf(request.url)}` });
}

/** Worded as Go's dialer does, which is what users of docker know. */
function connectionReason(url: string, error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { hostname, host, port, protocol } = new URL(url);
  switch ('code' in error ? error.code : undefined) {
    case 'ECONNREFUSED': return `dial tcp ${port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host}: connect: connection refused`;
    case 'ENOTFOUND': return `dial tcp: lookup ${hostname}: no such host`;
    case 'ECONNRESET': case 'UND_ERR_SOCKET': return 'connection reset by peer';
    default: return error.message === '' ? error.name : error.message;
  }
}

function hostOf(url: string): string {
  const parsed = URL.parse(url);
  return parsed === null ? 'registry' : `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}
