import fs from 'node:fs';
import type { RequestOptions } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { DrayClientError } from './errors.ts';

/** Where a daemon is and how to prove who one is. */
export interface Endpoint {
  /** As a user writes it: `unix:///var/run/docker.sock`, `tcp://node3:2376`. */
  readonly host: string;
  /** Present: the connection is TLS. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; /** Whether the daemon's certificate is checked. */ readonly verify: boolean };
}

/** The socket a daemon listens on unless told otherwise. */
export const DEFAULT_HOST = 'unix:///var/run/docker.sock';

/**
 * The endpoint that `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` name, as Docker's clients read them.
 *
 * @throws DrayClientError `BAD_HOST` for a host of another scheme, or when a certificate cannot be read.
 */
export function endpointFromEnvironment(environment: NodeJS.ProcessEnv = process.env): Endpoint {
  const host = environment['DOCKER_HOST'] || DEFAULT_HOST;
  const verify = (environment['DOCKER_TLS_VERIFY'] ?? '') !== '';
  const folder = environment['DOCKER_CERT_PATH'] || path.join(environment['DOCKER_CONFIG'] ?? path.join(os.homedir(), '.docker'));
  const isTls = verify || environment['DOCKER_TLS'] === '1';
  return isTls ? { host, tls: { ...readCertificates({ ca: path.join(folder, 'ca.pem'), cert: path.join(folder, 'cert.pem'), key: path.join(folder, 'key.pem') }, verify), verify } } : { host };
}

/** Reads the PEM files of a TLS endpoint. The authority is needed only where the daemon's certificate is checked. */
export function readCertificates(files: { ca?: string; cert?: string; key?: string }, verify: boolean): { ca?: string; cert?: string; key?: string } {
  const read = (file: string | undefined, what: string, isNeeded: boolean): string | undefined => {
    if (file === undefined || (!isNeeded && !fs.existsSync(file))) return undefined;
    try {
      return fs.readFileSync(file, 'utf8');
    } catch (cause) {
      throw new DrayClientError('BAD_HOST', `could not read ${what}: open ${file}: ${cause instanceof Error && 'code' in cause && cause.code === 'ENOENT' ? 'no such file or directory' : String(cause)}`, { cause });
    }
  };
  const ca = read(files.ca, 'CA certificate', verify);
  const cert = read(files.cert, 'certificate', verify);
  const key = read(files.key, 'key', verify);
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
}

/** What node:http or node:https needs to connect. */
export type Connection = { readonly isTls: boolean; readonly options: RequestOptions };

/**
 * How to connect to an endpoint.
 *
 * @throws DrayClientError `BAD_HOST`
 */
export function connectionOf({ host, tls }: Endpoint): Connection {
  if (host.startsWith('unix://')) return { isTls: false, options: { socketPath: host.slice('unix://'.length), host: 'localhost' } };
  const match = /^(?:tcp|http|https):\/\/(\[[^\]]+\]|[^:/]+)?(?::(\d{1,5}))?\/?$/.exec(host);
  if (!match) throw new DrayClientError('BAD_HOST', `unable to parse docker host \`${host}\``);
  const isTls = tls !== undefined || host.startsWith('https:');
  const hostname = (match[1] ?? 'localhost').replace(/^\[(.*)\]$/, '$1');
  const options: RequestOptions & { ca?: string; cert?: string; key?: string; rejectUnauthorized?: boolean } = {
    host: hostname, port: Number(match[2] ?? (isTls ? 2376 : 2375)),
    ...(tls && { rejectUnauthorized: tls.verify, ...(tls.ca !== undefined && { ca: tls.ca }), ...(tls.cert !== undefined && { cert: tls.cert }), ...(tls.key !== undefined && { key: tls.key }) }),
  };
  return { isTls, options };
}
