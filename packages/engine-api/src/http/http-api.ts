import http from 'node:http';
import type { Duplex } from 'node:stream';
import { invalid, isEngineApiError, messageOf, notFound } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { API_VERSION, API_VERSION_MIN, type ApiVersion, NEWEST_VERSION, parseApiVersion } from './api-version.ts';
import { httpStatusOf } from './error-status.ts';
import { JSON_BODY_BYTES_MAX, announcesBody } from './json-body.ts';
import { PlainHijack } from './plain-hijack.ts';
import { type HijackSource, ServedRequest } from './request-context.ts';
import type { Route } from './route.ts';
import { type RouteMatch, Router } from './router.ts';
import { readUpgradeBody } from './upgrade-body.ts';

/** The largest request line and headers together, in bytes: Go's servers take 1 MiB, and build arguments use it. */
const HEADER_BYTES_MAX = 1024 * 1024 + 4096;
/** How long a client may take to send its headers. */
const HEADERS_TIMEOUT_MS = 60_000;
/** How long an idle connection is kept: longer than Go's clients pool theirs. */
const KEEP_ALIVE_TIMEOUT_MS = 90_000;

/** What the HTTP side of the daemon is made of. */
export interface HttpApiOptions {
  readonly routes: readonly Route[];
  /** The engine's version, for the `Server` header. */
  readonly version: string;
  readonly experimental: boolean;
  readonly logger: Logger;
}

interface Target { readonly path: string; readonly queryText: string; readonly version: ApiVersion; readonly versionText: string | undefined }

/** A request that has found its route; `match` is undefined for OPTIONS. */
interface Prepared { readonly target: Target; readonly match: RouteMatch | undefined; readonly source: HijackSource }

/** Serves routes over HTTP by Docker's rules. Make a server per listener with `createServer`. */
export class HttpApi {
  readonly #router: Router;
  readonly #logger: Logger;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #pingHeaders: Readonly<Record<string, string>>;
  readonly #plainHijacks = new WeakMap<Duplex, PlainHijack>();

  constructor(options: HttpApiOptions) {
    this.#router = new Router(options.routes);
    this.#logger = options.logger;
    this.#headers = {
      'Api-Version': API_VERSION,
      'Docker-Experimental': String(options.experimental),
      'Ostype': 'linux',
      'Server': `Docker/${options.version} (linux)`,
    };
    this.#pingHeaders = {
      ...this.#headers,
      'Builder-Version': '1',
      'Cache-Control': 'no-cache, no-store, must-revalidate',
      'Content-Type': 'text/plain; charset=utf-8',
      'Pragma': 'no-cache',
      'Swarm': 'inactive',
    };
  }

  /** Options that every HTTP or HTTPS server for this API takes. */
  serverOptions(): http.ServerOptions & { shouldUpgradeCallback(request: http.IncomingMessage): boolean } {
    return {
      maxHeaderSize: HEADER_BYTES_MAX,
      requestTimeout: 0,
      headersTimeout: HEADERS_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      shouldUpgradeCallback: (request) => this.#mayUpgrade(request),
    };
  }

  /** Makes `server` serve this API. */
  serve(server: http.Server): void {
    server.on('request', (request, response) => void this.#onRequest(request, response));
    server.on('upgrade', (request, socket, head) => void this.#onUpgrade(request, socket, head));
    server.on('clientError', (error: ClientError, socket) => this.#onClientError(error, socket));
  }

  #mayUpgrade(request: http.IncomingMessage): boolean {
    try {
      return this.#router.find(request.method ?? '', targetOf(request).path)?.route.hijack === true;
    } catch {
      return false; // the request handler words the error
    }
  }

  async #onRequest(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    if (this.#answerPing(request, response)) return;
    await this.#guard(request, response, async () => {
      const target = targetOf(request);
      const match = this.#route(request, target);
      return { target, match, source: match?.route.hijack === true ? this.#plainHijack(request, response) : { form: 'none' } };
    });
  }

  #plainHijack(request: http.IncomingMessage, response: http.ServerResponse): HijackSource {
    const plain = new PlainHijack(request.socket);
    this.#plainHijacks.set(request.socket, plain);
    response.shouldKeepAlive = false;
    if (!announcesBody(request.headers)) plain.intercept();
    return { form: 'plain', plain };
  }

  async #onUpgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until a handler takes the connection an error on it (a reset) must not end the daemon.
    socket.on('error', () => socket.destroy());
    const response = new http.ServerResponse(request);
    const connection = request.socket; // the same as `socket`, with its own type
    response.shouldKeepAlive = false;
    response.assignSocket(connection);
    response.once('finish', () => {
      response.detachSocket(connection);
      socket.end();
    });
    await this.#guard(request, response, async () => {
      const target = targetOf(request);
      const match = this.#route(request, target);
      const upgradeBody = await readUpgradeBody(request, socket, head, JSON_BODY_BYTES_MAX);
      return { target, match, source: { form: 'upgrade', socket, upgradeBody } };
    });
  }

  #route(request: http.IncomingMessage, target: Target): RouteMatch | undefined {
    if (request.method === 'OPTIONS') return undefined;
    const match = this.#router.find(request.method ?? '', target.path);
    if (match === undefined) throw notFound('page not found', 'PAGE_NOT_FOUND');
    checkVersion(target);
    return match;
  }

  async #guard(request: http.IncomingMessage, response: http.ServerResponse, prepare: () => Promise<Prepared>): Promise<void> {
    let context: ServedRequest | undefined;
    try {
      const { target, match, source } = await prepare();
      context = this.#contextFor(request, response, target, match?.params ?? {}, source);
      if (match === undefined) context.sendEmpty(200);
      else await match.route.handle(context);
    } catch (error) {
      context ??= this.#contextFor(request, response, { path: request.url ?? '', queryText: '', version: NEWEST_VERSION, versionText: undefined }, {}, { form: 'none' });
      this.#answerError(context, error);
    }
  }

  #contextFor(request: http.IncomingMessage, response: http.ServerResponse, target: Target, params: Readonly<Record<string, string>>, hijack: HijackSource): ServedRequest {
    return new ServedRequest({ request, response, path: target.path, queryText: target.queryText, params, version: target.version, standardHeaders: this.#headers, hijack });
  }

  #answerError(context: ServedRequest, error: unknown): void {
    const { method, url } = context.request;
    if (context.isAnswered) {
      this.#logger.error({ err: error, method, url }, 'request failed after its answer had begun');
      context.request.socket.destroy();
      return;
    }
    const status = httpStatusOf(error);
    if (status >= 500 && !isEngineApiError(error)) this.#logger.error({ err: error, method, url }, 'request failed');
    else this.#logger.debug({ method, url, status, message: messageOf(error) }, 'request refused');
    if (status === 304) context.sendEmpty(304);
    else context.sendJson(status, { message: messageOf(error) });
  }

  /** Pings are the most frequent requests; they take no detour. */
  #answerPing(request: http.IncomingMessage, response: http.ServerResponse): boolean {
    const isHead = request.method === 'HEAD';
    if (request.url !== '/_ping' || !(isHead || request.method === 'GET')) return false;
    response.writeHead(200, { ...this.#pingHeaders, 'Content-Length': isHead ? '0' : '2' });
    response.end(isHead ? undefined : 'OK');
    return true;
  }

  /** The ping as an endpoint, for requests with a version prefix. */
  static pingRoutes(): Route[] {
    const extra = { 'Builder-Version': '1', 'Cache-Control': 'no-cache, no-store, must-revalidate', 'Pragma': 'no-cache', 'Swarm': 'inactive' };
    return [
      { method: 'GET', path: '/_ping', handle: (context) => context.sendText(200, 'OK', extra) },
      { method: 'HEAD', path: '/_ping', handle: (context) => context.sendText(200, '', extra) },
    ];
  }

  #onClientError(error: ClientError, socket: Duplex): void {
    const plain = this.#plainHijacks.get(socket);
    if (plain !== undefined) {
      // Not a fault: bytes for the process came in one packet with the request.
      if (error.rawPacket !== undefined) plain.refusedByParser(error.rawPacket.subarray(error.bytesParsed ?? 0));
      return;
    }
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy(error);
      return;
    }
    const status = STATUS_OF_CLIENT_ERROR[error.code ?? ''] ?? '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`);
  }
}

interface ClientError extends Error { readonly code?: string; readonly rawPacket?: Buffer; readonly bytesParsed?: number }

const STATUS_OF_CLIENT_ERROR: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** Splits the request's target. @throws EngineApiError invalid_argument on a malformed one */
function targetOf(request: http.IncomingMessage): Target {
  const url = originForm(request.url ?? '/');
  const question = url.indexOf('?');
  const fullPath = question < 0 ? url : url.slice(0, question);
  const queryText = question < 0 ? '' : url.slice(question + 1);
  const prefixed = /^\/v(\d[\d.]*)(\/.*)$/s.exec(fullPath);
  checkEncoding(fullPath);
  if (prefixed === null) return { path: fullPath, queryText, version: NEWEST_VERSION, versionText: undefined };
  const versionText = prefixed[1] ?? '';
  return { path: prefixed[2] ?? '/', queryText, version: parseApiVersion(versionText) ?? NEWEST_VERSION, versionText };
}

/** Proxies send the whole URL. */
function originForm(url: string): string {
  const match = /^https?:\/\/[^/?#]*(.*)$/is.exec(url);
  return match === null ? url : match[1] === '' ? '/' : match[1] ?? '/';
}

function checkEncoding(path: string): void {
  if (!path.includes('%')) return;
  try {
    decodeURIComponent(path);
  } catch {
    throw invalid(`invalid URL escape in "${path}"`);
  }
}

function checkVersion({ version, versionText }: Target): void {
  if (versionText === undefined) return;
  if (parseApiVersion(versionText) === undefined || !version.atLeast(API_VERSION_MIN)) {
    throw invalid(`client version ${versionText} is too old. Minimum supported API version is ${API_VERSION_MIN}, please upgrade your client to a newer version`, 'VERSION_TOO_OLD');
  }
  if (!NEWEST_VERSION.atLeast(versionText)) throw invalid(`client version ${versionText} is too new. Maximum supported API version is ${API_VERSION}`, 'VERSION_TOO_NEW');
}
