import { BlockList, isIP, isIPv6 } from 'node:net';
import { OciImageError } from '../errors.ts';
import { DEFAULT_DOMAIN } from '../reference.ts';

/** One address at which a registry is tried. */
export interface Endpoint {
  /** `https://host[:port]` with optional path prefix, without a trailing slash. */
  readonly baseUrl: string;
  /** Whether certificates go unchecked. */
  readonly isInsecure: boolean;
  readonly isMirror: boolean;
}

/** Which registries may be reached how. */
export interface HostOptions {
  /** Hosts (`host[:port]`) and CIDR blocks that may be reached without TLS or with an unknown certificate. Loopback always may. */
  readonly insecureRegistries?: readonly string[];
  /** Base URLs tried before Docker Hub, in order. */
  readonly mirrors?: readonly string[];
}

const DOCKER_HUB_URL = 'https://registry-1.docker.io';

/** Finds the endpoints of registries. */
export class HostTable {
  readonly #hosts = new Set<string>();
  readonly #blocks = new BlockList();
  readonly #mirrors: readonly string[];

  /** @throws OciImageError `INVALID_OPTION` for a bad CIDR block or mirror URL */
  constructor(options: HostOptions = {}) {
    this.#blocks.addSubnet('127.0.0.0', 8, 'ipv4');
    this.#blocks.addAddress('::1', 'ipv6');
    for (const entry of options.insecureRegistries ?? []) this.#addInsecure(entry);
    this.#mirrors = (options.mirrors ?? []).map(parseMirror);
  }

  /** Whether a registry may be reached without TLS. */
  isInsecure(domain: string): boolean {
    const host = hostname(domain);
    if (host === 'localhost' || this.#hosts.has(domain) || this.#hosts.has(host)) return true;
    const family = isIP(host);
    return family !== 0 && this.#blocks.check(host, family === 6 ? 'ipv6' : 'ipv4');
  }

  /** The addresses of a registry, in the order they are tried. Mirrors only serve pulls. */
  endpoints(domain: string, use: 'pull' | 'push'): Endpoint[] {
    if (domain === DEFAULT_DOMAIN) {
      const mirrors = use === 'pull' ? this.#mirrors : [];
      return [
        ...mirrors.map((baseUrl) => ({ baseUrl, isInsecure: this.isInsecure(new URL(baseUrl).host), isMirror: true })),
        { baseUrl: DOCKER_HUB_URL, isInsecure: false, isMirror: false },
      ];
    }
    const https = { baseUrl: `https://${domain}`, isMirror: false };
    if (!this.isInsecure(domain)) return [{ ...https, isInsecure: false }];
    return [{ ...https, isInsecure: true }, { baseUrl: `http://${domain}`, isInsecure: true, isMirror: false }];
  }

  #addInsecure(entry: string): void {
    const [address = '', prefix, ...rest] = entry.split('/');
    if (prefix === undefined) {
      this.#hosts.add(entry);
      return;
    }
    const family = isIP(address);
    const bits = Number(prefix);
    if (family === 0 || rest.length > 0 || !/^[0-9]{1,3}$/.test(prefix) || bits > (family === 6 ? 128 : 32)) {
      throw new OciImageError('INVALID_OPTION', `insecure registry ${entry} is not valid: invalid CIDR address`);
    }
    this.#blocks.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4');
  }
}

function parseMirror(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) throw new OciImageError('INVALID_OPTION', `invalid mirror: unsupported scheme in ${JSON.stringify(text)}`);
  if (url.username !== '' || url.password !== '') throw new OciImageError('INVALID_OPTION', 'invalid mirror: username/password not allowed in URI');
  if (url.search !== '' || url.hash !== '') throw new OciImageError('INVALID_OPTION', `invalid mirror: path, query, or fragment at end of the URI ${JSON.stringify(text)}`);
  return url.href.replace(/\/+$/, '');
}

function hostname(domain: string): string {
  const bracketed = /^\[([^\]]+)\]/.exec(domain)?.[1];
  if (bracketed !== undefined) return bracketed;
  return isIPv6(domain) ? domain : domain.replace(/:[0-9]+$/, '');
}
