/** What a container asks of one network. */
export interface EndpointRequest {
  readonly aliases?: readonly string[];
  readonly ipv4Address?: string;
  readonly ipv6Address?: string;
  readonly macAddress?: string;
  readonly links?: readonly string[];
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly gatewayPriority?: number;
}

/** A container port to be published on the host. */
export interface PortRequest {
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostIp?: string;
  /** 0: any free port. */
  readonly hostPort: number;
  /** The last port of the range to choose from. */
  readonly hostPortLast?: number;
}

/** The network side of a container about to start. */
export interface SandboxRequest {
  readonly containerId: string;
  readonly containerName: string;
  readonly hostname: string;
  readonly domainname?: string;
  readonly networks: readonly { readonly network: string; readonly endpoint: EndpointRequest }[];
  readonly ports: readonly PortRequest[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  readonly extraHosts?: readonly string[];
}

/** An endpoint as it is in effect. */
export interface EndpointState {
  readonly networkId: string;
  readonly networkName: string;
  readonly endpointId: string;
  readonly interfaceName: string;
  readonly ipAddress: string;
  readonly ipPrefixLength: number;
  readonly gateway: string;
  readonly ipv6Address: string;
  readonly ipv6PrefixLength: number;
  readonly ipv6Gateway: string;
  readonly macAddress: string;
  readonly dnsNames: readonly string[];
}

/** A published port as it is in effect. */
export interface PublishedPort { readonly containerPort: number; readonly protocol: 'tcp' | 'udp' | 'sctp'; readonly hostIp: string; readonly hostPort: number }

/** A container's network as it is in effect. */
export interface SandboxState {
  readonly sandboxId: string;
  /** The network namespace to join; undefined: the host's. */
  readonly namespacePath: string | undefined;
  readonly endpoints: readonly EndpointState[];
  readonly ports: readonly PublishedPort[];
  readonly hosts: string;
  readonly resolvConf: string;
}

/** What is kept of a sandbox across a restart of the daemon. */
export interface SandboxRecord { readonly id: string; readonly request: SandboxRequest; readonly state: SandboxState }
