/** How an option is written: `bool` may stand alone, `list` may be repeated, `map` holds `key=value`. */
export type OptionKind = 'bool' | 'string' | 'int' | 'list' | 'map';

/** One option of `drayd`, on the command line and in `daemon.json`. */
export interface OptionDescription {
  /** The flag's long name. */
  readonly flag: string;
  readonly short?: string;
  readonly kind: OptionKind;
  /** The key in `daemon.json`; undefined where the option is a flag only. */
  readonly key?: string;
  readonly help: string;
}

/** Every option, in the order of `--help`. Names are dockerd's. */
export const OPTIONS: readonly OptionDescription[] = [
  { flag: 'add-runtime', kind: 'list', help: 'Register an additional OCI compatible runtime' },
  { flag: 'bip', kind: 'string', key: 'bip', help: 'Address of the default bridge, with prefix length' },
  { flag: 'bridge', short: 'b', kind: 'string', key: 'bridge', help: 'Name of the default bridge (default "dray0", another one for another data root)' },
  { flag: 'cgroup-parent', kind: 'string', key: 'cgroup-parent', help: 'Parent cgroup for all containers' },
  { flag: 'config-file', kind: 'string', help: 'Daemon configuration file (default "/etc/dray/daemon.json")' },
  { flag: 'containerd', kind: 'string', key: 'containerd', help: 'Socket of a containerd that runs already' },
  { flag: 'containerd-namespace', kind: 'string', key: 'containerd-namespace', help: 'Containerd namespace to use (default "moby")' },
  { flag: 'data-root', kind: 'string', key: 'data-root', help: 'Root directory of persistent state (default "/var/lib/dray")' },
  { flag: 'debug', short: 'D', kind: 'bool', key: 'debug', help: 'Enable debug mode' },
  { flag: 'default-runtime', kind: 'string', key: 'default-runtime', help: 'Default OCI runtime for containers (default "dray")' },
  { flag: 'default-shm-size', kind: 'string', key: 'default-shm-size', help: 'Default shm size for containers (default 64MiB)' },
  { flag: 'default-ulimit', kind: 'list', key: 'default-ulimits', help: 'Default ulimits for containers' },
  { flag: 'dns', kind: 'list', key: 'dns', help: 'DNS server to use' },
  { flag: 'dns-opt', kind: 'list', key: 'dns-opts', help: 'DNS options to use' },
  { flag: 'dns-search', kind: 'list', key: 'dns-search', help: 'DNS search domains to use' },
  { flag: 'exec-opt', kind: 'list', key: 'exec-opts', help: 'Runtime execution options: native.cgroupdriver=cgroupfs|systemd' },
  { flag: 'exec-root', kind: 'string', key: 'exec-root', help: 'Root directory for execution state files (default "/run/dray")' },
  { flag: 'experimental', kind: 'bool', key: 'experimental', help: 'Enable experimental features' },
  { flag: 'group', short: 'G', kind: 'string', key: 'group', help: 'Group for the unix socket (default "docker")' },
  { flag: 'help', kind: 'bool', help: 'Print usage' },
  { flag: 'host', short: 'H', kind: 'list', key: 'hosts', help: 'Daemon socket(s) to connect to (default "unix:///var/run/docker.sock")' },
  { flag: 'insecure-registry', kind: 'list', key: 'insecure-registries', help: 'Enable insecure registry communication' },
  { flag: 'ip-forward', kind: 'bool', key: 'ip-forward', help: 'Enable net.ipv4.ip_forward (default true)' },
  { flag: 'ip-masq', kind: 'bool', key: 'ip-masq', help: 'Enable IP masquerading (default true)' },
  { flag: 'iptables', kind: 'bool', key: 'iptables', help: 'Enable addition of packet filter rules (default true)' },
  { flag: 'label', kind: 'list', key: 'labels', help: 'Set key=value labels to the daemon' },
  { flag: 'live-restore', kind: 'bool', key: 'live-restore', help: 'Leave containers running when the daemon ends' },
  { flag: 'log-driver', kind: 'string', key: 'log-driver', help: 'Default driver for container logs (default "json-file")' },
  { flag: 'log-level', short: 'l', kind: 'string', key: 'log-level', help: 'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal") (default "info")' },
  { flag: 'log-opt', kind: 'map', key: 'log-opts', help: 'Default log driver options for containers' },
  { flag: 'max-concurrent-downloads', kind: 'int', key: 'max-concurrent-downloads', help: 'Set the max concurrent downloads (default 3)' },
  { flag: 'max-concurrent-uploads', kind: 'int', key: 'max-concurrent-uploads', help: 'Set the max concurrent uploads (default 5)' },
  { flag: 'max-download-attempts', kind: 'int', key: 'max-download-attempts', help: 'Set the max download attempts for each pull (default 5)' },
  { flag: 'mtu', kind: 'int', key: 'mtu', help: 'Set the MTU of the default bridge (default 1500)' },
  { flag: 'pidfile', short: 'p', kind: 'string', key: 'pidfile', help: 'Path to use for daemon PID file (default "/run/drayd.pid")' },
  { flag: 'registry-mirror', kind: 'list', key: 'registry-mirrors', help: 'Preferred registry mirror' },
  { flag: 'shutdown-timeout', kind: 'int', key: 'shutdown-timeout', help: 'Seconds that containers get to stop in (default 15)' },
  { flag: 'storage-driver', short: 's', kind: 'string', key: 'storage-driver', help: 'Snapshotter to use (default "overlayfs")' },
  { flag: 'tls', kind: 'bool', key: 'tls', help: 'Use TLS; implied by --tlsverify' },
  { flag: 'tlscacert', kind: 'string', key: 'tlscacert', help: 'Trust certs signed only by this CA (default "~/.docker/ca.pem")' },
  { flag: 'tlscert', kind: 'string', key: 'tlscert', help: 'Path to TLS certificate file (default "~/.docker/cert.pem")' },
  { flag: 'tlskey', kind: 'string', key: 'tlskey', help: 'Path to TLS key file (default "~/.docker/key.pem")' },
  { flag: 'tlsverify', kind: 'bool', key: 'tlsverify', help: 'Use TLS and verify the remote' },
  { flag: 'validate', kind: 'bool', help: 'Validate daemon configuration and exit' },
  { flag: 'version', short: 'v', kind: 'bool', help: 'Print version information and quit' },
];

/** Keys of `daemon.json` that are no flag. */
export const FILE_ONLY_KEYS: readonly string[] = ['runtimes'];

/** A value of an option, by its kind. */
export type OptionValue = boolean | string | number | readonly string[] | Readonly<Record<string, string>>;

/** What `--help` prints. */
export function usage(): string {
  const lines = OPTIONS.map(({ flag, short, kind, help }) => `${short === undefined ? '      ' : `  -${short}, `}--${flag}${kind === 'bool' ? '' : ` ${kind}`}`.padEnd(42) + help);
  return `\nUsage:  drayd [OPTIONS]\n\nA self-sufficient runtime for containers.\n\nOptions:\n${lines.join('\n')}\n`;
}
