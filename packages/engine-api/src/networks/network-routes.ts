import type { NetworkRecord } from '@dray/network';
import type { ContainerService } from '../containers/container-service.ts';
import { conflict } from '../errors.ts';
import type { ApiVersion, Filters, Route } from '../http/index.ts';
import { asBodyObject, booleanField, objectField, stringField } from '../request-fields.ts';
import { untilFilter } from '../until-filter.ts';
import { type ControlledNetworks, PREDEFINED_NETWORKS } from './controlled-networks.ts';
import { parseEndpoint, parseNetworkCreation } from './network-request.ts';

const FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'];

/** The endpoints under `/networks`. */
export function networkRoutes(networks: ControlledNetworks, containers: () => ContainerService): Route[] {
  let isPruning = false;
  const list: Route['handle'] = (context) => {
    const filters = context.query.filters(FILTERS);
    context.sendJson(200, networks.list().filter((network) => isWanted(network, filters, networks)).map((network) => describeNetwork(network, networks, context.version, false)));
  };
  return [
    { method: 'GET', path: '/networks', handle: list },
    { method: 'GET', path: '/networks/', handle: list },
    { method: 'GET', path: '/networks/{id}', handle: (context) => context.sendJson(200, describeNetwork(networks.record(context.params['id'] ?? ''), networks, context.version, true)) },
    { method: 'POST', path: '/networks/create', handle: async (context) => {
      const network = networks.create(parseNetworkCreation(asBodyObject(await context.readJson())));
      context.sendJson(201, { Id: network.id, Warning: '' });
    } },
    { method: 'POST', path: '/networks/{id}/connect', handle: async (context) => {
      const body = asBodyObject(await context.readJson());
      const network = networks.record(context.params['id'] ?? '');
      await containers().connectNetwork(stringField(body, 'Container'), network.name, parseEndpoint(objectField(body, 'EndpointConfig') ?? {}));
      context.sendEmpty(200);
    } },
    { method: 'POST', path: '/networks/{id}/disconnect', handle: async (context) => {
      const body = asBodyObject(await context.readJson());
      const network = networks.record(context.params['id'] ?? '');
      await containers().disconnectNetwork(stringField(body, 'Container'), network.name, { force: booleanField(body, 'Force') });
      context.sendEmpty(200);
    } },
    { method: 'DELETE', path: '/networks/{id}', handle: (context) => {
      networks.remove(context.params['id'] ?? '');
      context.sendEmpty(204);
    } },
    { method: 'POST', path: '/networks/prune', handle: async (context) => {
      await context.drainBody();
      const filters = context.query.filters(['label', 'label!', 'until']);
      if (isPruning) throw conflict('a prune operation is already running', 'PRUNE_RUNNING');
      isPruning = true;
      try {
        context.sendJson(200, { NetworksDeleted: prune(networks, filters) });
      } finally {
        isPruning = false;
      }
    } },
  ];
}

function prune(networks: ControlledNetworks, filters: Filters): string[] | null {
  const until = untilFilter(filters);
  const deleted: string[] = [];
  for (const network of networks.list()) {
    if (PREDEFINED_NETWORKS.includes(network.name) || networks.endpoints(network.id).length > 0) continue;
    if (until !== undefined && Date.parse(network.created) > until) continue;
    if (!filters.matchLabels('label', network.labels) || !filters.matchNoLabels('label!', network.labels)) continue;
    networks.remove(network.id);
    deleted.push(network.name);
  }
  return deleted.length === 0 ? null : deleted;
}

function isWanted(network: NetworkRecord, filters: Filters, networks: ControlledNetworks): boolean {
  const isPredefined = PREDEFINED_NETWORKS.includes(network.name);
  return filters.match('name', network.name) && filters.match('id', network.id) && filters.exact('driver', network.driver) && filters.exact('scope', 'local')
    && filters.matchLabels('label', network.labels) && filters.exact('type', isPredefined ? 'builtin' : 'custom')
    && (!filters.has('dangling') || filters.bool('dangling', true) === (!isPredefined && networks.endpoints(network.id).length === 0));
}

/** A network as the API shows it. */
export function describeNetwork(network: NetworkRecord, networks: ControlledNetworks, version: ApiVersion, isDetailed: boolean): Record<string, unknown> {
  const endpoints = isDetailed ? networks.endpoints(network.id) : [];
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: 'local',
    Driver: network.driver,
    ...version.atLeast('1.48') ? { EnableIPv4: true } : {},
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: network.driver === 'bridge' && !PREDEFINED_NETWORKS.includes(network.name) ? {} : null,
      Config: network.ipam.length === 0 ? null : network.ipam.map((config) => ({
        Subnet: config.subnet,
        ...config.ipRange === undefined ? {} : { IPRange: config.ipRange },
        ...config.gateway === undefined ? {} : { Gateway: config.gateway },
        ...config.auxiliaryAddresses === undefined ? {} : { AuxiliaryAddresses: config.auxiliaryAddresses },
      })),
    },
    Internal: network.isInternal,
    Attachable: network.isAttachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(endpoints.map(({ containerId, containerName, endpoint }) => [containerId, {
      Name: containerName,
      EndpointID: endpoint.endpointId,
      MacAddress: endpoint.macAddress,
      IPv4Address: endpoint.ipAddress === '' ? '' : `${endpoint.ipAddress}/${endpoint.ipPrefixLength}`,
      IPv6Address: endpoint.ipv6Address === '' ? '' : `${endpoint.ipv6Address}/${endpoint.ipv6PrefixLength}`,
    }])),
    Options: network.options,
    Labels: network.labels,
  };
}
