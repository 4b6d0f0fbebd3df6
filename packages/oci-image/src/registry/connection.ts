import { OciImageError, type OciImageErrorCode } from '../errors.ts';
import type { Authorizer } from './authorizer.ts';
import type { Endpoint, HostTable } from './hosts.ts';
import { parseChallenges } from './challenge.ts';
import { type RegistryFault, registryError } from './registry-error.ts';
import { Backoff, isTransient, parseRetryAfter, type RetryOptions } from './retry.ts';
import type { HttpRequest, HttpResponse, Transport } from './transport.ts';

/** One request to a registry: the path is below `/v2/`. */
export interface RegistryRequest {
  readonly method: HttpRequest['method'];
  /** Path with query below `/v2/`, or, for an upload, the absolute URL the registry named. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  readonly scopes: readonly string[];
  /** Statuses that are answers, not errors. */
  readonly accept: readonly number[];
  /** What is being done, for messages. */
  readonly what: string;
  readonly notFound?: OciImageErrorCode;
  readonly signal?: AbortSignal | undefined;
}

const REDIRECTS_MAX = 5;
const ERROR_BYTES_MAX = 64 * 1024;

/** Talks to one registry: chooses the endpoint, authorizes, follows redirects, repeats what failed in passing. */
export class RegistryConnection {
  readonly #domain: string;
  readonly #hosts: HostTable;
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  readonly #retry: RetryOptions;
  readonly #userAgent: string;
  readonly #unusable = new Set<string>();

  constructor(options: {
    readonly domain: string; readonly hosts: HostTable; readonly transport: Transport; readonly authorizer: Authorizer; readonly retry: RetryOptions; readonly userAgent: string;
  }) {
    this.#domain = options.domain;
    this.#hosts = options.hosts;
    this.#transport = options.transport;
    this.#authorizer = options.authorizer;
    this.#retry = options.retry;
    this.#userAgent = options.userAgent;
  }

  /**
   * Does a request at the first endpoint that answers it. A mirror that fails is passed over. HTTP is tried after HTTPS for insecure registries only, and only when
   * HTTPS could not be spoken at all.
   */
  async request(request: RegistryRequest): Promise<HttpResponse> {
    const use = request.scopes.some((scope) => /[:,](?:push|delete)(?:,|$)/.test(scope)) ? 'push' : 'pull';
    const endpoints = this.#hosts.endpoints(this.#domain, use).filter((endpoint) => !this.#unusable.has(endpoint.baseUrl));
    const withoutTls: string[] = [];
    for (const [index, endpoint] of endpoints.entries()) {
      const isLast = index === endpoints.length - 1;
      try {
        const canGoOn = !isLast && !endpoint.isMirror;
        const response = canGoOn ? await this.#once(endpoint, request) : await this.#patiently(endpoint, request);
        for (const baseUrl of withoutTls) this.#unusable.add(baseUrl);
        return response;
      } catch (error) {
        request.signal?.throwIfAborted();
        if (isLast) throw error;
        const isNoTls = isTransient(error) && error instanceof OciImageError && error.status === undefined;
        if (!endpoint.isMirror && !isNoTls) throw error;
        if (!endpoint.isMirror) withoutTls.push(endpoint.baseUrl); // Known for sure once plain HTTP has been answered.
      }
    }
    throw new OciImageError('REGISTRY_UNAVAILABLE', `${request.what}: no endpoint of ${this.#domain} can be reached`);
  }

  /** The URL of an upload session that a Location header names, resolved against the endpoint that answered. */
  uploadUrl(location: string | undefined, response: { readonly requestUrl: string }): string {
    const url = location === undefined ? null : URL.parse(location, response.requestUrl);
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) throw new OciImageError('REGISTRY_PROTOCOL', 'registry names no usable upload location');
    return url.href;
  }

  async #patiently(endpoint: Endpoint, request: RegistryRequest): Promise<HttpResponse> {
    const backoff = new Backoff(this.#retry);
    for (;;) {
      let retryAfterMs: number | undefined;
      try {
        return await this.#once(endpoint, request, (value) => {
          retryAfterMs = value;
        });
      } catch (error) {
        request.signal?.throwIfAborted();
        const isRepeatable = request.body === undefined || request.body instanceof Uint8Array;
        if (!isRepeatable) throw error;
        await backoff.next(error, { retryAfterMs, signal: request.signal });
      }
    }
  }

  async #once(endpoint: Endpoint, request: RegistryRequest, onRetryAfter?: (ms: number | undefined) => void): Promise<HttpResponse> {
    let response = await this.#send(endpoint, request);
    if (response.status === 401) {
      const isWorthRepeating = await this.#authorizer.answer(endpoint, request.scopes, response, request.signal);
      if (isWorthRepeating && (request.body === undefined || request.body instanceof Uint8Array)) {
        await response.discard();
        response = await this.#send(endpoint, request);
      }
    }
    if (request.accept.includes(response.status)) return response;
    onRetryAfter?.(parseRetryAfter(response.header('retry-after')));
    const body = await response.text(ERROR_BYTES_MAX);
    throw registryError({
      what: request.what, status: response.status, body, fault: refusal(response), request: `${request.method} ${response.requestUrl.replace(/\?.*$/s, '')}`,
      ...(request.notFound === undefined ? {} : { notFound: request.notFound }),
    });
  }

  async #send(endpoint: Endpoint, request: RegistryRequest): Promise<LocatedResponse> {
    const base = `${endpoint.baseUrl}/v2/`;
    let url = new URL(request.path, base);
    const authorization = await this.#authorizer.headers(endpoint, request.scopes);
    for (let redirects = 0; ; redirects += 1) {
      const isHome = url.origin === new URL(base).origin;
      const response = await this.#transport.request({
        method: request.method, url: url.href, isInsecure: isHome && endpoint.isInsecure,
        headers: { 'user-agent': this.#userAgent, ...request.headers, ...(isHome ? authorization : {}) },
        ...(request.body === undefined ? {} : { body: request.body }),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
      const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && (request.method === 'GET' || request.method === 'HEAD');
      if (!isRedirect) return locate(response, url.href);
      await response.discard();
      if (redirects >= REDIRECTS_MAX) throw new OciImageError('REGISTRY_PROTOCOL', `${request.what}: more than ${REDIRECTS_MAX} redirects`);
      url = redirectTarget(request.what, url, response.header('location'));
    }
  }
}

/** What a 401's challenge says is wrong with the token that was sent (RFC 6750): it goes before what the body says. */
function refusal(response: HttpResponse): RegistryFault | undefined {
  if (response.status !== 401) return undefined;
  const bearer = parseChallenges(response.headers('www-authenticate')).find((challenge) => challenge.scheme === 'bearer');
  const message = bearer?.parameters['error_description'];
  switch (bearer?.parameters['error']) {
    case 'insufficient_scope': return { code: 'DENIED', message: message ?? 'requested access to the resource is denied' };
    case 'invalid_token': return { code: 'UNAUTHORIZED', message: message ?? 'authentication required' };
    default: return undefined;
  }
}

/** An answer and the URL that gave it. */
export type LocatedResponse = HttpResponse & { readonly requestUrl: string };

/** Finds the URL that gave `response`. */
export function requestUrlOf(response: HttpResponse): string {
  return 'requestUrl' in response && typeof response.requestUrl === 'string' ? response.requestUrl : '';
}

function locate(response: HttpResponse, requestUrl: string): LocatedResponse {
  return Object.defineProperty(response as HttpResponse & { requestUrl: string }, 'requestUrl', { value: requestUrl });
}

/** Redirects go to HTTP or HTTPS, never from HTTPS down to HTTP, never to a file. */
function redirectTarget(what: string, from: URL, location: string | undefined): URL {
  const target = location === undefined ? null : URL.parse(location, from.href);
  const isAllowed = target !== null && (target.protocol === 'https:' || (target.protocol === 'http:' && from.protocol === 'http:'));
  if (!isAllowed) throw new OciImageError('REGISTRY_PROTOCOL', `${what}: refusing a redirect from ${from.host} to ${target === null ? 'nowhere' : `${target.protocol}//${target.host}`}`);
  target.username = '';
  target.password = '';
  return target;
}
