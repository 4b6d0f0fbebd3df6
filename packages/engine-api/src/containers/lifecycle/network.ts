/** A container's network side: what it asks for, and the files that go with it. */
import { readFile, writeFile } from 'node:fs/promises';
import { conflict, errorKind, notFound } from '../../errors.ts';
import type { EndpointRequest as NetworkEndpoint, PortRequest, SandboxRequest, SandboxState } from '../../networks/network-service.ts';
import { parsePortSpec } from '../create/ports.ts';
import type { EndpointRequest } from '../create/types.ts';
import type { Container } from './container.ts';
import type { Engine } from './engine.ts';
import type { ContainerRecord } from './record.ts';

/** The network as the specification needs it. */
export interface PreparedNetwork {
  /** A namespace's path, or `host`. */
  readonly namespace: string;
  /** Whose hosts, hostname and resolv.conf are used. */
  readonly files: Container;
  /** Settles when those files are there. */
  readonly written: Promise<void>;
}

/** Makes the container's network and writes its files; with `container:` borrows another's. @throws EngineApiError when a network is missing or a port taken */
export async function prepareNetwork(engine: Engine, container: Container): Promise<PreparedNetwork> {
  const mode = container.record.hostConfig.NetworkMode;
  if (mode.startsWith('container:')) return borrowNetwork(engine, container, mode.slice('container:'.length));
  const state = await engine.context.networks.prepareSandbox(sandboxRequest(container.record)).catch((err: unknown) => {
    if (errorKind(err) === 'not_found') throw notFound(`failed to set up container networking: ${err instanceof Error ? err.message : String(err)}`, 'NETWORK_NOT_FOUND');
    throw err;
  });
  const written = writeNetworkFiles(container, state);
  written.catch(() => undefined); // the caller looks at it later
  return { namespace: state.namespacePath ?? 'host', files: container, written };
}

function borrowNetwork(engine: Engine, container: Container, reference: string): PreparedNetwork {
  const donor = runningDonor(engine, container, reference, 'network');
  return { namespace: `/proc/${donor.pid}/ns/net`, files: donor.container, written: Promise.resolve() };
}

/** Another container whose namespace is joined. @throws EngineApiError `conflict` when it does not run */
export function runningDonor(engine: Engine, container: Container, reference: string, what: string): { container: Container; pid: number } {
  const donor = engine.registry.find(reference);
  if (donor.id === container.id) throw conflict(`cannot join own ${what} namespace`, 'OWN_NAMESPACE');
  if (!donor.run) throw conflict(`cannot join ${what} namespace of a non running container: container ${donor.id} is not running`, 'DONOR_NOT_RUNNING');
  return { container: donor, pid: donor.run.pid };
}

async function writeNetworkFiles(container: Container, state: SandboxState): Promise<void> {
  const { paths, record } = container;
  const hosts = state.hosts !== '' ? state.hosts : await readFile('/etc/hosts', 'utf8');
  await Promise.all([
    writeFile(paths.hosts, hosts, { mode: 0o644 }),
    writeFile(paths.resolvConf, state.resolvConf, { mode: 0o644 }),
    writeFile(paths.hostname, `${record.config.Hostname}\n`, { mode: 0o644 }),
  ]);
}

/** Rewrites the files of a running container in place, after its networks changed. */
export async function refreshNetworkFiles(container: Container, state: SandboxState): Promise<void> {
  if (state.hosts !== '') await writeFile(container.paths.hosts, state.hosts);
}

/** What a record asks of the network service. */
export function sandboxRequest(record: ContainerRecord): SandboxRequest {
  const { config, hostConfig } = record;
  const mode = config.NetworkDisabled ? 'none' : hostConfig.NetworkMode;
  const isAlone = mode === 'host' || mode === 'none';
  const names = isAlone ? [mode] : [mode, ...Object.keys(record.endpoints).filter((name) => name !== mode)];
  return {
    containerId: record.id, containerName: record.name.slice(1), hostname: config.Hostname, ...(config.Domainname === '' ? {} : { domainname: config.Domainname }),
    networks: names.map((network) => ({ network, endpoint: isAlone ? {} : networkEndpoint(record.endpoints[network]) })),
    ports: isAlone ? [] : portRequests(record), dns: hostConfig.Dns ?? [], dnsSearch: hostConfig.DnsSearch ?? [], dnsOptions: hostConfig.DnsOptions ?? [],
    extraHosts: (hostConfig.ExtraHosts ?? []).map((entry) => entry.replace('=', ':')),
  };
}

function networkEndpoint(request: EndpointRequest | undefined): NetworkEndpoint {
  if (!request) return {};
  return {
    ...(request.Aliases ? { aliases: request.Aliases } : {}),
    ...(request.IPAMConfig?.IPv4Address ? { ipv4Address: request.IPAMConfig.IPv4Address } : {}),
    ...(request.IPAMConfig?.IPv6Address ? { ipv6Address: request.IPAMConfig.IPv6Address } : {}),
    ...(request.MacAddress === '' ? {} : { macAddress: request.MacAddress }),
    ...(request.Links ? { links: request.Links } : {}),
    ...(request.DriverOpts ? { driverOptions: request.DriverOpts } : {}),
    gatewayPriority: request.GwPriority,
  };
}

/** The ports to publish: those bound, and with `PublishAllPorts` every exposed one. */
export function portRequests(record: ContainerRecord): PortRequest[] {
  const { PortBindings, PublishAllPorts } = record.hostConfig;
  const bound = Object.entries(PortBindings ?? {}).flatMap(([key, bindings]) =>
    (parsePortSpec(key) ?? []).flatMap((port) => (bindings?.length ? bindings : [{ HostIp: '', HostPort: '' }]).map((binding): PortRequest => {
      const [first = '', last] = binding.HostPort.split('-');
      return {
        containerPort: port.port, protocol: port.protocol, hostPort: Number(first),
        ...(last === undefined ? {} : { hostPortLast: Number(last) }), ...(binding.HostIp === '' ? {} : { hostIp: binding.HostIp }),
      };
    })));
  if (!PublishAllPorts) return bound;
  const taken = new Set(bound.map((port) => `${port.containerPort}/${port.protocol}`));
  const exposed = Object.keys(record.config.ExposedPorts ?? {}).flatMap((key) => parsePortSpec(key) ?? []);
  return [...bound, ...exposed.filter((port) => !taken.has(`${port.port}/${port.protocol}`)).map((port): PortRequest => ({ containerPort: port.port, protocol: port.protocol, hostPort: 0 }))];
}
