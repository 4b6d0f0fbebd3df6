import type { SpecProcess } from './process.ts';

/** Docker's default capabilities. */
const CAPABILITIES = [
  'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FSETID', 'CAP_FOWNER', 'CAP_MKNOD', 'CAP_NET_RAW', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SETFCAP', 'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE', 'CAP_SYS_CHROOT', 'CAP_KILL', 'CAP_AUDIT_WRITE',
] as const;
const MASKED_PATHS = [
  '/proc/acpi', '/proc/asound', '/proc/interrupts', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/sched_debug', '/proc/scsi', '/proc/timer_list', '/proc/timer_stats',
  '/sys/devices/virtual/powercap', '/sys/firmware',
] as const;
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'] as const;

/** A runtime spec as JSON; names as on the wire. */
export type RuntimeSpec = Readonly<Record<string, unknown>>;

/**
 * A runtime spec with docker's defaults around an image's process: for a bundle that any OCI runtime starts. No seccomp profile and no network are set.
 * @see runtime-spec config.md
 */
export function defaultSpec(options: { readonly process: SpecProcess; readonly annotations: Readonly<Record<string, string>>; readonly hostname?: string }): RuntimeSpec {
  const isRoot = options.process.user.uid === 0;
  return {
    ociVersion: '1.0.2',
    process: {
      ...options.process,
      capabilities: { bounding: CAPABILITIES, permitted: isRoot ? CAPABILITIES : [], effective: isRoot ? CAPABILITIES : [], inheritable: [], ambient: [] },
      noNewPrivileges: false,
    },
    root: { path: 'rootfs', readonly: false },
    hostname: options.hostname ?? 'container',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
      { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'] },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'] },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
    ],
    annotations: options.annotations,
    linux: {
      resources: { devices: [{ allow: false, access: 'rwm' }] },
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  };
}
