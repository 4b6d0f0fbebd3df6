import { type Credentials, RegistryClient, fixedCredentials, isOciImageError } from '@dray/oci-image';
import type { DaemonConfig } from '../config.ts';
import { EngineApiError, messageOf } from '../errors.ts';
import type { Route } from '../http/index.ts';
import { type JsonObject, asBodyObject, stringField } from '../request-fields.ts';

/** `POST /auth`: tries credentials at a registry. Nothing is stored. */
export function authRoutes(config: DaemonConfig): Route[] {
  return [{ method: 'POST', path: '/auth', handle: async (context) => {
    const body = asBodyObject(await context.readJson());
    await using registry = new RegistryClient({ credentials: fixedCredentials(credentialsOf(body)), insecureRegistries: config.insecureRegistries, userAgent: `docker/${config.version} dray`, retry: { attemptsMax: 1 } });
    const domain = domainOf(stringField(body, 'serveraddress'));
    try {
      const response = await registry.connection({ domain }).request({ method: 'GET', path: '', scopes: [], accept: [200], what: `login attempt to https://${domain}/v2/`, signal: context.signal });
      await response.discard();
    } catch (error) {
      throw loginError(error, domain);
    }
    context.sendJson(200, { Status: 'Login Succeeded', IdentityToken: '' });
  } }];
}

function credentialsOf(body: JsonObject): Credentials | undefined {
  const token = stringField(body, 'identitytoken');
  if (token !== '') return { kind: 'identity', token };
  const username = stringField(body, 'username');
  return username === '' ? undefined : { kind: 'basic', username, password: stringField(body, 'password') };
}

/** The registry of a server address, which may be a URL; none means Docker Hub. */
function domainOf(address: string): string {
  const host = address.replace(/^https?:\/\//, '').replace(/\/.*$/s, '');
  return host === '' || host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
}

function loginError(error: unknown, domain: string): unknown {
  if (!isOciImageError(error)) return error;
  if (error.kind === 'unauthenticated' || error.kind === 'permission_denied') {
    const reason = error.registryMessage === undefined ? messageOf(error) : `${(error.registryCode ?? 'unauthorized').toLowerCase()}: ${error.registryMessage}`;
    return new EngineApiError('unauthenticated', error.code, `Get "https://${domain}/v2/": ${reason}`, { cause: error });
  }
  return new EngineApiError('internal', error.code, messageOf(error), { cause: error });
}
