/** `NetworkSettings` of inspect and list. */
import type { EndpointState, SandboxState } from '../../networks/network-service.ts';
import type { EndpointRequest } from '../create/types.ts';
import type { Container } from '../lifecycle/container.ts';
import type { Engine } from '../lifecycle/engine.ts';

/** One endpoint: what was asked for, and what is in effect where the container runs. */
export function endpointView(request: EndpointRequest | undefined, state: EndpointState | undefined, networkId: string): Record<string, unknown> {
  return {
    IPAMConfig: request?.IPAMConfig ?? null,
    Links: request?.Links ?? null,
    Aliases: request?.Aliases ?? null,
    MacAddress: state?.macAddress ?? request?.MacAddress ?? '',
    DriverOpts: request?.DriverOpts ?? null,
    GwPriority: request?.GwPriority ?? 0,
    NetworkID: state?.networkId ?? networkId,
    EndpointID: state?.endpointId ?? '',
    Gateway: state?.gateway ?? '',
    IPAddress: state?.ipAddress ?? '',
    IPPrefixLen: state?.ipPrefixLength ?? 0,
    IPv6Gateway: state?.ipv6Gateway ?? '',
    GlobalIPv6Address: state?.ipv6Address ?? '',
    GlobalIPv6PrefixLen: state?.ipv6PrefixLength ?? 0,
    DNSNames: state && state.dnsNames.length > 0 ? state.dnsNames : null,
  };
}

/** Every network of a container by name. */
export async function networksView(engine: Engine, container: Container): Promise<Record<string, unknown>> {
  const { record } = container;
  const sandbox = engine.context.networks.sandbox(container.id);
  const mode = record.hostConfig.NetworkMode;
  const names = mode === 'host' || mode === 'none' ? [mode] : Object.keys(record.endpoints);
  const entries = await Promise.all(names.map(async (name) => {
    const network = await engine.context.networks.resolve(name).catch(() => undefined); // a network that is gone is shown without its id
    const state = sandbox?.endpoints.find((endpoint) => endpoint.networkName === name || endpoint.networkId === network?.id);
    return [network?.name ?? name, endpointView(record.endpoints[name], state, network?.id ?? '')] as const;
  }));
  return Object.fromEntries(entries);
}

/** Published ports as `NetworkSettings.Ports` shows them: exposed ones without a binding are null. */
export function portsView(container: Container, sandbox: SandboxState | undefined): Record<string, { HostIp: string; HostPort: string }[] | null> {
  if (!container.isRunning || !sandbox) return {};
  const ports: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const key of Object.keys(container.record.config.ExposedPorts ?? {})) ports[key.includes('/') ? key : `${key}/tcp`] = null;
  for (const port of sandbox.ports) {
    const key = `${port.containerPort}/${port.protocol}`;
    (ports[key] ??= []).push({ HostIp: port.hostIp, HostPort: String(port.hostPort) });
  }
  return ports;
}

/** `NetworkSettings` of inspect. The address fields at the top describe the default bridge. */
export async function networkSettingsView(engine: Engine, container: Container): Promise<Record<string, unknown>> {
  const sandbox = engine.context.networks.sandbox(container.id);
  const onBridge = sandbox?.endpoints.find((endpoint) => endpoint.networkName === 'bridge');
  return {
    Bridge: '',
    SandboxID: sandbox?.sandboxId ?? '',
    SandboxKey: sandbox?.namespacePath ?? '',
    Ports: portsView(container, sandbox),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: onBridge?.endpointId ?? '',
    Gateway: onBridge?.gateway ?? '',
    GlobalIPv6Address: onBridge?.ipv6Address ?? '',
    GlobalIPv6PrefixLen: onBridge?.ipv6PrefixLength ?? 0,
    IPAddress: onBridge?.ipAddress ?? '',
    IPPrefixLen: onBridge?.ipPrefixLength ?? 0,
    IPv6Gateway: onBridge?.ipv6Gateway ?? '',
    MacAddress: onBridge?.macAddress ?? '',
    Networks: await networksView(engine, container),
  };
}
