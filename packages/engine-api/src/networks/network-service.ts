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

/** A port of the container that is to be reachable from the host. */
export interface PortRequest {
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostIp?: string;
  /** 0: any free one. */
  readonly hostPort: number;
  /** The end of the range to choose from, where the host port is a range. */
  readonly hostPortLast?: number;
}

/** The network side of a container that is about to start. */
export interface SandboxRequest {
  readonly containerId: string;
  readonly containerName: string;
  readonly hostname: string;
  readonly domainname?: string;
  /** Networks by name or id, in the order of connection. Exactly `host` or `none`, or any number of others. */
  readonly networks: readonly { readonly network: string; readonly endpoint: EndpointRequest }[];
  readonly ports: readonly PortRequest[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  /** `name:address`, `host-gateway` for the address allowed. */
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

/** A port that is reachable. */
export interface PublishedPort { readonly containerPort: number; readonly protocol: string; readonly hostIp: string; readonly hostPort: number }

/** A container's network as it is in effect. */
export interface SandboxState {
  readonly sandboxId: string;
  /** The network namespace's file to join; undefined: the host's own namespace. */
  readonly namespacePath: string | undefined;
  readonly endpoints: readonly EndpointState[];
  readonly ports: readonly PublishedPort[];
  /** What /etc/hosts must say. */
  readonly hosts: string;
  /** What /etc/resolv.conf must say. */
  readonly resolvConf: string;
}

/** A network as containers need to know it. */
export interface NetworkSummary {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  /** Whether addresses and aliases may be chosen: a network that a user made. */
  readonly isUserDefined: boolean;
}

/** Networks as containers need them. */
export interface NetworkService {
  /** Finds a network by id, name or id prefix. @throws EngineApiError not_found `network x not found` */
  resolve(nameOrId: string): Promise<NetworkSummary>;
  /** Makes the container's network namespace, attaches it and publishes its ports: whole, or not at all. */
  prepareSandbox(request: SandboxRequest): Promise<SandboxState>;
  /** What `prepareSandbox` made, while it is there; also after the daemon was restarted. */
  sandbox(containerId: string): SandboxState | undefined;
  /** Takes everything of the container's network down; nothing there is no error. */
  releaseSandbox(containerId: string): Promise<void>;
  /** Attaches a running container to a further network. */
  connect(containerId: string, network: string, endpoint: EndpointRequest): Promise<SandboxState>;
  /** Detaches a running container from a network. */
  disconnect(containerId: string, network: string, options?: { force?: boolean }): Promise<SandboxState | undefined>;
  /** Says under which name a running container is to be found from now on. */
  rename(containerId: string, name: string): Promise<void>;
}
