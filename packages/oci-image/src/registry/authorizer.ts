import { OciImageError } from '../errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Credentials, CredentialSource } from './credentials.ts';
import type { Endpoint } from './hosts.ts';
import { basicHeader, fetchToken, type Token } from './token.ts';
import type { HttpResponse, Transport } from './transport.ts';

/** Adds authorization to one registry's requests: basic, or bearer tokens that are fetched when the registry asks and kept for each set of scopes. */
export class Authorizer {
  readonly #transport: Transport;
  readonly #source: CredentialSource;
  readonly #domain: string;
  readonly #tokens = new Map<string, Promise<Token>>();
  readonly #usesBasic = new Set<string>();

  constructor(options: { readonly transport: Transport; readonly credentials: CredentialSource; readonly domain: string }) {
    this.#transport = options.transport;
    this.#source = options.credentials;
    this.#domain = options.domain;
  }

  /** The authorization header to send, as far as it is known without asking. Mirrors get none: the credentials belong to the upstream registry. */
  async headers(endpoint: Endpoint, scopes: readonly string[]): Promise<Record<string, string>> {
    if (this.#usesBasic.has(endpoint.baseUrl)) return basicHeader(await this.#credentials(endpoint));
    const key = tokenKey(endpoint, scopes);
    const token = await this.#tokens.get(key)?.catch(() => undefined);
    if (token === undefined) return {};
    if (token.expiresAt > Date.now()) return { authorization: `Bearer ${token.value}` };
    this.#tokens.delete(key);
    return {};
  }

  /**
   * Reacts to a 401 answer: gets what its challenge asks for.
   * @returns whether repeating the request is worth it
   */
  async answer(endpoint: Endpoint, scopes: readonly string[], response: HttpResponse, signal?: AbortSignal): Promise<boolean> {
    const challenges = parseChallenges(response.headers('www-authenticate'));
    const bearer = challenges.find((challenge) => challenge.scheme === 'bearer');
    if (bearer !== undefined) {
      await this.#renew(endpoint, scopes, bearer, signal);
      return true;
    }
    const isBasic = challenges.some((challenge) => challenge.scheme === 'basic');
    if (!isBasic || this.#usesBasic.has(endpoint.baseUrl)) return false;
    const credentials = await this.#credentials(endpoint);
    if (credentials?.kind !== 'basic') throw new OciImageError('REGISTRY_UNAUTHORIZED', 'no basic auth credentials', { status: 401, request: `HEAD ${endpoint.baseUrl}/v2/` });
    this.#usesBasic.add(endpoint.baseUrl);
    return true;
  }

  async #renew(endpoint: Endpoint, scopes: readonly string[], challenge: Challenge, signal: AbortSignal | undefined): Promise<void> {
    const credentials = await this.#credentials(endpoint);
    const key = tokenKey(endpoint, scopes);
    if (credentials?.kind === 'registry') {
      this.#tokens.set(key, Promise.resolve({ value: credentials.token, expiresAt: Number.POSITIVE_INFINITY }));
      return;
    }
    const pending = fetchToken({
      transport: this.#transport, challenge, credentials, registryUrl: endpoint.baseUrl, isInsecure: endpoint.isInsecure,
      scopes: mergeScopes(scopes, challenge.parameters['scope']),
      ...(signal === undefined ? {} : { signal }),
    });
    this.#tokens.set(key, pending);
    try {
      await pending;
    } catch (error) {
      this.#tokens.delete(key);
      throw error;
    }
  }

  async #credentials(endpoint: Endpoint): Promise<Credentials | undefined> {
    if (endpoint.isMirror) return undefined;
    const credentials = await this.#source(this.#domain);
    const value = credentials?.kind === 'basic' ? credentials.username : credentials?.token;
    if (value !== undefined && /[\r\n\0]/.test(value)) throw new OciImageError('INVALID_OPTION', `credentials of ${this.#domain} hold control characters`);
    return credentials;
  }
}

/** The scope string of a repository: `repository:library/busybox:pull`. */
export function repositoryScope(path: string, actions: readonly ('pull' | 'push' | 'delete')[]): string {
  return `repository:${path}:${actions.join(',')}`;
}

function mergeScopes(scopes: readonly string[], challenge: string | undefined): string[] {
  const asked = (challenge ?? '').split(' ').filter((scope) => scope !== '');
  return [...new Set([...scopes, ...asked])];
}

function tokenKey(endpoint: Endpoint, scopes: readonly string[]): string {
  return `${endpoint.baseUrl} ${scopes.join(' ')}`;
}
