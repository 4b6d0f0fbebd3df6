import { parseArgs } from 'node:util';
import { ContainerdError, errorText } from './errors.ts';

/** What the command line asks for. */
export type Command =
  | { readonly name: 'serve'; readonly options: GlobalOptions }
  | { readonly name: 'config-default' }
  | { readonly name: 'config-dump'; readonly options: GlobalOptions }
  | { readonly name: 'publish'; readonly address: string; readonly topic: string; readonly namespace: string }
  | { readonly name: 'version' }
  | { readonly name: 'help' };

/** The options before the command. */
export interface GlobalOptions {
  readonly config: string | undefined;
  readonly root: string | undefined;
  readonly state: string | undefined;
  readonly address: string | undefined;
  readonly logLevel: string | undefined;
}

/** What `--help` prints. */
export const HELP = `NAME:
   dray-containerd - containerd's API on Node

USAGE:
   dray-containerd [global options] command [command options]

COMMANDS:
   config default   print the default configuration
   config dump      print the configuration that would be used
   publish          publish an event, read from stdin, to a running daemon
   (none)           start the daemon in the foreground

GLOBAL OPTIONS:
   --config value, -c value     path to the configuration file (default: "/etc/dray-containerd/config.toml")
   --log-level value, -l value  set the logging level [trace, debug, info, warn, error, fatal, panic]
   --address value, -a value    address for the GRPC server
   --root value                 root directory
   --state value                state directory
   --help, -h                   show help
   --version, -v                print the version
`;

/**
 * Reads the command line. Flags are Go's: one dash or two.
 *
 * @throws ContainerdError `invalid_argument`, `INVALID_USAGE`
 */
export function parseCommand(args: readonly string[]): Command {
  const commandAt = commandIndex(args);
  const globals = parseGlobals(args.slice(0, commandAt));
  if (globals.version) return { name: 'version' };
  if (globals.help) return { name: 'help' };
  const [command, ...rest] = args.slice(commandAt);
  switch (command) {
    case undefined:
      return { name: 'serve', options: globals.options };
    case 'config':
      if (rest[0] === 'default') return { name: 'config-default' };
      if (rest[0] === 'dump') return { name: 'config-dump', options: globals.options };
      throw usage(`unknown command "config ${rest.join(' ')}", want "config default" or "config dump"`);
    case 'publish':
      return parsePublish(rest, globals.options);
    case 'help':
      return { name: 'help' };
    default:
      throw usage(`unknown command "${command}"`);
  }
}

const VALUE_FLAGS: ReadonlySet<string> = new Set(['config', 'c', 'root', 'state', 'address', 'a', 'log-level', 'l']);

/** The position of the first word that is neither a flag nor a flag's value. */
function commandIndex(args: readonly string[]): number {
  let at = 0;
  while (at < args.length) {
    const word = args[at] ?? '';
    if (!word.startsWith('-')) return at;
    at += VALUE_FLAGS.has(word.replace(/^--?/, '')) ? 2 : 1;
  }
  return args.length;
}

function parseGlobals(args: readonly string[]): { readonly options: GlobalOptions; readonly version: boolean; readonly help: boolean } {
  const { values } = parseFlags(args, {
    config: { type: 'string', short: 'c' },
    root: { type: 'string' },
    state: { type: 'string' },
    address: { type: 'string', short: 'a' },
    'log-level': { type: 'string', short: 'l' },
    version: { type: 'boolean', short: 'v' },
    help: { type: 'boolean', short: 'h' },
  });
  const text = (name: string): string | undefined => (typeof values[name] === 'string' ? values[name] : undefined);
  return {
    options: { config: text('config'), root: text('root'), state: text('state'), address: text('address'), logLevel: text('log-level') },
    version: values['version'] === true,
    help: values['help'] === true,
  };
}

function parsePublish(args: readonly string[], options: GlobalOptions): Command {
  const { values } = parseFlags(args, { topic: { type: 'string' }, namespace: { type: 'string' } });
  const { topic, namespace } = values;
  if (typeof namespace !== 'string' || namespace === '') throw usage('publish: namespace required');
  if (typeof topic !== 'string' || topic === '') throw usage('publish: topic required');
  if (options.address === undefined) throw usage('publish: --address required');
  return { name: 'publish', address: options.address, topic, namespace };
}

type FlagSpec = Readonly<Record<string, { readonly type: 'string' | 'boolean'; readonly short?: string }>>;

function parseFlags(args: readonly string[], flags: FlagSpec): { readonly values: Readonly<Record<string, unknown>> } {
  const long = new Set(Object.keys(flags));
  // Go takes one dash for two.
  const normalised = args.map((word) => (/^-[a-z]/.test(word) && long.has(word.slice(1).split('=')[0] ?? '') ? `-${word}` : word));
  try {
    return parseArgs({ args: normalised, options: flags, strict: true, allowPositionals: false });
  } catch (error) {
    throw usage(errorText(error).split('. ')[0] ?? errorText(error));
  }
}

function usage(text: string): ContainerdError {
  return new ContainerdError(text, { kind: 'invalid_argument', code: 'INVALID_USAGE' });
}
