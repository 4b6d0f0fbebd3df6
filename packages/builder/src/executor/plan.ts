import { type Dockerfile, type Instruction, parseDockerfile, parseInstruction, type Stage } from '../dockerfile.ts';
import { BuilderError } from '../errors.ts';
import { checkInstruction } from './check-instruction.ts';

/** What a build will do. */
export interface BuildPlan {
  readonly dockerfile: Dockerfile;
  /** The stages up to the one wanted. */
  readonly stages: readonly Stage[];
  /** How many steps the output counts. */
  readonly stepCount: number;
}

/**
 * Reads a Dockerfile and checks all that can be told before anything is built. Labels of the client become a last instruction.
 *
 * @throws BuilderError `DOCKERFILE_SYNTAX`, `UNKNOWN_INSTRUCTION`, `STAGE_NOT_FOUND`
 */
export function planBuild(source: string, options: { readonly target: string; readonly labels: Readonly<Record<string, string>> }): BuildPlan {
  const dockerfile = parseDockerfile(source);
  const { escape } = dockerfile.directives;
  for (const instruction of [...dockerfile.globalArguments, ...dockerfile.stages.flatMap(({ instructions }) => instructions)]) checkInstruction(instruction, escape);
  const stages = withLabels(stagesUpTo(dockerfile, options.target), options.labels);
  const stepCount = dockerfile.globalArguments.length + stages.reduce((sum, stage) => sum + 1 + stage.instructions.length, 0);
  return { dockerfile, stages, stepCount };
}

/** Stages after the target are not built; all before it are. The classic builder knows targets by name alone. */
function stagesUpTo(dockerfile: Dockerfile, target: string): readonly Stage[] {
  if (target === '') return dockerfile.stages;
  const index = dockerfile.stages.findIndex(({ name }) => name === target.toLowerCase());
  if (index === -1) throw new BuilderError('STAGE_NOT_FOUND', `failed to reach build target ${target} in Dockerfile`);
  return dockerfile.stages.slice(0, index + 1);
}

function withLabels(stages: readonly Stage[], labels: Readonly<Record<string, string>>): readonly Stage[] {
  const last = stages.at(-1);
  if (last === undefined) return stages;
  const instructions = Object.keys(labels).sort().map((name): Instruction => {
    const value = labels[name] ?? '';
    return { ...parseInstruction(`LABEL ${singleQuoted(name)}=${singleQuoted(value)}`), original: `LABEL ${name}=${value}` };
  });
  return [...stages.slice(0, -1), { ...last, instructions: [...last.instructions, ...instructions] }];
}

/** Variables in what the command line says are no variables of the Dockerfile. */
function singleQuoted(text: string): string {
  return text.split("'").map((part) => `'${part}'`).join(`"'"`);
}
