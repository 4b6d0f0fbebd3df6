/** The part of the OCI runtime specification (1.2) that this daemon writes. */

/** One mount. */
export interface SpecMount {
  destination: string;
  type: string;
  source: string;
  options: string[];
}

/** Who a process runs as. */
export interface SpecUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  umask?: number;
}

/** The five capability sets. */
export interface SpecCapabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable?: string[];
  ambient?: string[];
}

/** A resource limit. */
export interface SpecRlimit {
  type: string;
  hard: number;
  soft: number;
}

/** A process: the container's first, or one that `exec` adds. */
export interface SpecProcess {
  terminal: boolean;
  consoleSize?: { height: number; width: number };
  user: SpecUser;
  args: string[];
  env: string[];
  cwd: string;
  capabilities: SpecCapabilities;
  rlimits?: SpecRlimit[];
  noNewPrivileges: boolean;
  apparmorProfile?: string;
  selinuxLabel?: string;
  oomScoreAdj?: number;
}

/** A rule of the device cgroup. */
export interface SpecDeviceRule {
  allow: boolean;
  type?: string;
  major?: number;
  minor?: number;
  access: string;
}

/** A device node made inside the container. */
export interface SpecDevice {
  type: string;
  path: string;
  major: number;
  minor: number;
  fileMode: number;
  uid: number;
  gid: number;
}

/** A throttle of one block device. */
export interface SpecThrottle {
  major: number;
  minor: number;
  rate: number;
}

/** Limits; also what `Tasks.Update` carries. */
export interface SpecResources {
  devices?: SpecDeviceRule[];
  memory?: { limit?: number; reservation?: number; swap?: number; swappiness?: number; disableOOMKiller?: boolean };
  cpu?: { shares?: number; quota?: number; period?: number; realtimeRuntime?: number; realtimePeriod?: number; cpus?: string; mems?: string };
  pids?: { limit: number };
  blockIO?: {
    weight?: number;
    weightDevice?: { major: number; minor: number; weight: number }[];
    throttleReadBpsDevice?: SpecThrottle[];
    throttleWriteBpsDevice?: SpecThrottle[];
    throttleReadIOPSDevice?: SpecThrottle[];
    throttleWriteIOPSDevice?: SpecThrottle[];
  };
}

/** A system call filter. */
export interface SpecSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  syscalls: { names: string[]; action: string; errnoRet?: number; args?: { index: number; value: number; valueTwo?: number; op: string }[] }[];
}

/** One namespace; with a path an existing one is joined. */
export interface SpecNamespace {
  type: string;
  path?: string;
}

/** The whole document. */
export interface Spec {
  ociVersion: string;
  process: SpecProcess;
  root: { path: string; readonly: boolean };
  hostname?: string;
  domainname?: string;
  mounts: SpecMount[];
  annotations?: Record<string, string>;
  linux: {
    sysctl?: Record<string, string>;
    resources: SpecResources;
    cgroupsPath: string;
    namespaces: SpecNamespace[];
    devices?: SpecDevice[];
    seccomp?: SpecSeccomp;
    maskedPaths?: string[];
    readonlyPaths?: string[];
    rootfsPropagation?: string;
  };
}
