import { LibcontainerError } from '../errors.ts';
import { type Architecture, syscallNumbers } from './architectures.ts';
import { type Condition, conditionKey } from './conditions.ts';
import { multiplexedCall } from './multiplexed.ts';
import { SECCOMP_ACTIONS, SECCOMP_OPERATORS, type SeccompArg, type SeccompProfile, type SeccompRule } from './profile.ts';

/** A list of conditions that must all hold, and the filter's return value if they do. */
export interface ConditionalVerdict {
  readonly conditions: readonly Condition[];
  readonly value: number;
}

/** What a filter answers for one system call: always the same, or the first of `verdicts` that holds. */
export type CallVerdict = { readonly kind: 'always'; readonly value: number } | { readonly kind: 'when'; readonly verdicts: ConditionalVerdict[] };

/** A rule after validation, for one name. */
export interface CheckedRule {
  readonly name: string;
  readonly value: number;
  /** Alternatives; none means the rule holds always. */
  readonly alternatives: readonly (readonly Condition[])[];
}

const EPERM = 1;
const ARGUMENTS_MAX = 6;
const UINT64_MASK = 0xffff_ffff_ffff_ffffn;

/**
 * The return value of a filter for an OCI action.
 * @throws LibcontainerError `invalid_argument` for an unknown action, in runc's words.
 */
export function actionValue(action: string, errnoRet: number | undefined): number {
  const base = Object.hasOwn(SECCOMP_ACTIONS, action) ? SECCOMP_ACTIONS[action] : undefined;
  if (base === undefined) throw invalid(`string ${action} is not a valid action for seccomp`);
  const takesData = action === 'SCMP_ACT_ERRNO' || action === 'SCMP_ACT_TRACE';
  return takesData ? base + ((errnoRet ?? EPERM) & 0xffff) : base;
}

/** Validates a profile's rules, drops those that say what the default says, and orders each by name. */
export function checkRules(profile: SeccompProfile): CheckedRule[] {
  const defaultValue = actionValue(profile.defaultAction, profile.defaultErrnoRet);
  const rules: CheckedRule[] = [];
  for (const rule of profile.syscalls ?? []) {
    const value = actionValue(rule.action, rule.errnoRet);
    const alternatives = alternativesOf(rule);
    for (const name of rule.names) {
      if (name === '') throw invalid('empty string is not a valid syscall');
      if (rule.action === 'SCMP_ACT_NOTIFY' && name === 'write') throw invalid('SCMP_ACT_NOTIFY cannot be used for the write syscall');
      if (value !== defaultValue) rules.push({ name, value, alternatives });
    }
  }
  return rules;
}

/**
 * The verdicts of an architecture by system call number. A rule without conditions replaces the conditional ones and is final;
 * names that the architecture does not have are ignored.
 */
export function verdictsFor(architecture: Architecture, rules: readonly CheckedRule[]): Map<number, CallVerdict> {
  const numbers = syscallNumbers(architecture);
  const verdicts = new Map<number, CallVerdict>();
  for (const rule of rules) {
    const number = numbers.get(rule.name);
    if (number !== undefined) addVerdict(verdicts, number, rule.name, rule.value, rule.alternatives);
    const multiplexed = multiplexedCall(architecture, rule.name);
    if (multiplexed !== undefined) {
      addVerdict(verdicts, multiplexed.number, rule.name, rule.value, throughMultiplexer(rule.alternatives, multiplexed.condition));
    }
  }
  return verdicts;
}

/** The first argument of a multiplexed call selects the call, which takes the place of a condition on it (libseccomp does the same). */
function throughMultiplexer(alternatives: readonly (readonly Condition[])[], selector: Condition): (readonly Condition[])[] {
  const lists = alternatives.length === 0 ? [[]] : alternatives;
  return lists.map((conditions) => [selector, ...conditions.filter((condition) => condition.index !== 0)]);
}

function addVerdict(verdicts: Map<number, CallVerdict>, number: number, name: string, value: number, alternatives: readonly (readonly Condition[])[]): void {
  const known = verdicts.get(number);
  if (known?.kind === 'always') return;
  if (alternatives.length === 0) {
    verdicts.set(number, { kind: 'always', value });
    return;
  }
  const list = known?.verdicts ?? [];
  for (const conditions of alternatives) {
    const key = listKey(conditions);
    const same = list.find((verdict) => listKey(verdict.conditions) === key);
    if (same === undefined) list.push({ conditions, value });
    else if (same.value !== value) throw invalid(`error adding seccomp rule for syscall ${name}: file exists`);
  }
  verdicts.set(number, { kind: 'when', verdicts: list });
}

function listKey(conditions: readonly Condition[]): string {
  return conditions.map(conditionKey).sort().join('; ');
}

function alternativesOf(rule: SeccompRule): (readonly Condition[])[] {
  const conditions = (rule.args ?? []).map((arg) => checkArg(arg, rule.names[0] ?? ''));
  if (conditions.length === 0) return [];
  const indexes = new Set(conditions.map((condition) => condition.index));
  // A filter library cannot hold two conditions on one argument in one rule; runc has always made a rule of each instead.
  return indexes.size === conditions.length ? [conditions] : conditions.map((condition) => [condition]);
}

function checkArg(arg: SeccompArg, name: string): Condition {
  if (!SECCOMP_OPERATORS.includes(arg.op)) throw invalid(`string ${arg.op} is not a valid operator for seccomp`);
  if (!Number.isInteger(arg.index) || arg.index < 0 || arg.index >= ARGUMENTS_MAX) {
    throw invalid(`error creating seccomp syscall condition for syscall ${name}: syscalls only have up to 6 arguments (${arg.index} given)`);
  }
  return { index: arg.index, op: arg.op, value: BigInt(arg.value) & UINT64_MASK, valueTwo: BigInt(arg.valueTwo ?? 0) & UINT64_MASK };
}

function invalid(message: string): LibcontainerError {
  return new LibcontainerError({ kind: 'invalid_argument', code: 'INVALID_SECCOMP', message });
}
