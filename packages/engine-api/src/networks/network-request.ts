import type { IpamConfig } from '@dray/network';
import { invalid, notImplemented } from '../errors.ts';
import { type JsonObject, booleanField, field, objectField, stringField, stringMapField, stringsField } from '../request-fields.ts';
import type { EndpointRequest } from './network-service.ts';

/** A parsed body of `POST /networks/create`. */
export interface NetworkCreation {
  readonly name: string;
  readonly driver: string;
  readonly isInternal: boolean;
  readonly isAttachable: boolean;
  readonly ipam: readonly IpamConfig[];
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** Reads the body of `POST /networks/create`. @throws EngineApiError invalid_argument, not_implemented for IPv6, config-only and swarm networks */
export function parseNetworkCreation(body: JsonObject): NetworkCreation {
  const name = stringField(body, 'Name');
  if (name.trim() === '') throw invalid(`invalid name: ${name}`, 'INVALID_NAME');
  if (booleanField(body, 'Ingress')) throw invalid('ingress network is not supported: this node is not a swarm manager', 'NOT_A_MANAGER');
  if (booleanField(body, 'ConfigOnly') || stringField(objectField(body, 'ConfigFrom') ?? {}, 'Network') !== '') throw notImplemented('configuration-only networks are not implemented');
  if (booleanField(body, 'EnableIPv6')) throw notImplemented('IPv6 networks are not implemented');
  if (!booleanField(body, 'EnableIPv4', true)) throw notImplemented('networks without IPv4 are not implemented');
  const scope = stringField(body, 'Scope');
  if (scope !== '' && scope !== 'local') throw invalid(`invalid network scope "${scope}"`, 'INVALID_SCOPE');
  const ipam = objectField(body, 'IPAM') ?? {};
  const ipamDriver = stringField(ipam, 'Driver');
  if (ipamDriver !== '' && ipamDriver !== 'default') throw invalid(`error looking up ipam plugin ${ipamDriver}: plugin "${ipamDriver}" not found`, 'NO_SUCH_PLUGIN');
  return {
    name,
    driver: stringField(body, 'Driver'),
    isInternal: booleanField(body, 'Internal'),
    isAttachable: booleanField(body, 'Attachable'),
    ipam: parseIpam(field(ipam, 'Config')),
    options: stringMapField(body, 'Options') ?? {},
    labels: stringMapField(body, 'Labels') ?? {},
  };
}

function parseIpam(value: unknown): IpamConfig[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalid('invalid JSON: IPAM.Config is no list', 'INVALID_JSON');
  const configs = value.flatMap((item: unknown) => {
    if (typeof item !== 'object' || item === null) throw invalid('invalid JSON: IPAM.Config holds something that is no object', 'INVALID_JSON');
    return [parseIpamConfig(item as JsonObject)];
  });
  if (configs.length > 1) throw notImplemented('networks with several subnets are not implemented');
  return configs.filter((config) => config.subnet !== '');
}

function parseIpamConfig(item: JsonObject): IpamConfig {
  const [subnet, gateway, ipRange] = [stringField(item, 'Subnet'), stringField(item, 'Gateway'), stringField(item, 'IPRange')];
  if (subnet === '' && (gateway !== '' || ipRange !== '')) throw invalid('invalid IPAM config: subnet is required', 'INVALID_IPAM');
  if (subnet.includes(':')) throw notImplemented('IPv6 networks are not implemented');
  const auxiliaryAddresses = stringMapField(item, 'AuxiliaryAddresses');
  return { subnet, ...gateway === '' ? {} : { gateway }, ...ipRange === '' ? {} : { ipRange }, ...auxiliaryAddresses === undefined ? {} : { auxiliaryAddresses } };
}

/** Reads one endpoint's settings, as create, connect and `EndpointsConfig` carry them. @throws EngineApiError invalid_argument */
export function parseEndpoint(settings: JsonObject): EndpointRequest {
  const ipam = objectField(settings, 'IPAMConfig') ?? {};
  const [ipv4Address, ipv6Address, macAddress] = [stringField(ipam, 'IPv4Address'), stringField(ipam, 'IPv6Address'), stringField(settings, 'MacAddress')];
  const [aliases, links, driverOptions] = [stringsField(settings, 'Aliases'), stringsField(settings, 'Links'), stringMapField(settings, 'DriverOpts')];
  return {
    ...aliases === undefined ? {} : { aliases },
    ...links === undefined ? {} : { links },
    ...driverOptions === undefined ? {} : { driverOptions },
    ...ipv4Address === '' ? {} : { ipv4Address },
    ...ipv6Address === '' ? {} : { ipv6Address },
    ...macAddress === '' ? {} : { macAddress },
    ...typeof settings['GwPriority'] === 'number' ? { gatewayPriority: settings['GwPriority'] } : {},
  };
}
