import type { IpamConfig, NetworkController, NetworkRecord } from '@dray/network';
import type { EventBus } from '../events/index.ts';
import type { EndpointRequest, EndpointState, NetworkService, NetworkSummary, SandboxRequest, SandboxState } from './network-service.ts';

/** The part of `@dray/network`'s controller that is used. */
export type NetworkBackend = Pick<NetworkController, 'list' | 'get' | 'endpoints' | 'create' | 'remove' | 'prepareSandbox' | 'sandbox' | 'releaseSandbox' | 'connect' | 'disconnect' | 'rename'>;

/** Names of the networks that are always there. */
export const PREDEFINED_NETWORKS: readonly string[] = ['bridge', 'host', 'none'];

/** Networks of a controller, with the events that Docker announces about them. */
export class ControlledNetworks implements NetworkService {
  readonly #backend: NetworkBackend;
  readonly #events: EventBus;

  constructor(options: { backend: NetworkBackend; events: EventBus }) {
    this.#backend = options.backend;
    this.#events = options.events;
  }

  /** All networks, oldest first. */
  list(): NetworkRecord[] {
    return this.#backend.list();
  }

  /** A network by id, name or id prefix. @throws kind not_found */
  record(nameOrId: string): NetworkRecord {
    return this.#backend.get(nameOrId);
  }

  /** What is attached to a network now. */
  endpoints(networkId: string): ReturnType<NetworkBackend['endpoints']> {
    return this.#backend.endpoints(networkId);
  }

  async resolve(nameOrId: string): Promise<NetworkSummary> {
    const record = this.#backend.get(nameOrId);
    return { id: record.id, name: record.name, driver: record.driver, isUserDefined: !PREDEFINED_NETWORKS.includes(record.name) };
  }

  create(request: Parameters<NetworkBackend['create']>[0] & { ipam?: readonly IpamConfig[] }): NetworkRecord {
    const record = this.#backend.create(request);
    this.#announce('create', record.id, record.name, record.driver);
    return record;
  }

  remove(nameOrId: string): void {
    const record = this.#backend.remove(nameOrId);
    this.#announce('destroy', record.id, record.name, record.driver);
  }

  async prepareSandbox(request: SandboxRequest): Promise<SandboxState> {
    const state = await this.#backend.prepareSandbox(request);
    for (const endpoint of state.endpoints) this.#announceEndpoint('connect', request.containerId, endpoint);
    return state;
  }

  sandbox(containerId: string): SandboxState | undefined {
    return this.#backend.sandbox(containerId);
  }

  async releaseSandbox(containerId: string): Promise<void> {
    const endpoints = this.#backend.sandbox(containerId)?.endpoints ?? [];
    await this.#backend.releaseSandbox(containerId);
    for (const endpoint of endpoints) this.#announceEndpoint('disconnect', containerId, endpoint);
  }

  async connect(containerId: string, network: string, endpoint: EndpointRequest): Promise<SandboxState> {
    const before = new Set(this.#backend.sandbox(containerId)?.endpoints.map((one) => one.endpointId));
    const state = this.#backend.connect(containerId, network, endpoint);
    for (const added of state.endpoints) if (!before.has(added.endpointId)) this.#announceEndpoint('connect', containerId, added);
    return state;
  }

  async disconnect(containerId: string, network: string): Promise<SandboxState | undefined> {
    const before = this.#backend.sandbox(containerId)?.endpoints ?? [];
    const state = this.#backend.disconnect(containerId, network);
    const remaining = new Set(state.endpoints.map((one) => one.endpointId));
    for (const gone of before) if (!remaining.has(gone.endpointId)) this.#announceEndpoint('disconnect', containerId, gone);
    return state;
  }

  async rename(containerId: string, name: string): Promise<void> {
    this.#backend.rename(containerId, name);
  }

  #announceEndpoint(action: 'connect' | 'disconnect', containerId: string, endpoint: EndpointState): void {
    const driver = endpoint.networkName === 'host' ? 'host' : endpoint.networkName === 'none' ? 'null' : 'bridge';
    this.#events.publish({ type: 'network', action, actor: { id: endpoint.networkId, attributes: { container: containerId, name: endpoint.networkName, type: driver } } });
  }

  #announce(action: 'create' | 'destroy', id: string, name: string, driver: string): void {
    this.#events.publish({ type: 'network', action, actor: { id, attributes: { name, type: driver } } });
  }
}
