export { ControlledNetworks, type NetworkBackend, PREDEFINED_NETWORKS } from './controlled-networks.ts';
export { parseEndpoint } from './network-request.ts';
export { networkRoutes } from './network-routes.ts';
export type { EndpointRequest, EndpointState, NetworkService, NetworkSummary, PortRequest, PublishedPort, SandboxRequest, SandboxState } from './network-service.ts';
