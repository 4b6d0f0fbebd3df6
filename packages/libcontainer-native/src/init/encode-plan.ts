import type { CapabilityMasks, IdMapping, InitPlan, MountOperation, NamespaceType, PlanConsole, PlanDevice, PlanHooks, PlanNamespaces, PlanProcess, PlanRootfs, PlanScheduler, TimeOffset, UserMappings } from './plan.ts';
import { LibcontainerError } from '../errors.ts';
import { PlanWriter } from './plan-writer.ts';

/** Must be the number in native/init/plan.h: a binary refuses every other plan. */
export const PLAN_VERSION = 1;
/** "DRAY" in the order the bytes are written. */
const MAGIC = 0x59415244;

/** CLONE_NEW* */
const CLONE_FLAGS: Readonly<Record<NamespaceType, number>> = {
  user: 0x10000000, pid: 0x20000000, mount: 0x00020000, network: 0x40000000, ipc: 0x08000000, uts: 0x04000000, cgroup: 0x02000000, time: 0x00000080,
};
const PIVOTS: Readonly<Record<NonNullable<PlanRootfs['pivot']>, number>> = { pivot: 0, move: 1, chroot: 2 };
const TARGETS = { auto: 0, directory: 1, file: 2, never: 3 } as const;
const MS_SLAVE_REC = 0x80000 | 0x4000;

/** What the encoder adds to a plan for the descriptors that the process inherits behind the plan (child descriptor 5 and up). */
export interface PlanDescriptors {
  /** Called for each descriptor that the plan names; the n-th becomes child descriptor 5+n. */
  readonly inherit: (fd: number) => void;
  /** How many descriptors follow those; they become 3, 4, … of the container's process. */
  readonly preserveFds: number;
}

/**
 * Encodes a plan for `dray-init`.
 *
 * @param plan the plan; strings must be free of NUL
 * @param descriptors what to do with descriptors that the plan names; by default a plan that names one is refused
 * @throws LibcontainerError `invalid_argument` `PLAN_INVALID` for a value that does not fit
 */
export function encodePlan(plan: InitPlan, descriptors: PlanDescriptors = { inherit: refuseDescriptor, preserveFds: 0 }): Uint8Array {
  const writer = new PlanWriter();
  writer.u32(MAGIC);
  writer.u32(PLAN_VERSION);
  writer.u32(0); // The total size, filled in at the end.
  writer.u8(plan.kind === 'create' ? 0 : 1);
  const inherited: number[] = [];
  writeNamespaces(writer, plan.namespaces ?? {}, inherited);
  writer.u32(inherited.length);
  writer.u32(descriptors.preserveFds);
  inherited.forEach((fd) => { descriptors.inherit(fd); });
  writer.optional(plan.userMappings, writeMappings);
  writer.optional(plan.timeOffsets?.monotonic, writeTimeOffset);
  writer.optional(plan.timeOffsets?.boottime, writeTimeOffset);
  writer.strings(plan.cgroupProcs ?? []);
  writer.optional(plan.oomScoreAdj, (w, value) => { w.i32(value); });
  writer.bool(plan.loopbackUp ?? false);
  writer.optional(plan.rootfs, writeRootfs);
  writer.array(plan.mounts ?? [], writeMount);
  writer.array(plan.devices ?? [], writeDevice);
  writer.array(plan.links ?? [], (w, link) => { w.string(link.path); w.string(link.target); });
  writer.strings(plan.maskedPaths ?? []);
  writer.strings(plan.readonlyPaths ?? []);
  writer.optionalString(plan.hostname);
  writer.optionalString(plan.domainname);
  writer.array(Object.entries(plan.sysctls ?? {}), (w, [name, value]) => { w.string(sysctlPath(name)); w.string(value); });
  writer.optional(plan.console, writeConsole);
  writer.optionalString(plan.execFifo);
  writer.bool(plan.hooksWanted ?? false);
  writeHooks(writer, plan.createContainerHooks);
  writeHooks(writer, plan.startContainerHooks);
  writeProcess(writer, plan.process);
  writer.setU32(8, writer.size);
  return writer.finish();
}

function refuseDescriptor(fd: number): never {
  throw new LibcontainerError({ kind: 'invalid_argument', code: 'PLAN_INVALID', message: `cannot encode plan: descriptor ${fd} needs spawnInit()` });
}

function cloneFlags(types: readonly NamespaceType[]): number {
  return types.reduce((flags, type) => flags | CLONE_FLAGS[type], 0);
}

function writeNamespaces(writer: PlanWriter, namespaces: PlanNamespaces, inherited: number[]): void {
  writer.u32(cloneFlags(namespaces.create ?? []));
  writer.array(namespaces.join ?? [], (w, { type, path }) => { w.u32(CLONE_FLAGS[type]); w.string(path); });
  writer.optional(namespaces.joinPidfd, (w, { pidfd, types }) => {
    w.u32(inherited.push(pidfd) - 1);
    w.u32(cloneFlags(types));
  });
}

function writeMappings(writer: PlanWriter, mappings: UserMappings): void {
  writer.string(mappingText(mappings.uid));
  writer.string(mappingText(mappings.gid));
  writer.bool(mappings.setgroups === 'deny');
}

/** The format of /proc/PID/uid_map, which must be written by one write(2). */
function mappingText(mappings: readonly IdMapping[]): string {
  return mappings.map(({ containerId, hostId, size }) => `${containerId} ${hostId} ${size}\n`).join('');
}

function writeTimeOffset(writer: PlanWriter, offset: TimeOffset): void {
  writer.i64(offset.secs);
  writer.u32(offset.nanosecs);
}

function writeRootfs(writer: PlanWriter, rootfs: PlanRootfs): void {
  writer.string(rootfs.path);
  writer.bool(rootfs.readonly ?? false);
  writer.u32(rootfs.propagation ?? MS_SLAVE_REC);
  writer.u32(rootfs.propagationAfterPivot ?? 0);
  writer.u8(PIVOTS[rootfs.pivot ?? 'pivot']);
}

function writeMount(writer: PlanWriter, mount: MountOperation): void {
  writer.string(mount.target);
  writer.optionalString(mount.source);
  writer.optionalString(mount.fstype);
  writer.u32(mount.flags ?? 0);
  writer.u32(mount.clearFlags ?? 0);
  writer.optionalString(mount.data);
  writer.array(mount.propagation ?? [], (w, flags) => { w.u32(flags); });
  writer.u64(BigInt(mount.recursiveSet ?? 0));
  writer.u64(BigInt(mount.recursiveClear ?? 0));
  writer.u8(TARGETS[mount.createTarget ?? 'auto']);
  writer.bool(mount.copyUp ?? false);
  writer.bool(mount.readonlyLate ?? false);
  writer.optionalString(mount.fallbackBind);
}

function writeDevice(writer: PlanWriter, device: PlanDevice): void {
  writer.string(device.path);
  writer.u8(device.type.charCodeAt(0));
  writer.u32(device.major);
  writer.u32(device.minor);
  writer.u32(device.mode);
  writer.u32(device.uid);
  writer.u32(device.gid);
  writer.optionalString(device.bindFrom);
}

/**
 * The path below /proc/sys of a sysctl name. The separator that comes first, "." or "/", separates; the other one stands for itself, and
 * is exchanged where the dotted form needs it ("net.ipv4.conf.eth0/100.forwarding"), as sysctl(8) does.
 */
function sysctlPath(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  return first === '.' ? name.replace(/[./]/g, (character) => (character === '.' ? '/' : '.')) : name;
}

function writeConsole(writer: PlanWriter, console: PlanConsole): void {
  writer.string(console.socketPath);
  writer.u16(console.width ?? 0);
  writer.u16(console.height ?? 0);
  writer.bool(console.bindConsole ?? true);
}

function writeHooks(writer: PlanWriter, hooks: PlanHooks | undefined): void {
  writer.string(hooks?.state.before ?? '');
  writer.string(hooks?.state.after ?? '');
  writer.array(hooks?.hooks ?? [], (w, hook) => {
    w.string(hook.path);
    w.strings(hook.args ?? [hook.path]);
    w.strings(hook.env ?? []);
    w.u32(hook.timeoutMs ?? 0);
  });
}

function writeProcess(writer: PlanWriter, process: PlanProcess): void {
  writer.strings(process.args);
  writer.strings(process.env);
  writer.string(process.cwd ?? '/');
  writer.u32(process.uid ?? 0);
  writer.u32(process.gid ?? 0);
  writer.array(process.additionalGids ?? [], (w, gid) => { w.u32(gid); });
  writer.bool(process.setgroups ?? true);
  writer.u32(process.umask ?? 0o022);
  writer.optional(process.capabilities, writeCapabilities);
  writer.bool(process.noNewPrivileges ?? false);
  writer.optional(process.seccomp, (w, seccomp) => { w.u32(seccomp.flags ?? 0); w.bytes(seccomp.program); });
  writer.array(process.rlimits ?? [], (w, limit) => { w.u32(limit.resource); w.u64(limit.soft); w.u64(limit.hard); });
  writer.optionalString(process.sessionKeyring);
  writer.optional(process.lsmLabel, (w, { module, label }) => { w.bool(module === 'apparmor'); w.string(label); });
  writer.optional(process.scheduler, writeScheduler);
  writer.optional(process.ioPriority, (w, value) => { w.u32(value); });
  writer.optional(process.personality, (w, value) => { w.u32(value); });
  writer.bytes(process.cpuAffinity ?? new Uint8Array());
  writer.bool(process.listenPid ?? false);
}

function writeCapabilities(writer: PlanWriter, masks: CapabilityMasks): void {
  for (const mask of [masks.bounding, masks.effective, masks.permitted, masks.inheritable, masks.ambient]) writer.u64(mask);
}

function writeScheduler(writer: PlanWriter, scheduler: PlanScheduler): void {
  writer.u32(scheduler.policy);
  writer.u64(scheduler.flags ?? 0n);
  writer.i32(scheduler.nice ?? 0);
  writer.u32(scheduler.priority ?? 0);
  writer.u64(scheduler.runtime ?? 0n);
  writer.u64(scheduler.deadline ?? 0n);
  writer.u64(scheduler.period ?? 0n);
}
