export { NetworkController, type NetworkControllerOptions, type NetworkRequest } from './controller.ts';
export { isNetworkError, NetworkError, type NetworkErrorCode, type NetworkErrorKind } from './errors.ts';
export type { IpamConfig, NetworkRecord } from './network-store.ts';
export type { EndpointRequest, EndpointState, PortRequest, PublishedPort, SandboxRequest, SandboxState } from './sandbox.ts';
export { formatCidr, parseCidr, type Cidr } from './address.ts';
