/** Instructions that change the configuration alone. */
import { posix } from 'node:path';
import type { ContainerDefaults } from '@dray/oci-image';
import type { Instruction } from '../dockerfile.ts';
import { BuilderError } from '../errors.ts';
import { processWord, processWords, rawWords } from '../words.ts';
import type { BuildArguments } from './build-arguments.ts';
import { keyValues } from './check-instruction.ts';
import { parseExposedPort } from './exposed-ports.ts';
import { describeHealthcheck, goQuotedList, parseHealthcheck } from './health-check.ts';
import { checkStopSignal } from './stop-signal.ts';

/** What a stage has come to. */
export interface StageState {
  config: ContainerDefaults;
  maintainer: string;
  /** A `CMD` of this stage: only then does `ENTRYPOINT` leave it. */
  hasCommand: boolean;
  readonly arguments: BuildArguments;
  readonly escape: string;
}

/** The shell of a stage. */
export function shellOf(config: ContainerDefaults): readonly string[] {
  return config.Shell !== undefined && config.Shell.length > 0 ? config.Shell : ['/bin/sh', '-c'];
}

/** The variables that an instruction sees: environment first, then build arguments. */
export function variablesOf(state: StageState): (name: string) => string | undefined {
  const env = state.config.Env ?? [];
  const values = new Map<string, string>(state.arguments.allowed(env));
  for (const entry of env) {
    const equals = entry.indexOf('=');
    values.set(equals === -1 ? entry : entry.slice(0, equals), equals === -1 ? '' : entry.slice(equals + 1));
  }
  return (name) => values.get(name);
}

/** What a metadata instruction does: changes the state, and says how history tells it. Undefined: it is no such instruction. */
export function applyMetadata(instruction: Instruction, state: StageState, note: (text: string) => void): string | undefined {
  const { name, text, json } = instruction;
  const { config, escape } = state;
  const lookup = variablesOf(state);
  const expand = (word: string): string => processWord(word, lookup, escape);
  switch (name) {
    case 'ENV': {
      const pairs = expandPairs(instruction, escape, expand);
      state.config = { ...config, Env: pairs.reduce<readonly string[]>(setVariable, config.Env ?? []) };
      return `ENV ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`;
    }
    case 'LABEL': {
      const pairs = expandPairs(instruction, escape, expand);
      state.config = { ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs) } };
      return `LABEL ${pairs.map(([key, value]) => `${key}=${value}`).join(' ')}`;
    }
    case 'MAINTAINER':
      state.maintainer = text;
      return `MAINTAINER ${text}`;
    case 'ARG':
      return `ARG ${declareArguments(text, escape, expand, (key, value) => { state.arguments.declare(key, value); })}`;
    case 'USER': {
      const user = expand(text);
      state.config = { ...config, User: user };
      return `USER ${user}`;
    }
    case 'EXPOSE': {
      const ports = rawWords(text, escape).flatMap((word) => processWords(word, lookup, escape)).sort();
      const exposed = Object.fromEntries(ports.flatMap(parseExposedPort).map((port) => [port, {}]));
      state.config = { ...config, ExposedPorts: { ...config.ExposedPorts, ...exposed } };
      return `EXPOSE ${ports.join(' ')}`;
    }
    case 'VOLUME': {
      const paths = (json ?? rawWords(text, escape)).map(expand);
      if (paths.includes('')) throw new BuilderError('INVALID_ARGUMENT', 'VOLUME specified can not be an empty string');
      state.config = { ...config, Volumes: { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) } };
      return `VOLUME [${paths.join(' ')}]`;
    }
    case 'STOPSIGNAL': {
      const signal = expand(text);
      checkStopSignal(signal);
      state.config = { ...config, StopSignal: signal };
      return `STOPSIGNAL ${signal}`;
    }
    case 'SHELL':
      state.config = { ...config, Shell: json ?? [] };
      return `SHELL [${(json ?? []).join(' ')}]`;
    case 'CMD': {
      const command = commandLine(instruction, config);
      state.config = { ...config, Cmd: command };
      if (command.length > 0) state.hasCommand = true;
      return `CMD ${goQuotedList(command)}`;
    }
    case 'ENTRYPOINT': {
      const command = commandLine(instruction, config);
      const { Cmd: _dropped, ...rest } = config;
      state.config = { ...(state.hasCommand ? config : rest), Entrypoint: command };
      return `ENTRYPOINT ${goQuotedList(command)}`;
    }
    case 'HEALTHCHECK': {
      const health = parseHealthcheck(instruction);
      const before = config.Healthcheck?.Test ?? [];
      if (before.length > 0 && before[0] !== 'NONE') note(`Note: overriding previous HEALTHCHECK: [${before.join(' ')}]\n`);
      // What a new check leaves open it takes from the one before.
      state.config = { ...config, Healthcheck: { ...config.Healthcheck, ...health } };
      return `HEALTHCHECK ${describeHealthcheck(health)}`;
    }
    case 'ONBUILD':
      state.config = { ...config, OnBuild: [...config.OnBuild ?? [], text] };
      return `ONBUILD ${text}`;
    default:
      return undefined;
  }
}

/** The working folder after a `WORKDIR`. */
export function workingFolder(instruction: Instruction, state: StageState): string {
  const path = processWord(instruction.text, variablesOf(state), state.escape);
  if (path === '') throw new BuilderError('INVALID_ARGUMENT', 'cannot normalize nothing');
  return posix.join('/', path.startsWith('/') ? '' : state.config.WorkingDir ?? '', path).replace(/(.)\/$/, '$1');
}

/** Reads an `ARG`: tells each name with its value, and gives the text that history shows. */
export function declareArguments(text: string, escape: string, expand: (word: string) => string, declare: (name: string, value: string | undefined) => void): string {
  return rawWords(text, escape).map((word) => {
    const equals = word.indexOf('=');
    const [key, value] = equals === -1 ? [expand(word), undefined] : [expand(word.slice(0, equals)), expand(word.slice(equals + 1))];
    declare(key, value);
    return value === undefined ? key : `${key}=${value}`;
  }).join(' ');
}

/** The words of a command: of the exec form, or of the shell form with its shell. */
export function commandLine({ json, text }: Pick<Instruction, 'json' | 'text'>, config: ContainerDefaults): string[] {
  return json === undefined ? [...shellOf(config), text] : [...json];
}

function expandPairs(instruction: Instruction, escape: string, expand: (word: string) => string): [key: string, value: string][] {
  return keyValues(instruction, escape).map(([key, value]) => [expand(key), expand(value)]);
}

/** Sets a variable in its place, or appends it. */
function setVariable(env: readonly string[], [key, value]: readonly [string, string]): readonly string[] {
  const index = env.findIndex((entry) => entry === key || entry.startsWith(`${key}=`));
  return index === -1 ? [...env, `${key}=${value}`] : env.with(index, `${key}=${value}`);
}
