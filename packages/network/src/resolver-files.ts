import net from 'node:net';

/** What Docker falls back to when the host has no resolver that a container can reach. */
const PUBLIC_RESOLVERS = ['8.8.8.8', '8.8.4.4'];

/** The lines of /etc/hosts besides the addresses of the container itself. */
const LOCAL_HOSTS = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback', 'fe00::\tip6-localnet', 'ff00::\tip6-mcastprefix', 'ff02::1\tip6-allnodes', 'ff02::2\tip6-allrouters'];

/** What goes into a container's /etc/hosts. */
export interface HostsInput {
  readonly hostname: string;
  readonly domainname?: string;
  readonly addresses: readonly string[];
  /** `name:address`; `host-gateway` stands for `hostGateway`. */
  readonly extraHosts: readonly string[];
  readonly hostGateway: string;
}

/** The text of /etc/hosts as Docker lays it out: localhost, extra hosts, the container's own addresses. */
export function hostsFile(input: HostsInput): string {
  const fullName = input.domainname ? `${input.hostname}.${input.domainname} ${input.hostname}` : input.hostname;
  const extra = input.extraHosts.map((entry) => {
    const separator = entry.indexOf(':');
    const address = entry.slice(separator + 1).replace(/^\[(.*)\]$/, '$1');
    return `${address === 'host-gateway' ? input.hostGateway : address}\t${entry.slice(0, separator)}`;
  });
  return [...LOCAL_HOSTS, ...extra, ...input.addresses.map((address) => `${address}\t${fullName}`), ''].join('\n');
}

/** What of a resolv.conf a container gets. */
export interface ResolverInput { readonly host: string; readonly dns?: readonly string[]; readonly search?: readonly string[]; readonly options?: readonly string[] }

/**
 * The text of /etc/resolv.conf: the host's without resolvers on loopback, which a container cannot reach; given servers, search domains and options
 * replace the host's.
 */
export function resolvConf(input: ResolverInput): string {
  const lines = input.host.split('\n').map((line) => line.trim().split(/\s+/));
  const values = (keyword: string): string[][] => lines.filter(([first]) => first === keyword).map(([, ...rest]) => rest);
  const hostServers = values('nameserver').map(([server]) => server ?? '').filter((server) => net.isIP(server.split('%')[0] ?? '') !== 0 && !/^(127\.|::1$)/.test(server));
  const given = input.dns?.length ? input.dns : hostServers;
  const servers = given.length > 0 ? given : PUBLIC_RESOLVERS;
  const search = input.search?.length ? input.search.filter((domain) => domain !== '.') : (values('search').at(-1) ?? []);
  const options = input.options?.length ? input.options : (values('options').at(-1) ?? []);
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}
