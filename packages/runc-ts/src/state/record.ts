import type { CgroupPaths, CgroupResources, NamespaceType } from '@dray/libcontainer';
import { NAMESPACE_FILES } from '../spec/namespaces.ts';
import type { HooksSpec, LinuxSpec, NamespaceSpec, ProcessSpec, Spec } from '../spec/types.ts';

/** What `state.json` holds: the keys that readers of runc's file know, and what this runtime needs again under `dray`. */
export interface ContainerRecord {
  readonly id: string;
  readonly init_process_pid: number;
  /** Field 22 of /proc/<pid>/stat: together with the pid it names the process for good. */
  readonly init_process_start: number;
  /** RFC 3339 with nanoseconds, UTC. */
  readonly created: string;
  readonly config: RecordedConfig;
  readonly rootless: boolean;
  readonly cgroup_paths: CgroupPaths;
  readonly namespace_paths: Readonly<Record<string, string>>;
  readonly external_descriptors: readonly string[];
  readonly intel_rdt_path: string;
  readonly dray: RecordedSpec;
}

/** The part of runc's `config` that other programs read. */
export interface RecordedConfig {
  readonly rootfs: string;
  readonly readonlyfs: boolean;
  readonly hostname: string;
  readonly namespaces: readonly { readonly type: string; readonly path: string }[];
  readonly cgroups: { readonly name: string; readonly path: string; readonly Systemd: false; readonly Rootless: boolean };
  /** `bundle=<path>`, then the annotations. */
  readonly labels: readonly string[];
  readonly no_new_privileges: boolean;
  readonly no_new_keyring: boolean;
  readonly version: string;
}

/** What later commands need of the configuration. */
export interface RecordedSpec {
  readonly version: 1;
  readonly bundle: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly hooks: HooksSpec;
  readonly process: ProcessSpec | undefined;
  readonly namespaces: readonly NamespaceSpec[];
  readonly seccomp: LinuxSpec['seccomp'];
  readonly personality: LinuxSpec['personality'];
  /** The limits in force; `update` changes them. */
  readonly resources: CgroupResources;
}

/** What a record is made of. */
export interface RecordInit {
  readonly id: string;
  readonly pid: number;
  readonly startTime: number;
  readonly spec: Spec;
  readonly bundle: string;
  readonly rootfs: string;
  readonly cgroupPaths: CgroupPaths;
  readonly isRootless: boolean;
  readonly noNewKeyring: boolean;
  /** Where the init's stdio leads, as /proc/<pid>/fd names it. */
  readonly descriptors: readonly string[];
}

const GO_NAMES: Readonly<Record<NamespaceType, string>> = { cgroup: 'NEWCGROUP', ipc: 'NEWIPC', network: 'NEWNET', mount: 'NEWNS', pid: 'NEWPID', user: 'NEWUSER', uts: 'NEWUTS', time: 'NEWTIME' };

/** Builds the record of a container that was just created. */
export function createRecord(init: RecordInit): ContainerRecord {
  const { spec } = init;
  const linux = spec.linux ?? {};
  return {
    id: init.id,
    init_process_pid: init.pid,
    init_process_start: init.startTime,
    created: timestamp(),
    config: {
      rootfs: init.rootfs,
      readonlyfs: spec.root?.readonly ?? false,
      hostname: spec.hostname ?? '',
      namespaces: (linux.namespaces ?? []).map(({ type, path = '' }) => ({ type: goName(type), path })),
      cgroups: { name: (linux.cgroupsPath ?? '') === '' ? init.id : '', path: linux.cgroupsPath ?? '', Systemd: false, Rootless: init.isRootless },
      labels: [...Object.entries(spec.annotations ?? {}).map(([key, value]) => `${key}=${value}`), `bundle=${init.bundle}`],
      no_new_privileges: spec.process?.noNewPrivileges ?? false,
      no_new_keyring: init.noNewKeyring,
      version: spec.ociVersion,
    },
    rootless: init.isRootless,
    cgroup_paths: init.cgroupPaths,
    namespace_paths: Object.fromEntries(Object.entries(GO_NAMES).map(([type, name]) => [name, `/proc/${init.pid}/ns/${NAMESPACE_FILES[type as NamespaceType]}`])),
    external_descriptors: init.descriptors,
    intel_rdt_path: '',
    dray: {
      version: 1,
      bundle: init.bundle,
      annotations: spec.annotations ?? {},
      hooks: spec.hooks ?? {},
      process: spec.process,
      namespaces: linux.namespaces ?? [],
      seccomp: linux.seccomp,
      personality: linux.personality,
      resources: linux.resources ?? {},
    },
  };
}

/** Now in Go's RFC 3339 form: as many digits of a second as it takes. */
export function timestamp(milliseconds: number = performance.timeOrigin + performance.now()): string {
  const seconds = Math.floor(milliseconds / 1000);
  const nanos = Math.floor((milliseconds - seconds * 1000) * 1e6);
  const fraction = String(nanos).padStart(9, '0').replace(/0+$/, '');
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`;
}

function goName(type: string): string {
  return Object.hasOwn(GO_NAMES, type) ? GO_NAMES[type as NamespaceType] : type;
}
