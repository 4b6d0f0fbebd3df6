import { BuilderError } from './errors.ts';
import { type Directives, type Heredoc, logicalLines } from './lines.ts';
import { splitWords } from './words.ts';

/** The instructions a Dockerfile may hold. */
export const INSTRUCTIONS = ['ADD', 'ARG', 'CMD', 'COPY', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'FROM', 'HEALTHCHECK', 'LABEL', 'MAINTAINER', 'ONBUILD', 'RUN', 'SHELL', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR'] as const;
/** One instruction's name. */
export type InstructionName = (typeof INSTRUCTIONS)[number];

/** One instruction as written: variables are not yet replaced. */
export interface Instruction {
  readonly name: InstructionName;
  /** `--key=value` and `--key` before the arguments; a flag without value has the value `true`. */
  readonly flags: readonly { readonly name: string; readonly value: string }[];
  /** What follows name and flags. */
  readonly text: string;
  /** The words of a JSON array, where the arguments are one (exec form). */
  readonly json?: readonly string[];
  readonly heredocs: readonly Heredoc[];
  /** Its first line in the file, from 1. */
  readonly line: number;
  /** The whole instruction in one line, as written: build output shows it. */
  readonly original: string;
}

/** One `FROM` and what follows it. */
export interface Stage { readonly index: number; readonly name?: string; readonly base: string; readonly platform?: string; readonly instructions: readonly Instruction[]; readonly line: number; /** The `FROM` in one line, as written. */ readonly original: string }

/** A parsed Dockerfile. */
export interface Dockerfile {
  readonly directives: Directives;
  /** The `ARG`s before the first `FROM`: they are known to `FROM` lines only. */
  readonly globalArguments: readonly Instruction[];
  readonly stages: readonly Stage[];
}

const TAKES_FLAGS: ReadonlySet<InstructionName> = new Set<InstructionName>(['ADD', 'COPY', 'FROM', 'HEALTHCHECK', 'RUN']);
const TAKES_JSON: ReadonlySet<InstructionName> = new Set<InstructionName>(['ADD', 'CMD', 'COPY', 'ENTRYPOINT', 'RUN', 'SHELL', 'VOLUME']);
const ARGUMENTS_WANTED: Readonly<Partial<Record<InstructionName, string>>> = {
  FROM: 'either one or three arguments', MAINTAINER: 'exactly one argument', STOPSIGNAL: 'exactly one argument', USER: 'exactly one argument', WORKDIR: 'exactly one argument',
};
const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/;

/**
 * Parses a Dockerfile into its stages.
 *
 * @throws BuilderError `DOCKERFILE_SYNTAX` or `UNKNOWN_INSTRUCTION`, in the classic builder's words.
 */
export function parseDockerfile(source: string): Dockerfile {
  const { directives, lines } = logicalLines(source);
  const instructions = lines.map(({ text, line, heredocs }) => parseInstruction(text, { line, heredocs, escape: directives.escape }));
  if (instructions.length === 0) throw new BuilderError('DOCKERFILE_SYNTAX', source === '' ? 'the Dockerfile cannot be empty' : 'failed to parse Dockerfile: file with no instructions');
  const first = instructions.findIndex(({ name }) => name === 'FROM');
  const early = instructions.slice(0, first === -1 ? undefined : first).find(({ name }) => name !== 'ARG');
  if (early) throw new BuilderError('DOCKERFILE_SYNTAX', `no build stage in current context`, early.line);
  if (first === -1) throw new BuilderError('DOCKERFILE_SYNTAX', 'no build stage in current context');
  return { directives, globalArguments: instructions.slice(0, first), stages: splitStages(instructions.slice(first)) };
}

/**
 * Parses one instruction, such as the argument of `ONBUILD` or a `--change` of commit.
 *
 * @throws BuilderError `DOCKERFILE_SYNTAX` or `UNKNOWN_INSTRUCTION`
 */
export function parseInstruction(text: string, { line = 1, heredocs = [], escape = '\\' }: { line?: number; heredocs?: readonly Heredoc[]; escape?: string } = {}): Instruction {
  const [, word = '', rest = ''] = /^(\S+)\s*([^]*)$/.exec(text.trim()) ?? [];
  const name = INSTRUCTIONS.find((known) => known === word.toUpperCase());
  if (name === undefined) throw new BuilderError('UNKNOWN_INSTRUCTION', `dockerfile parse error on line ${line}: unknown instruction: ${word}`, line);
  if (rest === '' && name !== 'CMD' && name !== 'ENTRYPOINT') throw new BuilderError('DOCKERFILE_SYNTAX', `dockerfile parse error on line ${line}: ${name} requires ${ARGUMENTS_WANTED[name] ?? 'at least one argument'}`, line);
  const { flags, text: argument } = TAKES_FLAGS.has(name) ? takeFlags(rest, escape) : { flags: [], text: rest };
  const json = TAKES_JSON.has(name) ? parseExecForm(argument) : undefined;
  return { name, flags, text: argument, ...(json && { json }), heredocs, line, original: text.trim() };
}

/** The words of an exec form, or undefined where the text is none: then it is the shell form. */
export function parseExecForm(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : undefined;
  } catch {
    return undefined; // the original takes what is no JSON array as a shell command
  }
}

/**
 * The stage that a name or number means.
 *
 * @throws BuilderError `STAGE_NOT_FOUND`
 */
export function findStage(dockerfile: Dockerfile, target: string): Stage {
  const stage = dockerfile.stages.find(({ name, index }) => name === target.toLowerCase() || String(index) === target);
  if (!stage) throw new BuilderError('STAGE_NOT_FOUND', `failed to reach build target ${target} in Dockerfile`);
  return stage;
}

function takeFlags(text: string, escape: string): { flags: { name: string; value: string }[]; text: string } {
  const flags: { name: string; value: string }[] = [];
  let rest = text;
  for (let match = /^--([^\s=]*)(?:=((?:"(?:\\.|[^"])*"|'[^']*'|\S)*))?(?:\s+|$)/.exec(rest); match; match = /^--([^\s=]*)(?:=((?:"(?:\\.|[^"])*"|'[^']*'|\S)*))?(?:\s+|$)/.exec(rest)) {
    rest = rest.slice(match[0].length);
    if (match[1] === '') break;
    flags.push({ name: match[1] ?? '', value: match[2] === undefined ? 'true' : splitWords(match[2], escape).join('') });
  }
  return { flags, text: rest };
}

function splitStages(instructions: readonly Instruction[]): Stage[] {
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  for (const instruction of instructions) {
    if (instruction.name === 'FROM') stages.push({ ...parseFrom(instruction), index: stages.length, instructions: [], line: instruction.line, original: instruction.original });
    else stages.at(-1)?.instructions.push(instruction);
  }
  return stages;
}

function parseFrom(instruction: Instruction): { base: string; name?: string; platform?: string } {
  const words = instruction.text.split(/\s+/);
  const [base = '', as, name] = words;
  const fail = (why: string): BuilderError => new BuilderError('DOCKERFILE_SYNTAX', `dockerfile parse error on line ${instruction.line}: ${why}`, instruction.line);
  if (words.length !== 1 && !(words.length === 3 && as?.toUpperCase() === 'AS')) throw fail('FROM requires either one or three arguments');
  if (name !== undefined && !STAGE_NAME.test(name.toLowerCase())) throw fail(`invalid name for build stage: "${name}", name can't start with a number or contain symbols`);
  const unknown = instruction.flags.find((flag) => flag.name !== 'platform');
  if (unknown) throw fail(`unknown flag: --${unknown.name}`);
  const platform = instruction.flags.at(-1)?.value;
  return { base, ...(name !== undefined && { name: name.toLowerCase() }), ...(platform !== undefined && { platform }) };
}
