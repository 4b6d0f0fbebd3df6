import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Duplex, Readable, type Writable } from 'node:stream';
import { EngineApiError } from '../errors.ts';
import type { ApiVersion } from './api-version.ts';
import { JSON_BODY_BYTES_MAX, announcesBody, checkJsonContentType, parseJsonBody, readAll } from './json-body.ts';
import type { PlainHijack } from './plain-hijack.ts';
import { Query } from './query.ts';
import type { HijackOptions, RouteContext, StreamOptions } from './route.ts';
import type { UpgradeBody } from './upgrade-body.ts';

/** How the connection under a request can be taken over. */
export type HijackSource =
  | { readonly form: 'upgrade'; readonly socket: Duplex; readonly upgradeBody: UpgradeBody }
  | { readonly form: 'plain'; readonly plain: PlainHijack }
  | { readonly form: 'none' };

/** What a `ServedRequest` is made of. */
export interface ServedRequestOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly queryText: string;
  readonly params: Readonly<Record<string, string>>;
  readonly version: ApiVersion;
  /** Sent with every answer. */
  readonly standardHeaders: Readonly<Record<string, string>>;
  readonly hijack: HijackSource;
}

/** A request on Node's HTTP server. */
export class ServedRequest implements RouteContext {
  readonly request: IncomingMessage;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly version: ApiVersion;
  readonly #response: ServerResponse;
  readonly #standardHeaders: Readonly<Record<string, string>>;
  readonly #hijack: HijackSource;
  readonly #queryText: string;
  #query: Query | undefined;
  #body: Readable | undefined;
  #abort: AbortController | undefined;
  #isHijacked = false;

  constructor(options: ServedRequestOptions) {
    this.request = options.request;
    this.path = options.path;
    this.params = options.params;
    this.version = options.version;
    this.#response = options.response;
    this.#standardHeaders = options.standardHeaders;
    this.#hijack = options.hijack;
    this.#queryText = options.queryText;
  }

  get query(): Query {
    return this.#query ??= new Query(this.#queryText);
  }

  get isUpgrade(): boolean {
    return this.#hijack.form === 'upgrade';
  }

  get body(): Readable {
    return this.#body ??= this.#hijack.form === 'upgrade' ? Readable.from([this.#hijack.upgradeBody.body], { objectMode: false }) : this.request;
  }

  /** Whether an answer has begun. */
  get isAnswered(): boolean {
    return this.#isHijacked || this.#response.headersSent;
  }

  get signal(): AbortSignal {
    if (this.#abort !== undefined) return this.#abort.signal;
    const abort = this.#abort = new AbortController();
    const socket = this.request.socket;
    const leave = (): void => abort.abort(new EngineApiError('canceled', 'CLIENT_GONE', 'context canceled'));
    const cleanUp = (): void => {
      socket.off('end', leave).off('close', leave);
      this.#response.off('finish', cleanUp);
    };
    if (socket.destroyed || socket.readableEnded) leave();
    else {
      socket.once('end', leave).once('close', leave);
      this.#response.once('finish', cleanUp);
    }
    return abort.signal;
  }

  header(name: string): string {
    const value = this.request.headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(', ') : value ?? '';
  }

  async readJson({ maxBytes = JSON_BODY_BYTES_MAX }: { maxBytes?: number } = {}): Promise<unknown> {
    checkJsonContentType(this.request.headers);
    if (!announcesBody(this.request.headers)) {
      this.#bodyIsRead();
      return undefined;
    }
    const bytes = await readAll(this.body, maxBytes);
    this.#bodyIsRead();
    return bytes.length === 0 && this.request.headers['transfer-encoding'] !== undefined ? undefined : parseJsonBody(bytes);
  }

  async drainBody(): Promise<void> {
    if (announcesBody(this.request.headers)) for await (const _chunk of this.body) { /* nobody wants it */ }
    this.#bodyIsRead();
  }

  #bodyIsRead(): void {
    if (this.#hijack.form === 'plain') this.#hijack.plain.intercept();
  }

  sendJson(status: number, value: unknown, headers?: Readonly<Record<string, string>>): void {
    this.#send(status, 'application/json', `${JSON.stringify(value)}\n`, headers);
  }

  sendText(status: number, text: string, headers?: Readonly<Record<string, string>>): void {
    this.#send(status, 'text/plain; charset=utf-8', text, headers);
  }

  sendEmpty(status: number, headers: Readonly<Record<string, string>> = {}): void {
    const hasLength = status !== 204 && status !== 304;
    this.#response.writeHead(status, { ...this.#standardHeaders, ...hasLength ? { 'Content-Length': '0' } : {}, ...headers });
    this.#response.end();
  }

  #send(status: number, contentType: string, text: string, headers: Readonly<Record<string, string>> = {}): void {
    const bytes = Buffer.from(text);
    this.#response.writeHead(status, { ...this.#standardHeaders, 'Content-Type': contentType, 'Content-Length': String(bytes.length), ...headers });
    this.#response.end(this.request.method === 'HEAD' ? undefined : bytes);
  }

  startStream(options: StreamOptions = {}): Writable {
    this.#response.writeHead(options.status ?? 200, { ...this.#standardHeaders, 'Content-Type': options.contentType ?? 'application/json', ...options.headers });
    this.#response.flushHeaders();
    return this.#response;
  }

  async hijack(options: HijackOptions): Promise<Duplex> {
    const source = this.#hijack;
    if (source.form === 'none') throw new Error(`route of "${this.path}" is not declared with hijack: true`);
    this.#isHijacked = true;
    if (source.form === 'plain') {
      const socket = source.plain.take(this.request, this.#response);
      socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n`);
      return drainedInTheEnd(socket);
    }
    const { socket, upgradeBody } = source;
    this.#response.detachSocket(this.request.socket);
    if (upgradeBody.rest.length > 0) socket.unshift(upgradeBody.rest);
    const isMultiplexed = options.stream === 'multiplexed' && this.version.atLeast('1.42');
    const standard = Object.entries(this.#standardHeaders).map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.${isMultiplexed ? 'multiplexed' : 'raw'}-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${standard}\r\n`);
    return drainedInTheEnd(socket);
  }
}

/** Once all output is written nobody reads input any more: it is dropped, so that the client's end is seen and the connection goes. */
function drainedInTheEnd(socket: Duplex): Duplex {
  return socket.once('finish', () => socket.resume());
}
