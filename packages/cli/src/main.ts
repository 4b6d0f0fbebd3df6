import { fileURLToPath } from 'node:url';
import { Config, Errors } from '@oclif/core';
import { isDrayClientError } from '@dray/engine-api/client';
import { splitAtFirstPositional } from './argv.ts';
import { errorLine } from './command.ts';
import { COMMANDS } from './commands.ts';
import { takeGlobalFlags } from './global-flags.ts';
import { UsageError } from './option-values.ts';

/** Runs `dray` with a command line; the exit status goes to `process.exitCode`. */
export async function main(argv: readonly string[]): Promise<void> {
  const { environment, rest, error } = takeGlobalFlags(argv);
  if (error !== undefined) { fail(error, 125); return; }
  Object.assign(process.env, environment);
  const config = await Config.load(fileURLToPath(new URL('..', import.meta.url)));
  const [first = '--help', ...others] = rest;
  if (first === '--version' || first === '-v') {
    process.stdout.write(`Dray version ${config.version}, Node ${process.versions.node}\n`);
    return;
  }
  const found = findCommand(first, others);
  if (!found) { unknownCommand(first); return; }
  try {
    if (asksForHelp(found.command, found.argv)) process.stdout.write(commandHelp(found.command));
    else await found.command.run(found.argv, config);
  } catch (failure) {
    report(failure);
  }
}

function unknownCommand(name: string): void {
  if (['--help', '-h', 'help'].includes(name)) process.stdout.write(help());
  else fail(`unknown command: dray ${name}\n\nRun 'dray --help' for more information`, 1);
}

function findCommand(first: string, others: readonly string[]): { command: (typeof COMMANDS)[string]; argv: string[] } | undefined {
  const grouped = COMMANDS[`${first}:${others[0] ?? ''}`];
  if (grouped) return { command: grouped, argv: others.slice(1) };
  const command = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  return command && { command, argv: [...others] };
}

function report(error: unknown): void {
  if (isDrayClientError(error)) return fail(errorLine(error), 1, '');
  if (error instanceof UsageError) return fail(error.message, 125);
  if (error instanceof Errors.ExitError) {
    process.exitCode = error.oclif.exit ?? 1;
    return;
  }
  if (error instanceof Errors.CLIError) return fail(error.message.replace(/^Nonexistent flags?: ([^\n]*)[^]*$/, 'unknown flag: $1'), 125);
  throw error;
}

/** `--help` counts only before the first positional argument: after it, it belongs to the process in the container. */
function asksForHelp(command: (typeof COMMANDS)[string], argv: readonly string[]): boolean {
  return splitAtFirstPositional(argv, command.flags).options.some((option) => option === '--help' || option === '-h');
}

function commandHelp({ id, usage, description = '', flags }: (typeof COMMANDS)[string]): string {
  const lines = Object.entries(flags).sort(([a], [b]) => a.localeCompare(b)).map(([name, flag]) => {
    const value = flag.type === 'option' ? (flag.multiple ? ' list' : ' string') : '';
    return `  ${`${flag.char ? `-${flag.char},` : '   '} --${name}${value}`.padEnd(28)} ${flag.description ?? ''}\n`;
  });
  return `Usage:  dray ${typeof usage === 'string' ? usage : `${id} [OPTIONS]`}\n\n${description}\n\nOptions:\n${lines.join('')}`;
}

function fail(message: string, code: number, prefix = 'dray: '): void {
  process.stderr.write(`${prefix}${message}\n`);
  process.exitCode = code;
}

function help(): string {
  const short = Object.entries(COMMANDS).filter(([name]) => !name.includes(':'));
  return `Usage:  dray [OPTIONS] COMMAND\n\nA client of the Docker Engine API\n\nCommands:\n${short.map(([name, { description = '' }]) => `  ${name.padEnd(11)} ${description}\n`).join('')}
Global Options:
  -H, --host string        Daemon socket to connect to
      --tls                Use TLS; implied by --tlsverify
      --tlscacert string   Trust certs signed only by this CA
      --tlscert string     Path to TLS certificate file
      --tlskey string      Path to TLS key file
      --tlsverify          Use TLS and verify the remote
  -v, --version            Print version information and quit

Run 'dray COMMAND --help' for more information on a command.
`;
}
