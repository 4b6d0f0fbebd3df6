import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { type Cidr, formatCidr, networkOf, overlaps, parseCidr } from './address.ts';
import { attachNamespace, bridgeNameOf, ensureBridge, macForAddress, removeBridge, tableNameOf, vethName } from './bridge.ts';
import { NetworkError } from './errors.ts';
import { AddressPool, choosePool, gatewayOf } from './ipam.ts';
import { NamespacePool } from './namespace-pool.ts';
import { listRoutes, findLink, deleteLink } from './netlink/link.ts';
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from './netlink/socket.ts';
import { type IpamConfig, type NetworkRecord, RecordStore } from './network-store.ts';
import { openForeignForward } from './nftables/foreign-forward.ts';
import { applyRules, removeRules } from './nftables/ruleset.ts';
import { PortAllocator } from './port-allocator.ts';
import { hostsFile, resolvConf } from './resolver-files.ts';
import type { EndpointRequest, EndpointState, PublishedPort, SandboxRecord, SandboxRequest, SandboxState } from './sandbox.ts';

/** How to make a {@link NetworkController}. */
export interface NetworkControllerOptions {
  /** Folder of what must outlive a reboot: the networks. */
  readonly stateFolder: string;
  /** Folder of what goes with a reboot: network namespaces and who is attached. */
  readonly runtimeFolder: string;
  /** The default network's bridge. */
  readonly bridge: { readonly name: string; /** Gateway and subnet; default: the first free pool. */ readonly address?: string; readonly mtu?: number };
  /** Namespaces kept ready. Default 2. */
  readonly poolSize?: number;
  /** The host's resolv.conf. Default `/etc/resolv.conf`. */
  readonly hostResolvConf?: string;
}

/** What a user may ask of a new network. */
export interface NetworkRequest {
  readonly name: string;
  readonly driver?: string;
  readonly isInternal?: boolean;
  readonly isAttachable?: boolean;
  readonly ipam?: readonly IpamConfig[];
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A network with its addresses in memory. */
interface Network { readonly record: NetworkRecord; readonly pool?: AddressPool; readonly gateway?: Cidr }

const PREDEFINED = ['bridge', 'host', 'none'];
const BRIDGE_NAME_OPTION = 'com.docker.network.bridge.name';
const MTU_OPTION = 'com.docker.network.driver.mtu';
const MASQUERADE_OPTION = 'com.docker.network.bridge.enable_ip_masquerade';

/**
 * Networks and the containers attached to them. One controller owns its folders, its bridges and its nftables table; at start it re-makes what the
 * kernel lacks and removes what nobody owns any more. Containers keep their network while no controller runs.
 */
export class NetworkController implements AsyncDisposable {
  readonly #networks = new Map<string, Network>();
  readonly #sandboxes = new Map<string, SandboxRecord>();
  readonly #store: RecordStore<NetworkRecord>;
  readonly #sandboxStore: RecordStore<SandboxRecord>;
  readonly #pool: NamespacePool;
  readonly #ports = new PortAllocator();
  readonly #route = NetlinkSocket.open(NETLINK_ROUTE);
  readonly #netfilter = NetlinkSocket.open(NETLINK_NETFILTER);
  readonly #options: NetworkControllerOptions;
  readonly #table: string;

  private constructor(options: NetworkControllerOptions) {
    this.#options = options;
    this.#table = tableNameOf(options.stateFolder);
    this.#store = new RecordStore(path.join(options.stateFolder, 'networks'));
    this.#sandboxStore = new RecordStore(path.join(options.runtimeFolder, 'sandboxes'));
    this.#pool = new NamespacePool({ folder: path.join(options.runtimeFolder, 'netns'), size: options.poolSize ?? 2 });
  }

  /** Opens the controller: loads what is kept and reconciles it with the kernel. */
  static async open(options: NetworkControllerOptions): Promise<NetworkController> {
    const controller = new NetworkController(options);
    await controller.#restore();
    return controller;
  }

  /** All networks, in the order of their creation. */
  list(): NetworkRecord[] {
    return [...this.#networks.values()].map(({ record }) => record).sort((a, b) => a.created.localeCompare(b.created));
  }

  /**
   * A network by its id, its name or a unique beginning of its id.
   *
   * @throws NetworkError `NETWORK_NOT_FOUND`, or `INVALID_NAME` when the beginning fits several.
   */
  get(nameOrId: string): NetworkRecord {
    return this.#find(nameOrId).record;
  }

  /** The endpoints that are attached to a network now, by container. */
  endpoints(networkId: string): { containerId: string; containerName: string; endpoint: EndpointState }[] {
    return [...this.#sandboxes.values()].flatMap(({ id, request, state }) => state.endpoints.filter((endpoint) => endpoint.networkId === networkId)
      .map((endpoint) => ({ containerId: id, containerName: request.containerName, endpoint })));
  }

  /**
   * Creates a bridge network: whole, or not at all.
   *
   * @throws NetworkError `NETWORK_EXISTS`, `PREDEFINED_NETWORK`, `POOL_OVERLAPS`, `POOL_EXHAUSTED`, `INVALID_ADDRESS`, `UNSUPPORTED`
   */
  create(request: NetworkRequest): NetworkRecord {
    if (PREDEFINED.includes(request.name)) throw new NetworkError('permission_denied', 'PREDEFINED_NETWORK', `operation is not permitted on predefined ${request.name} network`);
    if (this.list().some(({ name }) => name === request.name)) throw new NetworkError('conflict', 'NETWORK_EXISTS', `network with name ${request.name} already exists`);
    const driver = request.driver || 'bridge';
    if (driver !== 'bridge') throw new NetworkError(driver === 'macvlan' || driver === 'ipvlan' ? 'not_implemented' : 'not_found', 'UNSUPPORTED', `could not find plugin ${driver} in v1 plugin registry: plugin not found`);
    const id = randomBytes(32).toString('hex');
    return this.#add({
      id, name: request.name, driver: 'bridge', created: new Date().toISOString(), bridge: request.options?.[BRIDGE_NAME_OPTION] ?? bridgeNameOf(id),
      isInternal: request.isInternal ?? false, isAttachable: request.isAttachable ?? false, ipam: [this.#completeIpam(request.ipam?.[0])],
      options: request.options ?? {}, labels: request.labels ?? {},
    });
  }

  /**
   * Removes a network.
   *
   * @throws NetworkError `NETWORK_NOT_FOUND`, `PREDEFINED_NETWORK`, `NETWORK_IN_USE`
   */
  remove(nameOrId: string): NetworkRecord {
    const { record } = this.#find(nameOrId);
    if (PREDEFINED.includes(record.name)) throw new NetworkError('permission_denied', 'PREDEFINED_NETWORK', `${record.name} is a pre-defined network and cannot be removed`);
    const attached = this.endpoints(record.id);
    if (attached.length > 0) {
      const names = attached.map(({ containerName, endpoint }) => `name:"${containerName}" id:"${endpoint.endpointId.slice(0, 12)}"`).join(', ');
      throw new NetworkError('permission_denied', 'NETWORK_IN_USE', `error while removing network: network ${record.name} has active endpoints (${names})`);
    }
    this.#networks.delete(record.id);
    this.#store.remove(record.id);
    this.#applyRules();
    removeBridge(this.#route, record.bridge);
    return record;
  }

  /** What {@link NetworkController.prepareSandbox} made for a container, while it is there. */
  sandbox(containerId: string): SandboxState | undefined {
    return this.#sandboxes.get(containerId)?.state;
  }

  /** Makes a container's network namespace, attaches it to its networks and publishes its ports: whole, or not at all. */
  async prepareSandbox(request: SandboxRequest): Promise<SandboxState> {
    await this.releaseSandbox(request.containerId);
    const targets = request.networks.map(({ network, endpoint }) => ({ network: this.#find(network), endpoint }));
    const isHost = targets[0]?.network.record.driver === 'host';
    const taken: (() => void)[] = [];
    try {
      const namespacePath = isHost ? undefined : await this.#pool.take();
      if (namespacePath !== undefined) taken.push(() => this.#pool.destroy(namespacePath));
      const endpoints: EndpointState[] = [];
      for (const { network, endpoint } of targets) endpoints.push(this.#attach(network, endpoint, namespacePath, endpoints.length, request, taken));
      const ports = isHost ? [] : await this.#publish(request, endpoints, taken);
      return this.#keep({ id: request.containerId, request, state: this.#describe(request, namespacePath, endpoints, ports) });
    } catch (error) {
      for (const undo of taken.reverse()) undo();
      throw error;
    }
  }

  /** Takes everything of a container's network down; nothing there is no error. */
  async releaseSandbox(containerId: string): Promise<void> {
    const record = this.#sandboxes.get(containerId);
    if (!record) return;
    this.#sandboxes.delete(containerId);
    this.#release(record.state);
    this.#sandboxStore.remove(containerId);
  }

  /** Attaches a running container to a further network. */
  connect(containerId: string, network: string, endpoint: EndpointRequest): SandboxState {
    const record = this.#requireSandbox(containerId);
    const target = this.#find(network);
    if (record.state.endpoints.some(({ networkId }) => networkId === target.record.id)) {
      throw new NetworkError('permission_denied', 'ENDPOINT_EXISTS', `endpoint with name ${record.request.containerName} already exists in network ${target.record.name}`);
    }
    const request = { ...record.request, networks: [...record.request.networks, { network: target.record.name, endpoint }] };
    const added = this.#attach(target, endpoint, record.state.namespacePath, nextInterfaceIndex(record.state.endpoints), request, []);
    return this.#keep({ id: containerId, request, state: this.#describe(request, record.state.namespacePath, [...record.state.endpoints, added], record.state.ports) });
  }

  /** Detaches a running container from a network. */
  disconnect(containerId: string, network: string): SandboxState {
    const record = this.#requireSandbox(containerId);
    const { record: target } = this.#find(network);
    const gone = record.state.endpoints.find(({ networkId }) => networkId === target.id);
    if (!gone) throw new NetworkError('permission_denied', 'ENDPOINT_NOT_FOUND', `container ${containerId} is not connected to network ${target.name}`);
    if (record.state.namespacePath !== undefined && gone.interfaceName !== '') {
      using inside = NetlinkSocket.open(NETLINK_ROUTE, record.state.namespacePath);
      const link = findLink(inside, gone.interfaceName);
      if (link) deleteLink(inside, link.index);
    }
    this.#networks.get(target.id)?.pool?.release(gone.ipAddress);
    const request = { ...record.request, networks: record.request.networks.filter((one) => this.#find(one.network).record.id !== target.id) };
    return this.#keep({ id: containerId, request, state: this.#describe(request, record.state.namespacePath, record.state.endpoints.filter((one) => one !== gone), record.state.ports) });
  }

  /** Says under which name a running container is to be found from now on. */
  rename(containerId: string, name: string): void {
    const record = this.#sandboxes.get(containerId);
    if (record) this.#keep({ ...record, request: { ...record.request, containerName: name } });
  }

  /** Removes the links and rules of networks that no container uses. For the daemon's orderly end; networks themselves stay known. */
  removeIdleLinks(): void {
    const idle = [...this.#networks.values()].filter(({ record }) => record.driver === 'bridge' && this.endpoints(record.id).length === 0);
    for (const { record } of idle) removeBridge(this.#route, record.bridge);
    if (this.#sandboxes.size > 0) return;
    removeRules(this.#netfilter, this.#table);
    openForeignForward(this.#netfilter, this.#table, []);
  }

  /** Lets go of descriptors and of the prepared namespaces. Containers stay attached. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]();
    this.#ports[Symbol.dispose]();
    this.#route[Symbol.dispose]();
    this.#netfilter[Symbol.dispose]();
  }

  async #restore(): Promise<void> {
    for (const record of this.#store.load()) this.#remember(record);
    this.#addPredefined();
    for (const record of this.#sandboxStore.load()) await this.#readopt(record);
    for (const network of this.#networks.values()) this.#ensureBridge(network);
    this.#applyRules();
    this.#pool.sweep(new Set([...this.#sandboxes.values()].flatMap(({ state }) => state.namespacePath ?? [])));
  }

  /** Takes a container's addresses and ports back after a restart. A namespace that is gone (a reboot) has taken its container with it. */
  async #readopt(record: SandboxRecord): Promise<void> {
    if (record.state.namespacePath !== undefined && !fs.existsSync(record.state.namespacePath)) {
      this.#sandboxStore.remove(record.id);
      return;
    }
    this.#sandboxes.set(record.id, record);
    for (const endpoint of record.state.endpoints) if (endpoint.ipAddress !== '') this.#networks.get(endpoint.networkId)?.pool?.take(endpoint.ipAddress);
    for (const port of record.state.ports) {
      // Somebody else may hold the port by now; the kernel's rule leads to the container all the same.
      await this.#ports.allocate({ ...port, hostPort: port.hostPort }).catch(() => undefined);
    }
  }

  #addPredefined(): void {
    const known = new Set(this.list().map(({ name }) => name));
    const base = { created: new Date().toISOString(), isInternal: false, isAttachable: false, labels: {} };
    if (!known.has('host')) this.#persist({ ...base, id: randomBytes(32).toString('hex'), name: 'host', driver: 'host', bridge: '', ipam: [], options: {} });
    if (!known.has('none')) this.#persist({ ...base, id: randomBytes(32).toString('hex'), name: 'none', driver: 'null', bridge: '', ipam: [], options: {} });
    const { bridge } = this.#options;
    const existing = this.list().find(({ name }) => name === 'bridge');
    const address = bridge.address === undefined ? undefined : parseCidr(bridge.address);
    const wanted = address && { subnet: formatCidr(networkOf(address)), gateway: address.address };
    if (existing?.bridge === bridge.name && (!wanted || existing.ipam[0]?.subnet === wanted.subnet)) return;
    if (existing) this.#networks.delete(existing.id);
    this.#persist({
      ...base, id: existing?.id ?? randomBytes(32).toString('hex'), name: 'bridge', driver: 'bridge', bridge: bridge.name, ipam: [wanted ?? this.#completeIpam(undefined)],
      options: {
        'com.docker.network.bridge.default_bridge': 'true', 'com.docker.network.bridge.enable_icc': 'true', [MASQUERADE_OPTION]: 'true',
        'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0', [BRIDGE_NAME_OPTION]: bridge.name, [MTU_OPTION]: String(bridge.mtu ?? 1500),
      },
    });
  }

  #persist(record: NetworkRecord): void {
    this.#store.save(record);
    this.#remember(record);
  }

  #remember(record: NetworkRecord): Network {
    const network: Network = { record, ...addressesOf(record) };
    this.#networks.set(record.id, network);
    return network;
  }

  #add(record: NetworkRecord): NetworkRecord {
    const network = this.#remember(record);
    try {
      this.#ensureBridge(network);
      this.#applyRules();
      this.#store.save(record);
    } catch (error) {
      this.#networks.delete(record.id);
      removeBridge(this.#route, record.bridge);
      throw error;
    }
    return record;
  }

  #ensureBridge({ record, gateway }: Network): number {
    if (record.driver !== 'bridge' || !gateway) return 0;
    const mtu = Number(record.options[MTU_OPTION]);
    return ensureBridge(this.#route, { name: record.bridge, gateway, ...(mtu > 0 && { mtu }) });
  }

  /** Fills in subnet and gateway. */
  #completeIpam(asked: IpamConfig | undefined): IpamConfig {
    const own = [...this.#networks.values()].flatMap(({ pool }) => pool?.subnet ?? []);
    const subnet = asked?.subnet ? networkOf(parseCidr(asked.subnet)) : choosePool([...own, ...listRoutes(this.#route)]);
    if (own.some((other) => overlaps(other, subnet))) throw new NetworkError('permission_denied', 'POOL_OVERLAPS', 'invalid pool request: Pool overlaps with other one on this address space');
    return { ...asked, subnet: formatCidr(subnet), gateway: gatewayOf(subnet, asked?.gateway) };
  }

  #find(nameOrId: string): Network {
    const wanted = nameOrId === 'default' ? 'bridge' : nameOrId;
    const all = [...this.#networks.values()];
    const exact = this.#networks.get(wanted) ?? all.find(({ record }) => record.name === wanted);
    if (exact) return exact;
    const matching = wanted === '' ? [] : all.filter(({ record }) => record.id.startsWith(wanted));
    if (matching.length > 1) throw new NetworkError('invalid_argument', 'INVALID_NAME', `network ${wanted} is ambiguous (${matching.length} matches found on ID prefix)`);
    if (!matching[0]) throw new NetworkError('not_found', 'NETWORK_NOT_FOUND', `network ${nameOrId} not found`);
    return matching[0];
  }

  #attach(network: Network, endpoint: EndpointRequest, namespacePath: string | undefined, index: number, request: SandboxRequest, taken: (() => void)[]): EndpointState {
    const { record, pool, gateway } = network;
    const base = { networkId: record.id, networkName: record.name, endpointId: randomBytes(32).toString('hex'), ipv6Address: '', ipv6PrefixLength: 0, ipv6Gateway: '' };
    if (!pool || !gateway || namespacePath === undefined) {
      return { ...base, interfaceName: '', ipAddress: '', ipPrefixLength: 0, gateway: '', macAddress: '', dnsNames: [] };
    }
    const ipAddress = endpoint.ipv4Address ? pool.take(endpoint.ipv4Address) : pool.takeNext();
    taken.push(() => pool.release(ipAddress));
    const interfaceName = `eth${index}`;
    const macAddress = endpoint.macAddress || macForAddress(ipAddress);
    const hasDefaultRoute = index === 0 && !record.isInternal;
    const mtu = Number(record.options[MTU_OPTION]);
    attachNamespace(this.#route, {
      bridgeIndex: this.#ensureBridge(network), hostName: vethName(), namespacePath, interfaceName, mac: macAddress, address: { address: ipAddress, prefixLength: pool.subnet.prefixLength },
      ...(hasDefaultRoute && { defaultGateway: gateway.address }), ...(mtu > 0 && { mtu }),
    });
    const dnsNames = record.name === 'bridge' ? [] : [...new Set([request.containerName, ...(endpoint.aliases ?? []), request.containerId.slice(0, 12), request.hostname])];
    return { ...base, interfaceName, ipAddress, ipPrefixLength: pool.subnet.prefixLength, gateway: record.isInternal ? '' : gateway.address, macAddress, dnsNames };
  }

  async #publish(request: SandboxRequest, endpoints: readonly EndpointState[], taken: (() => void)[]): Promise<PublishedPort[]> {
    if (request.ports.length === 0 || !endpoints.some(({ ipAddress }) => ipAddress !== '')) return [];
    const ports: PublishedPort[] = [];
    for (const wanted of request.ports) {
      const port = await this.#ports.allocate(wanted);
      taken.push(() => this.#ports.release(port));
      ports.push(port);
    }
    return ports;
  }

  #describe(request: SandboxRequest, namespacePath: string | undefined, endpoints: readonly EndpointState[], ports: readonly PublishedPort[]): SandboxState {
    const host = fs.readFileSync(this.#options.hostResolvConf ?? '/etc/resolv.conf', 'utf8');
    const bridgeGateway = [...this.#networks.values()].find(({ record }) => record.name === 'bridge')?.gateway?.address ?? '';
    return {
      sandboxId: request.containerId,
      namespacePath,
      endpoints,
      ports,
      hosts: hostsFile({
        hostname: request.hostname, addresses: endpoints.map(({ ipAddress }) => ipAddress).filter(Boolean), extraHosts: request.extraHosts ?? [], hostGateway: bridgeGateway,
        ...(request.domainname !== undefined && { domainname: request.domainname }),
      }),
      resolvConf: resolvConf({ host, ...(request.dns && { dns: request.dns }), ...(request.dnsSearch && { search: request.dnsSearch }), ...(request.dnsOptions && { options: request.dnsOptions }) }),
    };
  }

  #keep(record: SandboxRecord): SandboxState {
    const before = this.#sandboxes.get(record.id)?.state.ports.length ?? 0;
    this.#sandboxes.set(record.id, record);
    this.#sandboxStore.save(record, { durable: false });
    if (record.state.ports.length > 0 || before > 0) this.#applyRules();
    return record.state;
  }

  #release(state: SandboxState): void {
    for (const endpoint of state.endpoints) if (endpoint.ipAddress !== '') this.#networks.get(endpoint.networkId)?.pool?.release(endpoint.ipAddress);
    for (const port of state.ports) this.#ports.release(port);
    if (state.ports.length > 0) this.#applyRules();
    if (state.namespacePath !== undefined) this.#pool.destroy(state.namespacePath);
  }

  #requireSandbox(containerId: string): SandboxRecord {
    const record = this.#sandboxes.get(containerId);
    if (!record) throw new NetworkError('not_found', 'ENDPOINT_NOT_FOUND', `container ${containerId} has no network`);
    return record;
  }

  #applyRules(): void {
    const bridges = [...this.#networks.values()].flatMap(({ record, pool }) => (pool
      ? [{ bridge: record.bridge, subnet: pool.subnet, isInternal: record.isInternal, masquerade: record.options[MASQUERADE_OPTION] !== 'false' }] : []));
    const ports = [...this.#sandboxes.values()].flatMap(({ state }) => {
      const endpoint = state.endpoints.find(({ ipAddress }) => ipAddress !== '');
      const bridge = endpoint && this.#networks.get(endpoint.networkId)?.record.bridge;
      return endpoint && bridge !== undefined ? state.ports.map((port) => ({
        protocol: port.protocol, hostPort: port.hostPort, containerPort: port.containerPort, containerIp: endpoint.ipAddress, bridge,
        ...(port.hostIp !== '0.0.0.0' && { hostIp: port.hostIp }),
      })) : [];
    });
    applyRules(this.#netfilter, this.#table, bridges, ports);
    openForeignForward(this.#netfilter, this.#table, bridges.map(({ bridge }) => bridge));
  }
}

function addressesOf(record: NetworkRecord): { pool: AddressPool; gateway: Cidr } | Record<never, never> {
  const [config] = record.ipam;
  if (!config) return {};
  const subnet = parseCidr(config.subnet);
  const pool = new AddressPool({ subnet, ...(config.ipRange !== undefined && { ipRange: parseCidr(config.ipRange) }) });
  const gateway = pool.take(gatewayOf(subnet, config.gateway));
  for (const address of Object.values(config.auxiliaryAddresses ?? {})) pool.take(address);
  return { pool, gateway: { address: gateway, prefixLength: subnet.prefixLength } };
}

function nextInterfaceIndex(endpoints: readonly EndpointState[]): number {
  return Math.max(-1, ...endpoints.map(({ interfaceName }) => Number(/^eth(\d+)$/.exec(interfaceName)?.[1] ?? -1))) + 1;
}
