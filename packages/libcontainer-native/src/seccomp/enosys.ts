import { type Architecture, syscallNumbers } from './architectures.ts';
import { multiplexedCall } from './multiplexed.ts';
import type { SeccompProfile } from './profile.ts';

const ENOSYS = 38;
/** A tracer decides about unknown calls itself, so `SCMP_ACT_TRACE` counts as permissive. */
const PERMISSIVE = new Set(['SCMP_ACT_ALLOW', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE']);

/**
 * Whether calls that are newer than a profile must answer ENOSYS in place of the default action. Without it a C library that tries
 * a new call first takes EPERM for the final word and does not fall back to the old one.
 */
export function needsEnosysStub(profile: SeccompProfile): boolean {
  return !PERMISSIVE.has(profile.defaultAction) && profile.defaultErrnoRet !== ENOSYS;
}

/** The highest number among the calls that a profile names, whatever it says about them; a multiplexer counts as named with its calls. */
export function largestSyscall(profile: SeccompProfile, architecture: Architecture): number | undefined {
  const numbers = syscallNumbers(architecture);
  let largest = 0;
  for (const rule of profile.syscalls ?? []) {
    for (const name of rule.names) largest = Math.max(largest, numbers.get(name) ?? 0, multiplexedCall(architecture, name)?.number ?? 0);
  }
  return largest === 0 ? undefined : largest;
}
