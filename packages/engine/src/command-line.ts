import { EngineError } from './errors.ts';
import { OPTIONS, type OptionDescription, type OptionValue } from './options.ts';

const TRUE_WORDS: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE_WORDS: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/**
 * Reads the command line by the rules of dockerd's flags: `--flag value`, `--flag=value`, `-Hvalue`, `-D`, `--debug=false`, `--` ends them.
 * @throws EngineError USAGE in dockerd's words, exit status 125
 */
export function parseCommandLine(args: readonly string[]): Map<string, OptionValue> {
  const values = new Map<string, OptionValue>();
  for (let index = 0; index < args.length; index += 1) {
    const word = args[index] ?? '';
    if (word === '--' || !word.startsWith('-') || word === '-') throw usageError('"drayd" accepts no argument(s).', 1);
    const { option, spelling, attached } = findOption(word);
    let text = attached;
    if (text === undefined && option.kind === 'bool') text = 'true';
    if (text === undefined) {
      index += 1;
      text = args[index];
      if (text === undefined) throw usageError(word.startsWith('--') ? `flag needs an argument: ${spelling}` : `flag needs an argument: '${option.short ?? ''}' in ${spelling}`);
    }
    values.set(option.flag, addValue(option, values.get(option.flag), text, spelling));
  }
  return values;
}

function findOption(word: string): { option: OptionDescription; spelling: string; attached: string | undefined } {
  if (word.startsWith('--')) {
    const equals = word.indexOf('=');
    const name = word.slice(2, equals < 0 ? undefined : equals);
    const option = OPTIONS.find((candidate) => candidate.flag === name);
    if (option === undefined) throw usageError(`unknown flag: --${name}`);
    return { option, spelling: `--${name}`, attached: equals < 0 ? undefined : word.slice(equals + 1) };
  }
  const option = OPTIONS.find((candidate) => candidate.short === word.charAt(1));
  if (option === undefined) throw usageError(`unknown shorthand flag: '${word.charAt(1)}' in ${word}`);
  const rest = word.slice(2).replace(/^=/, '');
  return { option, spelling: `-${word.charAt(1)}, --${option.flag}`, attached: rest === '' ? undefined : rest };
}

function addValue(option: OptionDescription, before: OptionValue | undefined, text: string, spelling: string): OptionValue {
  switch (option.kind) {
    case 'bool':
      if (!TRUE_WORDS.has(text) && !FALSE_WORDS.has(text)) throw usageError(`invalid argument ${JSON.stringify(text)} for "${spelling}" flag: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
      return TRUE_WORDS.has(text);
    case 'int':
      if (!/^[-+]?\d{1,15}$/.test(text)) throw usageError(`invalid argument ${JSON.stringify(text)} for "${spelling}" flag: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
      return Number(text);
    case 'list': return [...Array.isArray(before) ? before as string[] : [], text];
    case 'map': {
      const equals = text.indexOf('=');
      return { ...typeof before === 'object' ? before : {}, [equals < 0 ? text : text.slice(0, equals)]: equals < 0 ? '' : text.slice(equals + 1) };
    }
    case 'string': return text;
  }
}

function usageError(message: string, exitStatus = 125): EngineError {
  return new EngineError('invalid_argument', 'USAGE', `${message}\nSee 'drayd --help'.`, { exitStatus });
}
