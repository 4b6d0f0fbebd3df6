import { type Instruction, type InstructionName, parseInstruction } from '../dockerfile.ts';
import { BuilderError, isBuilderError } from '../errors.ts';
import { rawWords } from '../words.ts';
import { parseHealthcheck } from './health-check.ts';

const FLAGS: Readonly<Partial<Record<InstructionName, readonly string[]>>> = {
  ADD: ['chown', 'chmod', 'link', 'keep-git-dir', 'checksum', 'unpack', 'exclude'],
  COPY: ['from', 'chown', 'chmod', 'link', 'parents', 'exclude'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'start-interval', 'retries'],
  RUN: ['mount', 'network', 'security', 'device'],
};
const ONE_WORD: ReadonlySet<InstructionName> = new Set<InstructionName>(['MAINTAINER', 'USER', 'STOPSIGNAL', 'WORKDIR']);

/**
 * Checks what can be told of an instruction before anything is built.
 *
 * @throws BuilderError `DOCKERFILE_SYNTAX`
 */
export function checkInstruction(instruction: Instruction, escape: string): void {
  const { name, text, json, flags, line, heredocs } = instruction;
  const fail = (why: string): BuilderError => new BuilderError('DOCKERFILE_SYNTAX', `dockerfile parse error on line ${line}: ${why}`, line);
  const unknown = flags.find((flag) => !(FLAGS[name] ?? []).includes(flag.name));
  if (unknown !== undefined) throw fail(`unknown flag: --${unknown.name}`);
  if (ONE_WORD.has(name) && text === '') throw fail(`${name} requires exactly one argument`);
  switch (name) {
    case 'ENV':
    case 'LABEL': {
      const found = keyValues(instruction, escape);
      if (found.some(([key]) => key === '')) throw fail(`${name} names can not be blank`);
      return;
    }
    case 'ARG':
      for (const word of rawWords(text, escape)) if (word.startsWith('=')) throw fail('ARG names can not be blank');
      return;
    case 'ADD':
    case 'COPY':
      if ((json ?? rawWords(text, escape)).length < 2) throw fail(`${name} requires at least two arguments, but only one was provided. Destination could not be determined`);
      return;
    case 'SHELL':
      if (json === undefined) throw fail('SHELL requires the arguments to be in JSON form');
      if (json.length === 0) throw fail('SHELL requires at least one argument');
      return;
    case 'VOLUME':
      if ((json ?? text.split(/\s+/)).some((path) => path.trim() === '')) throw fail('VOLUME specified can not be an empty string');
      return;
    case 'HEALTHCHECK':
      parseHealthcheck(instruction);
      return;
    case 'ONBUILD':
      checkTrigger(text, fail);
      return;
    case 'RUN':
      if (json?.length === 0 && heredocs.length === 0) throw fail('RUN requires at least one argument');
      return;
    default:
  }
}

function checkTrigger(text: string, fail: (why: string) => BuilderError): void {
  const word = (/^\S+/.exec(text)?.[0] ?? '').toUpperCase();
  if (word === 'ONBUILD') throw fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (word === 'MAINTAINER' || word === 'FROM') throw fail(`${word} isn't allowed as an ONBUILD trigger`);
  try {
    parseInstruction(text);
  } catch (error) {
    throw isBuilderError(error) ? fail(error.message.replace(/^dockerfile parse error on line \d+: /, '')) : error;
  }
}

/**
 * The pairs of `ENV` and `LABEL`, quotes still in them: `a=b c="d e"`, or the old form `a b c`.
 *
 * @throws BuilderError `DOCKERFILE_SYNTAX`
 */
export function keyValues({ name, text }: Instruction, escape: string): [key: string, value: string][] {
  const words = rawWords(text, escape);
  if (!(words[0] ?? '').includes('=')) {
    const [, key, value] = /^(\S+)\s+(\S[^]*)$/.exec(text) ?? [];
    if (key === undefined || value === undefined) throw new BuilderError('DOCKERFILE_SYNTAX', `failed to parse Dockerfile: ${name} must have two arguments`);
    return [[key, value]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals === -1) throw new BuilderError('DOCKERFILE_SYNTAX', `failed to parse Dockerfile: Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}
