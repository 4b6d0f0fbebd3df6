import { asObject, asString, optional, parseJson } from '../document.ts';
import { OciImageError } from '../errors.ts';
import { DEFAULT_DOMAIN } from '../reference.ts';

/** What authenticates to a registry. Never logged, never put in an error. */
export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  /** A refresh token for the registry's token server. */
  | { readonly kind: 'identity'; readonly token: string }
  /** A bearer token that is sent as it is. */
  | { readonly kind: 'registry'; readonly token: string };

/** Finds the credentials for a registry; `domain` is a reference's, such as `docker.io` or `localhost:5000`. */
export type CredentialSource = (domain: string) => Promise<Credentials | undefined>;

/** Key under which docker keeps Docker Hub's credentials. */
export const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';

/** Largest X-Registry-Auth header or auth entry that is read. */
const AUTH_BYTES_MAX = 64 * 1024;

/** Always the same credentials, whatever the registry; nothing when there are none. For a request that carried its own. */
export function fixedCredentials(credentials: Credentials | undefined): CredentialSource {
  return async () => await Promise.resolve(credentials);
}

/** The key docker's config.json uses for `domain`. */
export function credentialKey(domain: string): string {
  return domain === DEFAULT_DOMAIN || domain === 'registry-1.docker.io' || domain === 'index.docker.io' ? DOCKER_HUB_KEY : domain;
}

/** The host in a config.json key, which may be a URL. */
export function hostOfCredentialKey(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/s, '');
}

/**
 * Parses the `X-Registry-Auth` header: base64url JSON of docker's AuthConfig. An empty header or object means anonymous.
 * @throws OciImageError `INVALID_OPTION`
 */
export function parseRegistryAuth(header: string): Credentials | undefined {
  if (header === '') return undefined;
  try {
    const bytes = Buffer.from(header.replaceAll('-', '+').replaceAll('_', '/'), 'base64');
    return readAuthConfig(parseJson(bytes, { what: 'X-Registry-Auth', bytesMax: AUTH_BYTES_MAX }), 'X-Registry-Auth');
  } catch {
    // The cause is left out on purpose: JSON errors quote the text, which holds the password.
    throw new OciImageError('INVALID_OPTION', 'invalid X-Registry-Auth header');
  }
}

/** Reads one AuthConfig object: of the header or of config.json's `auths`. */
export function readAuthConfig(value: unknown, path: string): Credentials | undefined {
  const object = asObject(value, path);
  const text = (name: string): string => optional(object, path, name, asString)[name] ?? '';
  if (text('identitytoken') !== '') return { kind: 'identity', token: text('identitytoken') };
  if (text('registrytoken') !== '') return { kind: 'registry', token: text('registrytoken') };
  if (text('username') !== '') return { kind: 'basic', username: text('username'), password: text('password') };
  return text('auth') === '' ? undefined : decodeBasic(text('auth'));
}

/** `base64(user:password)`; docker pads passwords with NUL. */
function decodeBasic(auth: string): Credentials | undefined {
  const decoded = Buffer.from(auth, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon <= 0) return undefined;
  return { kind: 'basic', username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
}
