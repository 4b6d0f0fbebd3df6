import { LibcontainerError } from '../errors.ts';
import type { Cgroup, DeviceProgramLoader } from './cgroup.ts';
import { CgroupV1 } from './cgroup-v1.ts';
import { CgroupV2 } from './cgroup-v2.ts';
import { bpfDeviceLoader } from './device-loader.ts';
import { type CgroupKernel, nodeCgroupKernel } from './kernel.ts';
import { type CgroupLayout, detectLayout, parseOwnCgroups } from './layout.ts';
import { NoCgroup } from './no-cgroup.ts';
import { type CgroupPaths, containerCgroupPaths } from './paths.ts';

/** What {@link openCgroup} and {@link loadCgroup} have in common. */
export interface CgroupOptions {
  /** Rootless: what may not be written is left out without an error, until a limit needs it. */
  readonly soft?: boolean;
  /** Loads the device programs of v2; bpf(2) by default. */
  readonly devices?: DeviceProgramLoader;
  /** The running kernel by default. */
  readonly kernel?: CgroupKernel;
}

/** Options of {@link openCgroup}. */
export interface OpenCgroupOptions extends CgroupOptions {
  readonly id: string;
  /** As `linux.cgroupsPath` of the configuration. */
  readonly cgroupsPath?: string | undefined;
  /** Use systemd's cgroup driver. */
  readonly systemd?: boolean;
}

/** Mounts change rarely, and a runtime looks at them for every container. */
const layouts = new WeakMap<CgroupKernel, CgroupLayout>();
const theKernel = nodeCgroupKernel();

/**
 * Finds where a container's cgroup belongs on this system; nothing is made yet.
 * @throws LibcontainerError `failed_precondition` (`SYSTEMD_NOT_RUNNING`), `not_implemented` (`SYSTEMD_DRIVER`).
 */
export function openCgroup(options: OpenCgroupOptions): Cgroup {
  const kernel = options.kernel ?? theKernel;
  if (options.systemd === true) throw systemdError(kernel);
  const layout = cgroupLayout(kernel);
  const relative = options.cgroupsPath?.startsWith('/') !== true;
  const own = relative ? parseOwnCgroups(kernel.read('/proc/self/cgroup')) : new Map<string, string>();
  return cgroupAt(kernel, layout, containerCgroupPaths(layout, own, options.cgroupsPath, options.id), options);
}

/** Finds a container's cgroup again by the paths in its state. */
export function loadCgroup(paths: CgroupPaths, options: CgroupOptions = {}): Cgroup {
  const kernel = options.kernel ?? theKernel;
  const isUnified = Object.keys(paths).join() === '';
  const layout: CgroupLayout = isUnified && paths[''] !== undefined ? cgroupLayout(kernel) : { mode: 'v1', hierarchies: [], unified: undefined };
  return cgroupAt(kernel, Object.keys(paths).length === 0 ? { ...layout, mode: 'none' } : layout, paths, options);
}

/** How cgroups are mounted, read once. */
export function cgroupLayout(kernel: CgroupKernel = theKernel): CgroupLayout {
  let layout = layouts.get(kernel);
  if (layout === undefined) {
    layout = detectLayout(kernel);
    layouts.set(kernel, layout);
  }
  return layout;
}

function cgroupAt(kernel: CgroupKernel, layout: CgroupLayout, paths: CgroupPaths, { soft = false, devices = bpfDeviceLoader }: CgroupOptions): Cgroup {
  if (layout.mode === 'none') return new NoCgroup();
  const directory = paths[''];
  if (layout.mode === 'v2' && directory !== undefined) {
    return new CgroupV2({ kernel, mountpoint: layout.unified?.mountpoint ?? '/sys/fs/cgroup', directory, soft, devices });
  }
  return new CgroupV1({ kernel, paths, soft });
}

function systemdError(kernel: CgroupKernel): LibcontainerError {
  if (!kernel.exists('/run/systemd/system')) {
    return new LibcontainerError({ kind: 'failed_precondition', code: 'SYSTEMD_NOT_RUNNING', message: 'systemd not running on this host, cannot use systemd cgroups manager' });
  }
  return new LibcontainerError({ kind: 'not_implemented', code: 'SYSTEMD_DRIVER', message: 'the systemd cgroup driver is not implemented, use the cgroupfs driver' });
}
