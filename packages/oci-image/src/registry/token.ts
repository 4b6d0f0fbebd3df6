import { asObject, asString, optional, parseJson } from '../document.ts';
import { OciImageError } from '../errors.ts';
import type { Challenge } from './challenge.ts';
import type { Credentials } from './credentials.ts';
import { registryError } from './registry-error.ts';
import type { HttpResponse, Transport } from './transport.ts';

/** A bearer token and the moment (ms of the epoch) from which it is not used any more. */
export interface Token {
  readonly value: string;
  readonly expiresAt: number;
}

/** Largest answer of a token server. */
const TOKEN_BYTES_MAX = 1024 * 1024;
const ERROR_BYTES_MAX = 64 * 1024;
/** Life of a token whose server does not say. */
const LIFETIME_SECONDS_DEFAULT = 60;
/** A token is renewed this much before it ends. */
const MARGIN_MS = 5_000;
const CLIENT_ID = 'dray';

/**
 * Asks a token server for a token.
 * @throws OciImageError `REGISTRY_PROTOCOL` for an unusable realm, or as the server answers
 * @see distribution "Token Authentication Specification"
 */
export async function fetchToken(options: {
  readonly transport: Transport;
  readonly challenge: Challenge;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** The registry's base URL: it bounds where the credentials may go. */
  readonly registryUrl: string;
  readonly isInsecure: boolean;
  readonly signal?: AbortSignal;
}): Promise<Token> {
  const realm = parseRealm(options.challenge, options.registryUrl);
  const credentials = mayReceiveCredentials(realm, new URL(options.registryUrl)) ? options.credentials : undefined;
  const service = options.challenge.parameters['service'];
  const common = { isInsecure: options.isInsecure, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  const response = credentials?.kind === 'identity'
    ? await options.transport.request({
      ...common, method: 'POST', url: realm.href, body: Buffer.from(refreshForm(credentials.token, service, options.scopes)),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    : await options.transport.request({ ...common, method: 'GET', url: tokenUrl(realm, service, options.scopes, credentials), headers: basicHeader(credentials) });
  if (response.status !== 200) {
    throw registryError({ what: `token server ${realm.host}`, status: response.status, body: await response.text(ERROR_BYTES_MAX) });
  }
  return await readToken(response, realm.host);
}

/** Basic authorization header of `credentials`, if they are of that kind. */
export function basicHeader(credentials: Credentials | undefined): Record<string, string> {
  if (credentials?.kind !== 'basic') return {};
  return { authorization: `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}` };
}

/**
 * Credentials of a registry go to its own host, to its parent domain, and to siblings under that (`registry.example.com` may name `auth.example.com`), never to
 * a foreign host that an answer names (CVE-2026-33540) and never from TLS to plain HTTP (CVE-2019-10214).
 */
export function mayReceiveCredentials(realm: URL, registry: URL): boolean {
  if (registry.protocol === 'https:' && realm.protocol !== 'https:') return false;
  if (realm.hostname === registry.hostname) return true;
  const parent = registry.hostname.slice(registry.hostname.indexOf('.') + 1);
  const isName = /[a-z]/i.test(registry.hostname.split('.').at(-1) ?? '');
  return isName && parent.includes('.') && (realm.hostname === parent || realm.hostname.endsWith(`.${parent}`));
}

function parseRealm(challenge: Challenge, registryUrl: string): URL {
  const realm = URL.parse(challenge.parameters['realm'] ?? '', registryUrl);
  if (realm === null || (realm.protocol !== 'https:' && realm.protocol !== 'http:')) {
    throw new OciImageError('REGISTRY_PROTOCOL', `registry ${new URL(registryUrl).host} names no usable token server`);
  }
  if (realm.protocol === 'http:' && registryUrl.startsWith('https:')) {
    throw new OciImageError('REGISTRY_PROTOCOL', `registry ${new URL(registryUrl).host} names a token server without TLS: ${realm.host}`);
  }
  realm.username = '';
  realm.password = '';
  return realm;
}

function tokenUrl(realm: URL, service: string | undefined, scopes: readonly string[], credentials: Credentials | undefined): string {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  if (credentials?.kind === 'basic') {
    url.searchParams.set('account', credentials.username);
    url.searchParams.set('client_id', CLIENT_ID);
  }
  return url.href;
}

function refreshForm(token: string, service: string | undefined, scopes: readonly string[]): string {
  return new URLSearchParams({
    grant_type: 'refresh_token', refresh_token: token, client_id: CLIENT_ID, service: service ?? '', scope: scopes.join(' '),
  }).toString();
}

async function readToken(response: HttpResponse, host: string): Promise<Token> {
  const what = `answer of token server ${host}`;
  let value: string | undefined;
  let lifetime: unknown;
  try {
    const object = asObject(parseJson(await response.bytes(TOKEN_BYTES_MAX), { what, bytesMax: TOKEN_BYTES_MAX }), what);
    value = optional(object, what, 'token', asString).token ?? optional(object, what, 'access_token', asString).access_token;
    lifetime = object['expires_in'];
  } catch {
    throw new OciImageError('REGISTRY_PROTOCOL', `${what} is not valid`); // Without the cause: it may quote the token.
  }
  if (value === undefined || !/^[\x21-\x7e]+$/.test(value)) throw new OciImageError('REGISTRY_PROTOCOL', `${what} has no token`);
  const seconds = typeof lifetime === 'number' && lifetime > 0 ? lifetime : LIFETIME_SECONDS_DEFAULT;
  return { value, expiresAt: Date.now() + Math.max(seconds * 1000 - MARGIN_MS, MARGIN_MS) };
}
