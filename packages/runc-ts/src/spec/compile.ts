import { existsSync } from 'node:fs';
import { type CgroupLayout, type CgroupPaths, DEFAULT_LINKS, type IdMapping, type InitPlan, type PlanHooks, type PlanLink, type TimeOffset, type UserMappings } from '@dray/libcontainer';
import { invalidSpec } from '../errors.ts';
import { planDevices } from './devices.ts';
import { compileMounts } from './mounts.ts';
import { type NamespaceUses, planNamespaces, useOf } from './namespaces.ts';
import { planProcess, validateProcess } from './process.ts';
import { MS, PROPAGATION } from './mount-options.ts';
import type { HookSpec, IdMappingSpec, LinuxSpec, Spec } from './types.ts';

/** What a plan is compiled with, beside the configuration. */
export interface PlanContext {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly uses: NamespaceUses;
  readonly cgroupLayout: CgroupLayout;
  readonly cgroupPaths: CgroupPaths;
  readonly cgroupJoinFiles: readonly string[];
  readonly execFifo: string;
  readonly consoleSocket: string | undefined;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly listenPid: boolean;
  /** The runtime may make device nodes: it is not in a user namespace itself. */
  readonly canMakeDevices: boolean;
  readonly warn: (message: string) => void;
}

/**
 * Compiles a configuration to the plan of a container's init. Nothing on the system is changed.
 * @throws RuncError `invalid_argument`, in runc's words.
 */
export function compilePlan(spec: Spec, context: PlanContext): InitPlan {
  const { uses } = context;
  const linux = spec.linux ?? {};
  validateProcess(spec.process);
  const hasMounts = useOf(uses, 'mount').kind !== 'inherit';
  const isUserNew = useOf(uses, 'user').kind === 'create';
  const mounts = compileMounts(spec.mounts ?? [], {
    bundle: context.bundle,
    layout: context.cgroupLayout,
    cgroupPaths: context.cgroupPaths,
    hasCgroupNamespace: useOf(uses, 'cgroup').kind === 'create',
    warn: context.warn,
  });
  const hasOwnDev = !mounts.hasHostDev;
  return {
    kind: 'create',
    namespaces: planNamespaces(uses),
    cgroupProcs: context.cgroupJoinFiles,
    loopbackUp: useOf(uses, 'network').kind === 'create',
    rootfs: {
      path: context.rootfs,
      readonly: spec.root?.readonly ?? false,
      pivot: hasMounts ? (context.noPivot ? 'move' : 'pivot') : 'chroot',
      ...propagation(linux.rootfsPropagation ?? '', context.noPivot),
    },
    mounts: mounts.mounts,
    devices: hasOwnDev ? planDevices(linux.devices ?? [], { bind: isUserNew || !context.canMakeDevices }) : [],
    links: [...(hasOwnDev ? deviceLinks() : []), ...mounts.links],
    maskedPaths: linux.maskedPaths ?? [],
    readonlyPaths: linux.readonlyPaths ?? [],
    sysctls: linux.sysctl ?? {},
    execFifo: context.execFifo,
    process: planProcess(spec.process, {
      seccomp: linux.seccomp,
      personality: linux.personality,
      sessionKeyring: context.noNewKeyring ? undefined : `_ses.${context.id}`,
      setgroups: !isUserNew || setgroupsOf(linux) === 'allow',
      listenPid: context.listenPid,
      warn: context.warn,
    }),
    ...(isUserNew ? { userMappings: userMappings(linux) } : {}),
    ...timeOffsets(linux),
    ...(spec.process.oomScoreAdj === undefined ? {} : { oomScoreAdj: checkedOomScore(spec.process.oomScoreAdj) }),
    ...((spec.hostname ?? '') === '' ? {} : { hostname: spec.hostname ?? '' }),
    ...((spec.domainname ?? '') === '' ? {} : { domainname: spec.domainname ?? '' }),
    ...consolePlan(spec, context),
    ...hookPlans(spec, context),
  };
}

/** The state that hooks inside the container get: the pid is theirs to fill in. */
export function hookState(spec: Spec, context: Pick<PlanContext, 'id' | 'bundle'>, status: 'creating' | 'created'): PlanHooks['state'] {
  const mark = 0;
  const json = JSON.stringify({ ociVersion: spec.ociVersion, id: context.id, status, pid: mark, bundle: context.bundle, ...(hasKeys(spec.annotations) ? { annotations: spec.annotations } : {}) });
  const cut = json.indexOf('"pid":0,"bundle"') + '"pid":'.length;
  return { before: json.slice(0, cut), after: json.slice(cut + 1) };
}

/** The user namespace's maps. Whoever may not set groups must deny it to the namespace first. */
export function userMappings(linux: LinuxSpec): UserMappings {
  return { uid: (linux.uidMappings ?? []).map(idMapping), gid: (linux.gidMappings ?? []).map(idMapping), setgroups: setgroupsOf(linux) };
}

function setgroupsOf(_linux: LinuxSpec): 'allow' | 'deny' {
  return process.geteuid?.() === 0 ? 'allow' : 'deny';
}

function idMapping({ containerID, hostID, size }: IdMappingSpec): IdMapping {
  return { containerId: containerID, hostId: hostID, size };
}

function deviceLinks(): PlanLink[] {
  return existsSync('/proc/kcore') ? [...DEFAULT_LINKS, { path: '/dev/core', target: '/proc/kcore' }] : [...DEFAULT_LINKS];
}

function propagation(name: string, noPivot: boolean): { propagation?: number; propagationAfterPivot?: number } {
  const flags = Object.hasOwn(PROPAGATION, name) ? PROPAGATION[name] : undefined;
  if (flags === undefined) return {};
  if (noPivot && (flags & MS.PRIVATE) !== 0) throw invalidSpec('[r]private is not safe without pivot_root');
  return { propagation: flags, propagationAfterPivot: flags };
}

function timeOffsets({ timeOffsets: offsets = {} }: LinuxSpec): { timeOffsets?: { monotonic?: TimeOffset; boottime?: TimeOffset } } {
  const entries = Object.entries(offsets).map(([clock, { secs = 0, nanosecs = 0 }]) => [clock, { secs: BigInt(secs), nanosecs }] as const);
  return entries.length === 0 ? {} : { timeOffsets: Object.fromEntries(entries) };
}

function checkedOomScore(value: number): number {
  if (value < -1000 || value > 1000) throw invalidSpec('unable to start container process: failed to update /proc/self/oom_score_adj: Invalid argument');
  return value;
}

function consolePlan(spec: Spec, { consoleSocket }: PlanContext): Pick<InitPlan, 'console'> {
  if (consoleSocket === undefined) return {};
  const size = spec.process?.consoleSize;
  return { console: { socketPath: consoleSocket, ...(size === undefined ? {} : { width: size.width, height: size.height }) } };
}

function hookPlans(spec: Spec, context: PlanContext): Pick<InitPlan, 'hooksWanted' | 'createContainerHooks' | 'startContainerHooks'> {
  const { prestart = [], createRuntime = [], createContainer = [], startContainer = [] } = spec.hooks ?? {};
  return {
    ...(prestart.length + createRuntime.length > 0 ? { hooksWanted: true } : {}),
    ...(createContainer.length === 0 ? {} : { createContainerHooks: { hooks: createContainer.map((hook) => planHook(hook, [])), state: hookState(spec, context, 'creating') } }),
    // Scripts of this hook have always run with the container's environment.
    ...(startContainer.length === 0 ? {} : { startContainerHooks: { hooks: startContainer.map((hook) => planHook(hook, spec.process?.env ?? [])), state: hookState(spec, context, 'created') } }),
  };
}

function planHook({ path, args, env, timeout }: HookSpec, fallbackEnv: readonly string[]): PlanHooks['hooks'][number] {
  return { path, env: env ?? fallbackEnv, ...(args === undefined || args.length === 0 ? {} : { args }), ...(timeout === undefined || timeout <= 0 ? {} : { timeoutMs: timeout * 1000 }) };
}

function hasKeys(record: Readonly<Record<string, string>> | undefined): boolean {
  return record !== undefined && Object.keys(record).length > 0;
}
