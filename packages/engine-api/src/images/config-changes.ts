import { isBuilderError, parseInstruction, splitWords } from '@dray/builder';
import { invalid } from '../errors.ts';
import { parseGoDuration } from '../until-filter.ts';
import type { ContainerDefaults, HealthcheckConfiguration } from './image-configuration.ts';

type Change = (config: ContainerDefaults, text: string, words: readonly string[] | undefined) => ContainerDefaults;

const APPLY: Readonly<Record<string, Change>> = {
  CMD: (config, text, words) => ({ ...config, Cmd: words ?? ['/bin/sh', '-c', text] }),
  ENTRYPOINT: (config, text, words) => ({ ...config, Entrypoint: words ?? ['/bin/sh', '-c', text] }),
  ENV: (config, text) => ({ ...config, Env: pairs(text).reduce<string[]>((env, [key, value]) => [...env.filter((entry) => !entry.startsWith(`${key}=`)), `${key}=${value}`], [...config.Env ?? []]) }),
  EXPOSE: (config, text) => ({ ...config, ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(text.split(/\s+/).map((port) => [port.includes('/') ? port : `${port}/tcp`, {}])) } }),
  LABEL: (config, text) => ({ ...config, Labels: { ...config.Labels, ...Object.fromEntries(pairs(text)) } }),
  ONBUILD: (config, text) => ({ ...config, OnBuild: [...config.OnBuild ?? [], text] }),
  USER: (config, text) => ({ ...config, User: text }),
  VOLUME: (config, text, words) => ({ ...config, Volumes: { ...config.Volumes, ...Object.fromEntries((words ?? text.split(/\s+/)).map((path) => [path, {}])) } }),
  WORKDIR: (config, text) => ({ ...config, WorkingDir: text.startsWith('/') ? text : `${(config.WorkingDir ?? '').replace(/\/$/, '')}/${text}` }),
  STOPSIGNAL: (config, text) => ({ ...config, StopSignal: text }),
};

/**
 * Applies the `changes` of a commit or an import: instructions of a Dockerfile, one per line.
 * @throws EngineApiError invalid_argument on instructions that are not allowed here
 */
export function applyChanges(config: ContainerDefaults, changes: readonly string[]): ContainerDefaults {
  let result = config;
  for (const line of changes.flatMap((change) => change.split('\n')).map((text) => text.trim()).filter((text) => text !== '')) {
    const { name, text, json, flags } = parse(line);
    if (name === 'HEALTHCHECK') {
      result = { ...result, Healthcheck: healthcheck(text, json, flags) };
      continue;
    }
    const apply = APPLY[name];
    if (apply === undefined) throw invalid(`${name} is not a valid change command`, 'INVALID_CHANGE');
    result = apply(result, text, json);
  }
  return result;
}

function parse(line: string): { name: string; text: string; json: readonly string[] | undefined; flags: readonly { name: string; value: string }[] } {
  try {
    const instruction = parseInstruction(line);
    return { name: instruction.name, text: instruction.text, json: instruction.json, flags: instruction.flags };
  } catch (error) {
    throw invalid(isBuilderError(error) ? error.message : String(error), 'INVALID_CHANGE');
  }
}

/** `key=value key2="a b"`, or the old form `key value with spaces`. */
function pairs(text: string): [string, string][] {
  const words = splitWords(text);
  if (!(words[0] ?? '').includes('=')) {
    const space = text.search(/\s/);
    if (space < 0) throw invalid(`${text} must have two arguments`, 'INVALID_CHANGE');
    return [[text.slice(0, space), text.slice(space).trim()]];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals <= 0) throw invalid(`syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`, 'INVALID_CHANGE');
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function healthcheck(text: string, json: readonly string[] | undefined, flags: readonly { name: string; value: string }[]): HealthcheckConfiguration {
  const words = /^(\S+)\s*([^]*)$/.exec(text);
  const kind = words?.[1]?.toUpperCase();
  if (kind === 'NONE') return { Test: ['NONE'] };
  if (kind !== 'CMD') throw invalid(`Unknown type ${JSON.stringify(kind ?? '')} in HEALTHCHECK (try CMD)`, 'INVALID_CHANGE');
  const command = words?.[2] ?? '';
  const nanos = (name: string): number | undefined => {
    const value = flags.find((flag) => flag.name === name)?.value;
    const milliseconds = value === undefined ? undefined : parseGoDuration(value);
    if (value !== undefined && milliseconds === undefined) throw invalid(`time: invalid duration ${JSON.stringify(value)}`, 'INVALID_CHANGE');
    return milliseconds === undefined ? undefined : milliseconds * 1e6;
  };
  const retries = flags.find((flag) => flag.name === 'retries')?.value;
  return Object.fromEntries(Object.entries({
    Test: json ?? (command.startsWith('[') ? ['CMD', ...JSON.parse(command) as string[]] : ['CMD-SHELL', command]),
    Interval: nanos('interval'), Timeout: nanos('timeout'), StartPeriod: nanos('start-period'), StartInterval: nanos('start-interval'), Retries: retries === undefined ? undefined : Number(retries),
  }).filter(([, value]) => value !== undefined));
}
