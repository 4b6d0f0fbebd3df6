import type { CgroupResources, SeccompProfile } from '@dray/libcontainer';

/**
 * An OCI runtime configuration for Linux after decoding: absent in place of null, numbers checked against their Go types.
 * @see https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md
 */
export interface Spec {
  readonly ociVersion: string;
  readonly process?: ProcessSpec;
  readonly root?: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts?: readonly MountSpec[];
  readonly hooks?: HooksSpec;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: LinuxSpec;
}

/** The process of a container, or one that joins it. */
export interface ProcessSpec {
  readonly terminal?: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: UserSpec;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly cwd: string;
  readonly capabilities?: CapabilitiesSpec;
  readonly rlimits?: readonly RlimitSpec[];
  readonly noNewPrivileges?: boolean;
  readonly apparmorProfile?: string;
  readonly oomScoreAdj?: number;
  readonly scheduler?: SchedulerSpec;
  readonly ioPriority?: { readonly class: string; readonly priority: number };
  readonly selinuxLabel?: string;
  readonly execCPUAffinity?: { readonly initial?: string; readonly final?: string };
}

export interface UserSpec {
  readonly uid: number;
  readonly gid: number;
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
}

export interface CapabilitiesSpec {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly permitted?: readonly string[];
  readonly ambient?: readonly string[];
}

export interface RlimitSpec {
  readonly type: string;
  readonly hard: bigint;
  readonly soft: bigint;
}

export interface SchedulerSpec {
  readonly policy: string;
  readonly nice?: number;
  readonly priority?: number;
  readonly flags?: readonly string[];
  readonly runtime?: number;
  readonly deadline?: number;
  readonly period?: number;
}

export interface MountSpec {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  readonly uidMappings?: readonly IdMappingSpec[];
  readonly gidMappings?: readonly IdMappingSpec[];
}

export interface HookSpec {
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

export interface HooksSpec {
  readonly prestart?: readonly HookSpec[];
  readonly createRuntime?: readonly HookSpec[];
  readonly createContainer?: readonly HookSpec[];
  readonly startContainer?: readonly HookSpec[];
  readonly poststart?: readonly HookSpec[];
  readonly poststop?: readonly HookSpec[];
}

export interface IdMappingSpec {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface NamespaceSpec {
  readonly type: string;
  readonly path?: string;
}

export interface DeviceSpec {
  readonly path: string;
  readonly type: string;
  readonly major: number;
  readonly minor: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface LinuxSpec {
  readonly uidMappings?: readonly IdMappingSpec[];
  readonly gidMappings?: readonly IdMappingSpec[];
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly resources?: CgroupResources;
  readonly cgroupsPath?: string;
  readonly namespaces?: readonly NamespaceSpec[];
  readonly devices?: readonly DeviceSpec[];
  readonly seccomp?: SeccompProfile;
  readonly rootfsPropagation?: string;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly mountLabel?: string;
  readonly intelRdt?: Readonly<Record<string, unknown>>;
  readonly personality?: { readonly domain: string; readonly flags?: readonly string[] };
  readonly timeOffsets?: Readonly<Record<string, { readonly secs?: number; readonly nanosecs?: number }>>;
  readonly netDevices?: Readonly<Record<string, { readonly name?: string }>>;
  readonly memoryPolicy?: Readonly<Record<string, unknown>>;
}
