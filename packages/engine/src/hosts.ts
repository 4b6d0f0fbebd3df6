import { isIP } from 'node:net';
import { EngineError } from './errors.ts';

/** The socket that is served when nobody says another. */
export const HOST_DEFAULT = 'unix:///var/run/docker.sock';
const PORT_PLAIN = 2375;
const PORT_TLS = 2376;

/** A `--host`, parsed. */
export type Host = { readonly kind: 'unix'; readonly path: string } | { readonly kind: 'tcp'; readonly host: string; readonly port: number } | { readonly kind: 'fd'; readonly name: string };

/** Parses a `--host`. A tcp address without a port gets Docker's. @throws EngineError USAGE in dockerd's words */
export function parseHost(text: string, options: { isTls: boolean }): Host {
  const trimmed = text.trim();
  const scheme = /^([a-z]+):\/\/(.*)$/.exec(trimmed);
  const [, protocol = 'tcp', rest = trimmed] = scheme ?? [];
  switch (protocol) {
    case 'unix': return { kind: 'unix', path: rest === '' ? HOST_DEFAULT.slice('unix://'.length) : absolute(rest, text) };
    case 'fd': return { kind: 'fd', name: rest };
    case 'tcp': return parseTcp(rest, text, options.isTls);
    default: throw invalid(text);
  }
}

function absolute(path: string, text: string): string {
  if (!path.startsWith('/')) throw invalid(text);
  return path;
}

function parseTcp(address: string, text: string, isTls: boolean): Host {
  if (address === '' && !text.includes('://')) throw invalid(text);
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:/[\]]*))(?::(\d{1,5}))?$/.exec(address);
  if (match === null) throw new EngineError('invalid_argument', 'USAGE', `invalid bind address format: ${text}`, { exitStatus: 125 });
  const host = match[1] ?? match[2] ?? '';
  const port = match[3] === undefined ? isTls ? PORT_TLS : PORT_PLAIN : Number(match[3]);
  if (port > 65_535 || (match[1] !== undefined && isIP(match[1]) !== 6)) throw invalid(text);
  return { kind: 'tcp', host: host === '' ? match[3] === undefined ? 'localhost' : '0.0.0.0' : host, port };
}

function invalid(text: string): EngineError {
  return new EngineError('invalid_argument', 'USAGE', `invalid bind address (${text}): unsupported proto`, { exitStatus: 125 });
}
