/** The command line of a shim: Go's flag package, as containerd calls it. */
import { ShimError } from '../errors.ts';

/** What a shim was called with. */
export interface ShimFlags {
  readonly action: string;
  readonly namespace: string;
  /** containerd's gRPC address. */
  readonly address: string;
  readonly publishBinary: string;
  readonly id: string;
  readonly bundle: string;
  readonly socket: string;
  readonly isDebug: boolean;
  readonly wantsVersion: boolean;
  readonly wantsInfo: boolean;
}

const textFlags = ['namespace', 'address', 'publish-binary', 'id', 'bundle', 'socket', 'debug-socket'] as const;
const booleanFlags = ['debug', 'v', 'version', 'info'] as const;
type TextFlag = (typeof textFlags)[number];
type BooleanFlag = (typeof booleanFlags)[number];

function isTextFlag(name: string): name is TextFlag {
  return (textFlags as readonly string[]).includes(name);
}

function isBooleanFlag(name: string): name is BooleanFlag {
  return (booleanFlags as readonly string[]).includes(name);
}

function parseBoolean(name: string, text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw usage(`invalid boolean value ${JSON.stringify(text)} for -${name}: parse error`);
}

function usage(message: string): ShimError {
  return new ShimError('unknown', 'USAGE', message);
}

/**
 * Parses `-name value`, `-name=value`, the same with two dashes, and booleans without a value, up to the first word that is no flag.
 * @throws ShimError USAGE in the words of Go's flag package
 */
export function parseShimFlags(argv: readonly string[]): ShimFlags {
  const texts: Partial<Record<TextFlag, string>> = {};
  const booleans: Partial<Record<BooleanFlag, boolean>> = {};
  let at = 0;
  for (; at < argv.length; at++) {
    const argument = argv[at] ?? '';
    if (!argument.startsWith('-') || argument === '-') break;
    if (argument === '--') {
      at++;
      break;
    }
    const [, name = '', value] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
    if (name === '') throw usage(`bad flag syntax: ${argument}`);
    if (isBooleanFlag(name)) {
      booleans[name] = value === undefined || parseBoolean(name, value);
    } else if (isTextFlag(name)) {
      const text = value ?? argv[++at];
      if (text === undefined) throw usage(`flag needs an argument: -${name}`);
      texts[name] = text;
    } else {
      throw usage(`flag provided but not defined: -${name}`);
    }
  }
  return {
    action: argv[at] ?? '',
    namespace: texts.namespace ?? '',
    address: texts.address ?? '',
    publishBinary: texts['publish-binary'] ?? '',
    id: texts.id ?? '',
    bundle: texts.bundle ?? '',
    socket: texts.socket ?? '',
    isDebug: booleans.debug ?? false,
    wantsVersion: (booleans.v ?? false) || (booleans.version ?? false),
    wantsInfo: booleans.info ?? false,
  };
}
