/** A flag that a command knows. `names` without dashes, the main one first. */
export interface FlagDefinition {
  readonly names: readonly string[];
  readonly kind: 'boolean' | 'text' | 'integer' | 'texts' | 'duration';
  readonly usage: string;
  readonly fallback?: string;
  readonly isHidden?: boolean;
}

/** What a command line said. */
export interface ParsedFlags {
  /** The last value of a flag by its main name; booleans are "true" or "false". */
  readonly values: ReadonlyMap<string, string>;
  /** All values of flags that may be repeated. */
  readonly lists: ReadonlyMap<string, readonly string[]>;
  /** From the first word that is not a flag. */
  readonly rest: readonly string[];
}

/** A command line that does not follow the flags. The message is Go's flag package's. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const TRUE_WORDS = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE_WORDS = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/**
 * Parses flags as Go's flag package does: one dash or two, `-x=v` or `-x v`, and none after the first other word.
 * @throws UsageError
 */
export function parseFlags(definitions: readonly FlagDefinition[], args: readonly string[]): ParsedFlags {
  const values = new Map<string, string>();
  const lists = new Map<string, string[]>();
  let index = 0;
  for (; index < args.length; index++) {
    const word = args[index] ?? '';
    if (!word.startsWith('-') || word === '-') break;
    if (word === '--') {
      index++;
      break;
    }
    const { name, value: attached } = splitFlag(word);
    const definition = definitions.find((each) => each.names.includes(name));
    if (definition === undefined) throw new UsageError(`flag provided but not defined: -${name}`);
    const value = attached ?? (definition.kind === 'boolean' ? 'true' : args[++index]);
    if (value === undefined) throw new UsageError(`flag needs an argument: -${name}`);
    store(definition, name, value, values, lists);
  }
  return { values, lists, rest: args.slice(index) };
}

/** Milliseconds of a Go duration such as `1m30s` or `500ms`; `undefined` if it is none. */
export function parseDuration(text: string): number | undefined {
  const units: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  if (text === '0') return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)].reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
}

function splitFlag(word: string): { name: string; value: string | undefined } {
  const body = word.startsWith('--') ? word.slice(2) : word.slice(1);
  if (body === '' || body.startsWith('-') || body.startsWith('=')) throw new UsageError(`bad flag syntax: ${word}`);
  const equals = body.indexOf('=');
  return equals === -1 ? { name: body, value: undefined } : { name: body.slice(0, equals), value: body.slice(equals + 1) };
}

function store(definition: FlagDefinition, name: string, value: string, values: Map<string, string>, lists: Map<string, string[]>): void {
  const main = definition.names[0] ?? name;
  switch (definition.kind) {
    case 'boolean':
      if (!TRUE_WORDS.has(value) && !FALSE_WORDS.has(value)) throw new UsageError(`invalid boolean value "${value}" for -${name}: parse error`);
      values.set(main, String(TRUE_WORDS.has(value)));
      return;
    case 'integer':
      if (!/^[+-]?\d+$/.test(value)) throw new UsageError(`invalid value "${value}" for flag -${name}: parse error`);
      values.set(main, String(Number(value)));
      return;
    case 'duration':
      if (parseDuration(value) === undefined) throw new UsageError(`invalid value "${value}" for flag -${name}: parse error`);
      values.set(main, value);
      return;
    case 'texts':
      lists.set(main, [...(lists.get(main) ?? []), value]);
      return;
    case 'text':
      values.set(main, value);
  }
}
