import fs from 'node:fs';
import { EngineError, messageOf, systemCode } from './errors.ts';
import { FILE_ONLY_KEYS, OPTIONS, type OptionDescription, type OptionValue } from './options.ts';

/** Where the configuration file lies when the command line does not say. */
export const CONFIG_FILE_DEFAULT = '/etc/dray/daemon.json';

/** What a configuration file says: values by flag name, and the runtimes. */
export interface DaemonJson {
  readonly values: ReadonlyMap<string, OptionValue>;
  readonly runtimes: Readonly<Record<string, FileRuntime>>;
}

/** A runtime in the configuration file. */
export interface FileRuntime { readonly path?: string; readonly runtimeType?: string; readonly runtimeArgs?: readonly string[] }

/**
 * Reads the configuration file.
 * @param path undefined reads the default one, which may be missing
 * @throws EngineError CONFIG in dockerd's words
 */
export function readDaemonJson(path: string | undefined, flags: ReadonlyMap<string, OptionValue>): DaemonJson {
  const file = path ?? CONFIG_FILE_DEFAULT;
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (path === undefined && systemCode(error) === 'ENOENT') return { values: new Map(), runtimes: {} };
    throw fileError(file, systemCode(error) === 'ENOENT' ? `open ${file}: no such file or directory` : messageOf(error));
  }
  try {
    return parseDaemonJson(text, flags);
  } catch (error) {
    throw fileError(file, messageOf(error));
  }
}

/** Parses the text of a configuration file. @throws Error that names unknown keys, conflicts with flags, and wrong types */
export function parseDaemonJson(text: string, flags: ReadonlyMap<string, OptionValue>): DaemonJson {
  if (text.trim() === '') return { values: new Map(), runtimes: {} };
  const document: unknown = JSON.parse(text);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) throw new Error('the configuration is no JSON object');
  const entries = Object.entries(document as Record<string, unknown>);
  const unknown = entries.map(([key]) => key).filter((key) => !FILE_ONLY_KEYS.includes(key) && !OPTIONS.some((option) => option.key === key)).sort();
  if (unknown.length > 0) throw new Error(`the following directives don't match any configuration option: ${unknown.join(', ')}`);
  const options = entries.flatMap(([key, value]) => OPTIONS.filter((option) => option.key === key).map((option) => ({ option, value })));
  const conflicts = options.filter(({ option }) => flags.has(option.flag)).map(({ option, value }) => `${option.key ?? ''}: (from flag: ${show(flags.get(option.flag))}, from file: ${show(value)})`);
  if (flags.has('add-runtime') && 'runtimes' in document) conflicts.push(`runtimes: (from flag: ${show(flags.get('add-runtime'))}, from file: ${show(document.runtimes)})`);
  if (conflicts.length > 0) throw new Error(`the following directives are specified both as a flag and in the configuration file: ${conflicts.sort().join(', ')}`);
  return {
    values: new Map(options.map(({ option, value }) => [option.flag, checkValue(option, value)])),
    runtimes: 'runtimes' in document ? parseRuntimes(document.runtimes) : {},
  };
}

function checkValue(option: OptionDescription, value: unknown): OptionValue {
  const wrong = (): never => {
    throw new Error(`invalid value for ${option.key ?? option.flag}: ${JSON.stringify(value)}, want ${option.kind === 'map' ? 'an object of strings' : option.kind === 'list' ? 'a list of strings' : `a ${option.kind}`}`);
  };
  switch (option.kind) {
    case 'bool': return typeof value === 'boolean' ? value : wrong();
    case 'string': return typeof value === 'string' ? value : wrong();
    case 'int': return typeof value === 'number' && Number.isSafeInteger(value) ? value : wrong();
    case 'list':
      // `default-ulimits` is an object of objects in the file.
      if (option.flag === 'default-ulimit' && typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.values(value).map((limit: unknown) => ulimitText(limit) ?? wrong());
      return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : wrong();
    case 'map': return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every((item) => typeof item === 'string') ? value as Record<string, string> : wrong();
  }
}

function ulimitText(limit: unknown): string | undefined {
  if (typeof limit !== 'object' || limit === null) return undefined;
  const { Name: name, Soft: soft, Hard: hard } = limit as Record<string, unknown>;
  return typeof name === 'string' && typeof soft === 'number' && typeof hard === 'number' ? `${name}=${soft}:${hard}` : undefined;
}

function parseRuntimes(value: unknown): Record<string, FileRuntime> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('invalid value for runtimes: want an object');
  return Object.fromEntries(Object.entries(value).map(([name, runtime]: [string, unknown]) => {
    const { path, runtimeType, runtimeArgs } = (typeof runtime === 'object' && runtime !== null ? runtime : {}) as Record<string, unknown>;
    if (typeof path !== 'string' && typeof runtimeType !== 'string') throw new Error(`runtime "${name}": either a runtimeType or a path must be configured`);
    if (typeof path === 'string' && typeof runtimeType === 'string') throw new Error(`runtime "${name}": cannot have both runtimeType and path`);
    return [name, {
      ...typeof path === 'string' ? { path } : {},
      ...typeof runtimeType === 'string' ? { runtimeType } : {},
      ...Array.isArray(runtimeArgs) ? { runtimeArgs: runtimeArgs.map(String) } : {},
    }];
  }));
}

function show(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(String).join(' ')}]`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function fileError(file: string, reason: string): EngineError {
  return new EngineError('invalid_argument', 'CONFIG', `unable to configure the Docker daemon with file ${file}: ${reason}`);
}
