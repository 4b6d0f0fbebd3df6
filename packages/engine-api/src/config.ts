/** A runtime that containers may choose by name. */
export interface RuntimeConfig {
  /** What containerd is told: a shim such as `io.containerd.dray.v2`. */
  readonly shim: string;
  /** The OCI runtime's binary for shims that take one (`binary_name` of the runc options); the shim's own by default. */
  readonly binary?: string;
  /** Further arguments for the binary. */
  readonly args?: readonly string[];
}

/** Limits of one process resource. */
export interface UlimitConfig { readonly name: string; readonly soft: number; readonly hard: number }

/** What the daemon was told by its flags and `daemon.json`, with defaults filled in. */
export interface DaemonConfig {
  /** The version that `docker version` shows for the engine. */
  readonly version: string;
  readonly gitCommit: string;
  readonly buildTime: string;
  readonly debug: boolean;
  readonly experimental: boolean;
  /** State that outlives a reboot. */
  readonly dataRoot: string;
  /** State that does not. */
  readonly execRoot: string;
  /** containerd's namespace for containers and images. */
  readonly containerdNamespace: string;
  readonly containerdAddress: string;
  /** The snapshotter for images and containers, such as `overlayfs`. */
  readonly snapshotter: string;
  /** Runtimes by name; holds `defaultRuntime`. */
  readonly runtimes: Readonly<Record<string, RuntimeConfig>>;
  readonly defaultRuntime: string;
  /** The native logger's program, for `binary://` stdio. */
  readonly loggerPath: string;
  /** The program that `--init` puts in as process 1, where there is one. */
  readonly initPath?: string;
  readonly liveRestore: boolean;
  readonly logDriver: string;
  readonly logOptions: Readonly<Record<string, string>>;
  readonly cgroupParent?: string;
  readonly cgroupDriver: 'cgroupfs' | 'systemd';
  readonly defaultUlimits: readonly UlimitConfig[];
  readonly shmSizeBytes: number;
  /** Seconds that containers have to stop in when the daemon ends. */
  readonly shutdownTimeoutSeconds: number;
  readonly labels: readonly string[];
  readonly registryMirrors: readonly string[];
  /** Hosts (`name:port`) and networks (CIDR) that may be spoken to without TLS or with unknown certificates. */
  readonly insecureRegistries: readonly string[];
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  readonly maxDownloadAttempts: number;
  readonly network: NetworkConfig;
}

/** The daemon's settings about networks. */
export interface NetworkConfig {
  /** The default bridge's name: `docker0`, another, or `none`. */
  readonly bridge?: string;
  /** The default bridge's address with prefix length. */
  readonly bip?: string;
  readonly iptables: boolean;
  readonly ipForward: boolean;
  readonly ipMasquerade: boolean;
  readonly mtu?: number;
  readonly dns: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly dnsSearch: readonly string[];
}
