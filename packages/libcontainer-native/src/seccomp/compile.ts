import { LibcontainerError } from '../errors.ts';
import { type Architecture, findArchitecture, nativeArchitecture, X32_SYSCALL_BIT } from './architectures.ts';
import { Assembler, type Label, PROGRAM_INSTRUCTIONS_MAX } from './assembler.ts';
import { emitCondition } from './conditions.ts';
import { largestSyscall, needsEnosysStub } from './enosys.ts';
import { SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FLAGS, type SeccompProfile } from './profile.ts';
import { actionValue, type CallVerdict, checkRules, type CheckedRule, verdictsFor } from './rules.ts';

/** A profile as the kernel takes it. */
export interface CompiledSeccomp {
  /** `struct sock_filter[]`: eight bytes per instruction, little endian. */
  readonly program: Uint8Array;
  /** `SECCOMP_FILTER_FLAG_*` bits for seccomp(2). */
  readonly flags: number;
  /** True when a rule hands calls to a listener. */
  readonly notifies: boolean;
}

const NR_OFFSET = 0;
const ARCH_OFFSET = 4;
const RET_KILL_THREAD = 0;
const RET_ENOSYS = 0x0005_0026;
/** A tracer writes this number to skip a call; the kernel then asks the filter about it. */
const SKIPPED_CALL = 0xffff_ffff;
const CACHED_FILTERS_MAX = 64;

/** Programs by the hash of their profile: a long-lived process sees the same few profiles over and over. */
const cache = new Map<string, CompiledSeccomp>();
/** Spares hashing when a caller passes the very same object again. */
const cacheByObject = new WeakMap<SeccompProfile, CompiledSeccomp>();

/**
 * Compiles an OCI seccomp profile to a classic BPF program that answers as the filter that libseccomp makes of it does.
 * Results are cached by content.
 * @throws LibcontainerError `invalid_argument` (`INVALID_SECCOMP`) in runc's words.
 */
export function compileSeccomp(profile: SeccompProfile): CompiledSeccomp {
  let compiled = cacheByObject.get(profile);
  if (compiled === undefined) {
    compiled = compileByContent(profile);
    cacheByObject.set(profile, compiled);
  }
  return compiled;
}

function compileByContent(profile: SeccompProfile): CompiledSeccomp {
  const text = JSON.stringify(profile, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value));
  // Looked up here, since loading it takes 6 ms, which a command that compiles nothing need not spend.
  const key = process.getBuiltinModule('node:crypto').hash('sha256', text, 'base64');
  const known = cache.get(key);
  if (known !== undefined) return known;
  const compiled = compileUncached(profile, nativeArchitecture());
  if (cache.size >= CACHED_FILTERS_MAX) cache.delete(cache.keys().next().value ?? '');
  cache.set(key, compiled);
  return compiled;
}

/** As {@link compileSeccomp}, for a machine of the architecture `native` and without the cache. */
export function compileUncached(profile: SeccompProfile, native: string): CompiledSeccomp {
  if (profile.defaultAction === 'SCMP_ACT_NOTIFY') throw invalid('SCMP_ACT_NOTIFY cannot be used as default action');
  const listed = (profile.architectures ?? []).map(architectureNamed);
  const flags = flagBits(profile.flags);
  const rules = checkRules(profile);
  const notifies = profile.syscalls?.some((rule) => rule.action === 'SCMP_ACT_NOTIFY') ?? false;
  if (notifies && (profile.listenerPath ?? '') === '') throw invalid('listenerPath is not set');

  const known = listed.filter((architecture) => architecture !== 'foreign');
  const nativeOne = architectureNamed(native);
  const architectures = [...new Set(nativeOne === 'foreign' ? known : [nativeOne, ...known])];
  const program = new Compilation(profile, rules, known).build(architectures);
  if (program.length / 8 > PROGRAM_INSTRUCTIONS_MAX) {
    throw invalid(`seccomp profile is too large: ${program.length / 8} instructions, the kernel takes ${PROGRAM_INSTRUCTIONS_MAX}`);
  }
  return { program, flags: notifies ? flags | SECCOMP_FILTER_FLAG_NEW_LISTENER : flags, notifies };
}

class Compilation {
  readonly #program = new Assembler();
  readonly #profile: SeccompProfile;
  readonly #rules: readonly CheckedRule[];
  readonly #listed: ReadonlySet<Architecture>;
  readonly #defaultValue: number;

  constructor(profile: SeccompProfile, rules: readonly CheckedRule[], listed: readonly Architecture[]) {
    this.#profile = profile;
    this.#rules = rules;
    this.#listed = new Set(listed);
    this.#defaultValue = actionValue(profile.defaultAction, profile.defaultErrnoRet);
  }

  /** Tests the architectures in their order, so that the machine's own comes first. */
  build(architectures: readonly Architecture[]): Uint8Array {
    const program = this.#program;
    let next = program.ret(RET_KILL_THREAD);
    for (const auditArch of [...new Set(architectures.map((architecture) => architecture.auditArch))].reverse()) {
      const body = this.#kernelArchitecture(architectures.filter((architecture) => architecture.auditArch === auditArch));
      next = program.jump('eq', auditArch, body, next);
    }
    return program.finish(program.load(ARCH_OFFSET, next));
  }

  /** One value of `seccomp_data.arch`, which x86_64 and x32 share. */
  #kernelArchitecture(members: readonly Architecture[]): Label {
    const program = this.#program;
    const plain = members.find((member) => member.numberBase === 0);
    const x32 = members.find((member) => member.numberBase !== 0);
    const low = plain === undefined ? program.ret(this.#defaultValue) : this.#calls(plain);
    if (plain?.name !== 'SCMP_ARCH_X86_64' && x32 === undefined) return program.load(NR_OFFSET, low);
    const high = x32 === undefined ? this.#unlistedX32() : this.#calls(x32);
    return program.load(NR_OFFSET, program.jump('ge', X32_SYSCALL_BIT, high, low));
  }

  #unlistedX32(): Label {
    return this.#program.jump('eq', SKIPPED_CALL, this.#program.ret(this.#defaultValue), this.#program.ret(RET_KILL_THREAD));
  }

  /** The search for the accumulator's system call number among the calls of one architecture. */
  #calls(architecture: Architecture): Label {
    const segments: Segment[] = [{ start: 0, target: this.#program.ret(this.#defaultValue) }];
    const verdicts = [...verdictsFor(architecture, this.#rules)].sort((left, right) => left[0] - right[0]);
    for (const [number, verdict] of verdicts) {
      appendSegment(segments, number, this.#verdict(verdict, architecture));
      appendSegment(segments, number + 1, this.#program.ret(this.#defaultValue));
    }
    this.#answerUnknownCalls(segments, architecture);
    return this.#search(joinEqual(segments));
  }

  /** Calls newer than everything the profile names answer ENOSYS, so that libraries fall back to older calls. */
  #answerUnknownCalls(segments: Segment[], architecture: Architecture): void {
    if (!this.#listed.has(architecture) || !needsEnosysStub(this.#profile)) return;
    const largest = largestSyscall(this.#profile, architecture);
    if (largest !== undefined) segments.push({ start: largest + 1, target: this.#program.ret(RET_ENOSYS) });
  }

  #verdict(verdict: CallVerdict, architecture: Architecture): Label {
    const program = this.#program;
    if (verdict.kind === 'always') return program.ret(verdict.value);
    let next = program.ret(this.#defaultValue);
    for (const { conditions, value } of verdict.verdicts.toReversed()) {
      const fail = next;
      next = program.ret(value);
      for (const condition of conditions.toReversed()) next = emitCondition(program, condition, architecture, next, fail);
    }
    return next;
  }

  /** A binary search over segments, of which the last takes everything above. */
  #search(segments: readonly Segment[]): Label {
    const middle = segments[segments.length >> 1];
    if (middle === undefined) return this.#program.ret(this.#defaultValue);
    if (segments.length === 1) return middle.target;
    const upper = this.#search(segments.slice(segments.length >> 1));
    const lower = this.#search(segments.slice(0, segments.length >> 1));
    return this.#program.jump('ge', middle.start, upper, lower);
  }
}

/** All numbers from `start` up to the next segment's start have the same answer. */
interface Segment {
  readonly start: number;
  readonly target: Label;
}

function appendSegment(segments: Segment[], start: number, target: Label): void {
  if (segments.at(-1)?.start === start) segments.pop();
  segments.push({ start, target });
}

function joinEqual(segments: readonly Segment[]): Segment[] {
  const joined: Segment[] = [];
  for (const segment of segments) {
    if (joined.at(-1)?.start === segment.start) joined.pop();
    if (joined.at(-1)?.target !== segment.target) joined.push(segment);
  }
  return joined;
}

function architectureNamed(name: string): Architecture | 'foreign' {
  const architecture = findArchitecture(name);
  if (architecture === undefined) throw invalid(`string ${name} is not a valid arch for seccomp`);
  return architecture;
}

function flagBits(flags: readonly string[] | undefined): number {
  return (flags ?? ['SECCOMP_FILTER_FLAG_SPEC_ALLOW']).reduce((bits, flag) => {
    const bit = Object.hasOwn(SECCOMP_FLAGS, flag) ? SECCOMP_FLAGS[flag] : undefined;
    if (bit === undefined) throw invalid(`seccomp flag "${flag}" not known to runc`);
    return bits | bit;
  }, 0);
}

function invalid(message: string): LibcontainerError {
  return new LibcontainerError({ kind: 'invalid_argument', code: 'INVALID_SECCOMP', message });
}
