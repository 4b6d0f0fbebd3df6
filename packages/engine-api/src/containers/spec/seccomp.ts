/** Turns a system call policy into the filter of one container: rules whose condition does not hold for it are left out. */
import { invalid } from '../../errors.ts';
import { SECCOMP_ARCHES, SECCOMP_RULES, type SeccompRule } from './seccomp-table.ts';
import type { SpecSeccomp } from './types.ts';

/** What the conditions of rules look at. */
export interface SeccompFacts {
  /** The container's bounding set. */
  readonly capabilities: readonly string[];
  /** Node's name of the machine's architecture. */
  readonly arch: string;
  /** The running kernel's version. */
  readonly kernel: readonly [number, number];
}

const EPERM = 1;

/** The default policy for a container. */
export function defaultSeccomp(facts: SeccompFacts): SpecSeccomp {
  const arch = SECCOMP_ARCHES[facts.arch];
  const held = new Set(facts.capabilities);
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    ...(arch && arch.filters.length > 0 ? { architectures: [...arch.filters] } : {}),
    syscalls: SECCOMP_RULES.filter((rule) => applies(rule, held, arch?.name ?? facts.arch, facts.kernel)).map((rule) => ({
      names: rule.names.trim().split(/\s+/),
      action: rule.errno === undefined ? 'SCMP_ACT_ALLOW' : 'SCMP_ACT_ERRNO',
      ...(rule.errno === undefined ? {} : { errnoRet: rule.errno }),
      ...(rule.args === undefined ? {} : { args: rule.args.map((arg) => ({ ...arg })) }),
    })),
  };
}

function applies(rule: SeccompRule, held: ReadonlySet<string>, arch: string, kernel: readonly [number, number]): boolean {
  if (rule.caps && !rule.caps.every((name) => held.has(name))) return false;
  if (rule.withoutCaps?.some((name) => held.has(name))) return false;
  if (rule.arches && !rule.arches.includes(arch)) return false;
  if (rule.withoutArches?.includes(arch)) return false;
  return rule.minKernel === undefined || isAtLeast(kernel, rule.minKernel);
}

function isAtLeast(kernel: readonly [number, number], wanted: readonly [number, number]): boolean {
  return kernel[0] > wanted[0] || (kernel[0] === wanted[0] && kernel[1] >= wanted[1]);
}

/** A policy file's JSON as clients send it with `--security-opt seccomp=`: Docker's format, of which the OCI format is a part. */
interface ProfileFile {
  defaultAction?: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures?: string[] | null }[];
  flags?: string[];
  syscalls?: ProfileRule[];
}

interface ProfileRule {
  names?: string[];
  name?: string;
  action: string;
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[] | null;
  includes?: ProfileCondition;
  excludes?: ProfileCondition;
}

interface ProfileCondition {
  caps?: string[];
  arches?: string[];
  minKernel?: string;
}

/** The filter a client's own policy gives this container. @throws EngineApiError `invalid_argument` when it is no policy */
export function parseSeccompProfile(json: string, facts: SeccompFacts): SpecSeccomp {
  const profile = parseProfile(json);
  if (profile.architectures?.length && profile.archMap?.length) throw invalid("both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'");
  if (!profile.defaultAction) throw invalid('Decoding seccomp profile failed: defaultAction is missing');
  const architectures = profile.architectures ?? architecturesOf(profile, facts.arch);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures.length > 0 ? { architectures } : {}),
    ...(profile.flags ? { flags: profile.flags } : {}),
    syscalls: (profile.syscalls ?? []).filter((rule) => profileRuleApplies(rule, facts)).map(toSpecRule),
  };
}

function parseProfile(json: string): ProfileFile {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (err) {
    throw invalid(`Decoding seccomp profile failed: ${err instanceof Error ? err.message : String(err)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('Decoding seccomp profile failed: not an object');
  const profile = value as ProfileFile;
  const rules: unknown = profile.syscalls;
  if (rules !== undefined && rules !== null && !Array.isArray(rules)) throw invalid('Decoding seccomp profile failed: syscalls is not a list');
  return profile;
}

function architecturesOf(profile: ProfileFile, arch: string): string[] {
  const native = SECCOMP_ARCHES[arch]?.filters[0];
  const entry = profile.archMap?.find((candidate) => candidate.architecture === native);
  return entry ? [entry.architecture, ...(entry.subArchitectures ?? [])] : [];
}

function profileRuleApplies(rule: ProfileRule, facts: SeccompFacts): boolean {
  const arch = SECCOMP_ARCHES[facts.arch]?.name ?? facts.arch;
  const { includes, excludes } = rule;
  if (includes?.caps && !includes.caps.every((name) => facts.capabilities.includes(name))) return false;
  if (includes?.arches?.length && !includes.arches.includes(arch)) return false;
  if (includes?.minKernel && !isAtLeast(facts.kernel, parseKernel(includes.minKernel))) return false;
  if (excludes?.caps?.some((name) => facts.capabilities.includes(name))) return false;
  if (excludes?.arches?.includes(arch)) return false;
  return !(excludes?.minKernel && isAtLeast(facts.kernel, parseKernel(excludes.minKernel)));
}

function toSpecRule(rule: ProfileRule): SpecSeccomp['syscalls'][number] {
  if (rule.name !== undefined && rule.name !== '' && rule.names?.length) throw invalid("both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'");
  return {
    names: rule.names?.length ? rule.names : [rule.name ?? ''],
    action: rule.action,
    ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
    ...(rule.args?.length ? { args: rule.args } : {}),
  };
}

/** Major and minor of `6.1.0-13-amd64`. */
export function parseKernel(release: string): readonly [number, number] {
  const match = /^(\d+)\.(\d+)/.exec(release);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}
