export { type Dockerfile, findStage, type Instruction, type InstructionName, INSTRUCTIONS, parseDockerfile, parseExecForm, parseInstruction, type Stage } from './dockerfile.ts';
export { type IgnoreMatcher, parseDockerignore } from './dockerignore.ts';
export { BuilderError, type BuilderErrorCode, isBuilderError } from './errors.ts';
export { DOCKERFILE_CHARACTERS_MAX, type Directives, type Heredoc, type LogicalLine, logicalLines } from './lines.ts';
export { splitWords, substitute } from './words.ts';
