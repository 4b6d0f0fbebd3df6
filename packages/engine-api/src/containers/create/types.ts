/**
 * The Docker Engine API's container configuration, under its own JSON names. A member that Go would leave at its zero value is that zero value here;
 * `null` lists and maps are "not given", which inspect echoes and some fields treat differently from empty.
 */

/** A set written as an object with empty values. */
export type NameSet = Record<string, Record<string, never>>;

/** How the container's health is probed; durations are nanoseconds. */
export interface HealthConfig {
  Test: string[] | null;
  Interval: number;
  Timeout: number;
  StartPeriod: number;
  StartInterval: number;
  Retries: number;
}

/** What the image or the client says about the process: the portable part of a container's configuration. */
export interface ContainerConfig {
  Hostname: string;
  Domainname: string;
  User: string;
  AttachStdin: boolean;
  AttachStdout: boolean;
  AttachStderr: boolean;
  ExposedPorts: NameSet | null;
  Tty: boolean;
  OpenStdin: boolean;
  StdinOnce: boolean;
  Env: string[] | null;
  Cmd: string[] | null;
  Healthcheck: HealthConfig | null;
  ArgsEscaped: boolean;
  Image: string;
  Volumes: NameSet | null;
  WorkingDir: string;
  Entrypoint: string[] | null;
  NetworkDisabled: boolean;
  MacAddress: string;
  OnBuild: string[] | null;
  Labels: Record<string, string> | null;
  StopSignal: string;
  StopTimeout: number | null;
  Shell: string[] | null;
}

/** One host side of a published port. */
export interface PortBinding {
  HostIp: string;
  HostPort: string;
}

/** When a stopped container is started again. */
export interface RestartPolicy {
  Name: string;
  MaximumRetryCount: number;
}

/** The log driver and its options. */
export interface LogConfig {
  Type: string;
  Config: Record<string, string> | null;
}

/** A device of the host given to the container. */
export interface DeviceMapping {
  PathOnHost: string;
  PathInContainer: string;
  CgroupPermissions: string;
}

/** A request for devices that a driver (GPUs) resolves. */
export interface DeviceRequest {
  Driver: string;
  Count: number;
  DeviceIDs: string[] | null;
  Capabilities: (string[] | null)[] | null;
  Options: Record<string, string> | null;
}

/** A resource limit of the process. */
export interface Ulimit {
  Name: string;
  Hard: number;
  Soft: number;
}

/** An I/O weight of one device. */
export interface WeightDevice {
  Path: string;
  Weight: number;
}

/** A throttle of one device, in bytes or operations per second. */
export interface ThrottleDevice {
  Path: string;
  Rate: number;
}

/** One entry of `HostConfig.Mounts`. */
export interface MountRequest {
  Type: string;
  Source: string;
  Target: string;
  ReadOnly: boolean;
  Consistency: string;
  BindOptions: BindOptions | null;
  VolumeOptions: VolumeOptions | null;
  ImageOptions: { Subpath: string } | null;
  TmpfsOptions: TmpfsOptions | null;
}

/** Options of a bind mount. */
export interface BindOptions {
  Propagation: string;
  NonRecursive: boolean;
  CreateMountpoint: boolean;
  ReadOnlyNonRecursive: boolean;
  ReadOnlyForceRecursive: boolean;
}

/** Options of a volume mount. */
export interface VolumeOptions {
  NoCopy: boolean;
  Labels: Record<string, string> | null;
  Subpath: string;
  DriverConfig: { Name: string; Options: Record<string, string> | null } | null;
}

/** Options of a tmpfs mount. */
export interface TmpfsOptions {
  SizeBytes: number;
  Mode: number;
  Options: (string[] | null)[] | null;
}

/** Limits and devices; a part of `HostConfig`, and the body of `update`. */
export interface Resources {
  CpuShares: number;
  Memory: number;
  NanoCpus: number;
  CgroupParent: string;
  BlkioWeight: number;
  BlkioWeightDevice: WeightDevice[] | null;
  BlkioDeviceReadBps: ThrottleDevice[] | null;
  BlkioDeviceWriteBps: ThrottleDevice[] | null;
  BlkioDeviceReadIOps: ThrottleDevice[] | null;
  BlkioDeviceWriteIOps: ThrottleDevice[] | null;
  CpuPeriod: number;
  CpuQuota: number;
  CpuRealtimePeriod: number;
  CpuRealtimeRuntime: number;
  CpusetCpus: string;
  CpusetMems: string;
  Devices: DeviceMapping[] | null;
  DeviceCgroupRules: string[] | null;
  DeviceRequests: DeviceRequest[] | null;
  KernelMemory: number;
  KernelMemoryTCP: number;
  MemoryReservation: number;
  MemorySwap: number;
  MemorySwappiness: number | null;
  OomKillDisable: boolean | null;
  PidsLimit: number | null;
  Ulimits: Ulimit[] | null;
  CpuCount: number;
  CpuPercent: number;
  IOMaximumIOps: number;
  IOMaximumBandwidth: number;
}

/** What this host does for the container: the part of the configuration that is not portable. */
export interface HostConfig extends Resources {
  Binds: string[] | null;
  ContainerIDFile: string;
  LogConfig: LogConfig;
  NetworkMode: string;
  PortBindings: Record<string, PortBinding[] | null> | null;
  RestartPolicy: RestartPolicy;
  AutoRemove: boolean;
  VolumeDriver: string;
  VolumesFrom: string[] | null;
  ConsoleSize: number[];
  Annotations: Record<string, string> | null;
  CapAdd: string[] | null;
  CapDrop: string[] | null;
  CgroupnsMode: string;
  Dns: string[] | null;
  DnsOptions: string[] | null;
  DnsSearch: string[] | null;
  ExtraHosts: string[] | null;
  GroupAdd: string[] | null;
  IpcMode: string;
  Cgroup: string;
  Links: string[] | null;
  OomScoreAdj: number;
  PidMode: string;
  Privileged: boolean;
  PublishAllPorts: boolean;
  ReadonlyRootfs: boolean;
  SecurityOpt: string[] | null;
  StorageOpt: Record<string, string> | null;
  Tmpfs: Record<string, string> | null;
  UTSMode: string;
  UsernsMode: string;
  ShmSize: number;
  Sysctls: Record<string, string> | null;
  Runtime: string;
  Isolation: string;
  Mounts: MountRequest[] | null;
  MaskedPaths: string[] | null;
  ReadonlyPaths: string[] | null;
  Init: boolean | null;
}

/** How a container is attached to one network. */
export interface EndpointRequest {
  IPAMConfig: { IPv4Address: string; IPv6Address: string; LinkLocalIPs: string[] | null } | null;
  Links: string[] | null;
  Aliases: string[] | null;
  MacAddress: string;
  DriverOpts: Record<string, string> | null;
  GwPriority: number;
  NetworkID: string;
}

/** The body of `POST /containers/create`. */
export interface CreateBody {
  config: ContainerConfig;
  hostConfig: HostConfig;
  endpoints: Record<string, EndpointRequest>;
}

/** The body of `POST /containers/{id}/update`. */
export interface UpdateBody extends Resources {
  RestartPolicy: RestartPolicy;
}
