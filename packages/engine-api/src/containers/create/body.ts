/** The one schema of a container's create and update bodies: wrong types end here, inside they are trusted. */
import { invalid } from '../../errors.ts';
import { dictionary, flag, integer, list, marker, nullable, object, text, textOrList, type Decoder, type Fields } from './decode.ts';
import type {
  BindOptions, ContainerConfig, CreateBody, DeviceMapping, DeviceRequest, EndpointRequest, HealthConfig, HostConfig, LogConfig, MountRequest, PortBinding,
  Resources, RestartPolicy, ThrottleDevice, TmpfsOptions, Ulimit, UpdateBody, VolumeOptions, WeightDevice,
} from './types.ts';

const int = integer();
const duration = integer('time.Duration');
const textMap = dictionary(text);
const nameSet = dictionary(marker, 'map[string]struct {}');

const health: Decoder<HealthConfig> = object<HealthConfig>({
  Test: list(text), Interval: duration, Timeout: duration, StartPeriod: duration, StartInterval: duration, Retries: integer('int'),
}, 'container.HealthConfig');

const configFields: Fields<ContainerConfig> = {
  Hostname: text, Domainname: text, User: text, AttachStdin: flag, AttachStdout: flag, AttachStderr: flag,
  ExposedPorts: nameSet, Tty: flag, OpenStdin: flag, StdinOnce: flag, Env: list(text), Cmd: textOrList,
  Healthcheck: nullable(health), ArgsEscaped: flag, Image: text, Volumes: nameSet, WorkingDir: text, Entrypoint: textOrList,
  NetworkDisabled: flag, MacAddress: text, OnBuild: list(text), Labels: textMap, StopSignal: text,
  StopTimeout: nullable(integer('int')), Shell: textOrList,
};

const weightDevice: Decoder<WeightDevice> = object<WeightDevice>({ Path: text, Weight: integer('uint16', 0, 65_535) }, 'blkiodev.WeightDevice');
const throttleDevice: Decoder<ThrottleDevice> = object<ThrottleDevice>({ Path: text, Rate: integer('uint64', 0) }, 'blkiodev.ThrottleDevice');
const weights = list(weightDevice, '[]*blkiodev.WeightDevice');
const throttles = list(throttleDevice, '[]*blkiodev.ThrottleDevice');
const device: Decoder<DeviceMapping> = object<DeviceMapping>({ PathOnHost: text, PathInContainer: text, CgroupPermissions: text }, 'container.DeviceMapping');
const deviceRequest: Decoder<DeviceRequest> = object<DeviceRequest>({
  Driver: text, Count: integer('int'), DeviceIDs: list(text), Capabilities: list(list(text), '[][]string'), Options: textMap,
}, 'container.DeviceRequest');
const ulimit: Decoder<Ulimit> = object<Ulimit>({ Name: text, Hard: int, Soft: int }, 'units.Ulimit');

const resourceFields: Fields<Resources> = {
  CpuShares: int, Memory: int, NanoCpus: int, CgroupParent: text, BlkioWeight: integer('uint16', 0, 65_535), BlkioWeightDevice: weights,
  BlkioDeviceReadBps: throttles, BlkioDeviceWriteBps: throttles, BlkioDeviceReadIOps: throttles, BlkioDeviceWriteIOps: throttles,
  CpuPeriod: int, CpuQuota: int, CpuRealtimePeriod: int, CpuRealtimeRuntime: int, CpusetCpus: text, CpusetMems: text,
  Devices: list(device, '[]container.DeviceMapping'), DeviceCgroupRules: list(text), DeviceRequests: list(deviceRequest, '[]container.DeviceRequest'),
  KernelMemory: int, KernelMemoryTCP: int, MemoryReservation: int, MemorySwap: int, MemorySwappiness: nullable(int), OomKillDisable: nullable(flag),
  PidsLimit: nullable(int), Ulimits: list(ulimit, '[]*units.Ulimit'), CpuCount: int, CpuPercent: int, IOMaximumIOps: integer('uint64', 0),
  IOMaximumBandwidth: integer('uint64', 0),
};

const restartPolicy: Decoder<RestartPolicy> = object<RestartPolicy>({ Name: text, MaximumRetryCount: integer('int') }, 'container.RestartPolicy');
const logConfig: Decoder<LogConfig> = object<LogConfig>({ Type: text, Config: textMap }, 'container.LogConfig');
const portBinding: Decoder<PortBinding> = object<PortBinding>({ HostIp: text, HostPort: text }, 'nat.PortBinding');
const bindOptions: Decoder<BindOptions> = object<BindOptions>({
  Propagation: text, NonRecursive: flag, CreateMountpoint: flag, ReadOnlyNonRecursive: flag, ReadOnlyForceRecursive: flag,
}, 'mount.BindOptions');
const volumeOptions: Decoder<VolumeOptions> = object<VolumeOptions>({
  NoCopy: flag, Labels: textMap, Subpath: text, DriverConfig: nullable(object({ Name: text, Options: textMap }, 'mount.Driver')),
}, 'mount.VolumeOptions');
const tmpfsOptions: Decoder<TmpfsOptions> = object<TmpfsOptions>({
  SizeBytes: int, Mode: integer('os.FileMode', 0, 0xffff_ffff), Options: list(list(text), '[][]string'),
}, 'mount.TmpfsOptions');
const mount: Decoder<MountRequest> = object<MountRequest>({
  Type: text, Source: text, Target: text, ReadOnly: flag, Consistency: text, BindOptions: nullable(bindOptions), VolumeOptions: nullable(volumeOptions),
  ImageOptions: nullable(object({ Subpath: text }, 'mount.ImageOptions')), TmpfsOptions: nullable(tmpfsOptions),
}, 'mount.Mount');

const consoleSize: Decoder<number[]> = (value, path) => {
  const size = list(integer('uint', 0), '[2]uint')(value, path) ?? [];
  return [size[0] ?? 0, size[1] ?? 0];
};

const hostConfigFields: Fields<HostConfig> = {
  ...resourceFields,
  Binds: list(text), ContainerIDFile: text, LogConfig: logConfig, NetworkMode: text,
  PortBindings: dictionary(list(portBinding, '[]nat.PortBinding'), 'nat.PortMap'), RestartPolicy: restartPolicy, AutoRemove: flag, VolumeDriver: text,
  VolumesFrom: list(text), ConsoleSize: consoleSize, Annotations: textMap, CapAdd: textOrList, CapDrop: textOrList, CgroupnsMode: text, Dns: list(text),
  DnsOptions: list(text), DnsSearch: list(text), ExtraHosts: list(text), GroupAdd: list(text), IpcMode: text, Cgroup: text, Links: list(text),
  OomScoreAdj: integer('int'), PidMode: text, Privileged: flag, PublishAllPorts: flag, ReadonlyRootfs: flag, SecurityOpt: list(text), StorageOpt: textMap,
  Tmpfs: textMap, UTSMode: text, UsernsMode: text, ShmSize: int, Sysctls: textMap, Runtime: text, Isolation: text,
  Mounts: list(mount, '[]mount.Mount'), MaskedPaths: list(text), ReadonlyPaths: list(text), Init: nullable(flag),
};

const ipam = object({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: list(text) }, 'network.EndpointIPAMConfig');

/** One network endpoint: also the `EndpointConfig` of `networks/{id}/connect`. */
export const decodeEndpoint: Decoder<EndpointRequest> = object<EndpointRequest>({
  IPAMConfig: nullable(ipam), Links: list(text), Aliases: list(text), MacAddress: text, DriverOpts: textMap, GwPriority: integer('int'), NetworkID: text,
}, 'network.EndpointSettings');

const decodeConfig = object<ContainerConfig>(configFields, 'container.Config');
const decodeHostConfig = object<HostConfig>(hostConfigFields, 'container.HostConfig');
const decodeOuter = object({
  HostConfig: decodeHostConfig,
  NetworkingConfig: object({ EndpointsConfig: dictionary(decodeEndpoint, 'map[string]*network.EndpointSettings') }, 'network.NetworkingConfig'),
}, 'container.CreateRequest');
const decodeUpdate = object<UpdateBody>({ ...resourceFields, RestartPolicy: restartPolicy }, 'container.UpdateConfig');

const EMPTY = 'invalid JSON: got EOF while reading request body';

/**
 * Reads the body of `POST /containers/create`: the portable configuration at the top level, `HostConfig` and `NetworkingConfig` beside it.
 *
 * @throws EngineApiError `invalid_argument` with Docker's words for members of the wrong type; `undefined` stands for an empty body
 */
export function parseCreateBody(value: unknown): CreateBody {
  if (value === undefined) throw invalid(EMPTY);
  if (value === null) throw invalid('config cannot be empty in order to create a container');
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw invalid(`invalid JSON: json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type container.CreateRequest`);
  }
  const config = decodeConfig(value, '');
  const outer = decodeOuter(value, '');
  return { config, hostConfig: outer.HostConfig, endpoints: outer.NetworkingConfig.EndpointsConfig ?? {} };
}

/** A `HostConfig` with every member at its zero value. */
export function emptyHostConfig(): HostConfig {
  return decodeHostConfig({}, '');
}

/** Reads a container configuration as an image or a commit request carries it. @throws EngineApiError `invalid_argument` */
export function parseContainerConfig(value: unknown): ContainerConfig {
  return decodeConfig(value, '');
}

/** Reads the body of `POST /containers/{id}/update`. @throws EngineApiError `invalid_argument` */
export function parseUpdateBody(value: unknown): UpdateBody {
  if (value === undefined) throw invalid(EMPTY);
  return decodeUpdate(value, '');
}
