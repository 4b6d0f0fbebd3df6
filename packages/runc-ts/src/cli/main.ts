import { writeSync } from 'node:fs';
import { createRuntime, DEFAULT_ROOT } from '../runtime.ts';
import { SPEC_VERSION, VERSION } from '../version.ts';
import type { ArgumentCount, Command, FlagReader } from './command.ts';
import { COMMANDS, GLOBAL_FLAGS } from './commands.ts';
import { type FlagDefinition, type ParsedFlags, parseFlags, UsageError } from './flags.ts';
import { commandHelp, programHelp } from './help.ts';
import { type CommandLog, createLog } from './log.ts';

const PROGRAM = 'runc-ts';
const HELP: FlagDefinition = { names: ['help', 'h'], kind: 'boolean', usage: 'show help' };
/** What the original's command line library answers with. */
const STATUS_NO_COMMAND = 3;

/** Runs one command line, without the program's name, and resolves to the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const stderrLog = createLog({ file: undefined, format: 'text', isDebug: false });
  const parsed = parseOrExplain(GLOBAL_FLAGS, args, stderrLog, (message) => `Incorrect Usage. ${message}\n\n${programText()}`);
  if (parsed === undefined) return 1;
  const flags = flagReader(parsed);
  if (flags.boolean('version')) return print(`${PROGRAM} version ${VERSION}\nspec: ${SPEC_VERSION}\nnode: v${process.versions.node}\n`);
  const [name, ...rest] = parsed.rest;
  if (flags.boolean('help') || name === undefined || name === 'help' || name === 'h') return help(name === 'help' || name === 'h' ? rest[0] : undefined, stderrLog);

  const format = flags.text('log-format') ?? 'text';
  if (format !== 'text' && format !== 'json') return fail(stderrLog, `invalid log-format: ${format}`);
  let log: CommandLog;
  try {
    log = createLog({ file: flags.text('log'), format, isDebug: flags.boolean('debug') });
  } catch (error) {
    return fail(stderrLog, messageOf(error));
  }
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) {
    log.fatal(noTopic(name));
    return STATUS_NO_COMMAND;
  }
  return runCommand(command, rest, flags, log);
}

async function runCommand(command: Command, args: readonly string[], globals: FlagReader, log: CommandLog): Promise<number> {
  const parsed = parseOrExplain([...command.flags, HELP], args, log, (message) => `Incorrect Usage: ${message}\n\n${commandHelp(PROGRAM, command)}`);
  if (parsed === undefined) return 1;
  const flags = flagReader(parsed);
  if (flags.boolean('help')) return print(commandHelp(PROGRAM, command));
  const complaint = checkCount(command, parsed.rest.length);
  if (complaint !== undefined) {
    print(`Incorrect Usage.\n\n${commandHelp(PROGRAM, command)}`);
    return fail(log, complaint);
  }
  try {
    const root = rootOf(globals);
    const runtime = createRuntime({
      root,
      systemdCgroup: globals.boolean('systemd-cgroup'),
      rootless: isRootless(globals.text('rootless') ?? 'auto'),
      log: ({ level, message }) => {
        log.write(level, message);
      },
    });
    return await command.run({ runtime, log, root, isDebug: globals.boolean('debug'), flags, args: parsed.rest, write: print });
  } catch (error) {
    const message = messageOf(error);
    log.fatal(command.failurePrefix === undefined ? message : `${command.failurePrefix}: ${message}`);
    return command.failureStatus ?? 1;
  }
}

/** What is wrong with a number of words, as the originals say it. */
function checkCount({ name, count }: Command, given: number): string | undefined {
  const { min, max }: ArgumentCount = count;
  if (min === max && given !== min) return `runc: "${name}" requires exactly ${min} argument(s)`;
  if (given < min) return `runc: "${name}" requires a minimum of ${min} argument(s)`;
  return given > max ? `runc: "${name}" requires a maximum of ${max} argument(s)` : undefined;
}

function parseOrExplain(definitions: readonly FlagDefinition[], args: readonly string[], log: CommandLog, explain: (message: string) => string): ParsedFlags | undefined {
  try {
    return parseFlags(definitions, args);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== new UsageError().name) throw error;
    print(explain(error.message));
    log.fatal(error.message);
    return undefined;
  }
}

function flagReader({ values, lists }: ParsedFlags): FlagReader {
  return {
    text: (name) => values.get(name),
    isSet: (name) => values.has(name) || lists.has(name),
    boolean: (name) => values.get(name) === 'true',
    integer: (name) => (values.has(name) ? Number(values.get(name)) : undefined),
    texts: (name) => lists.get(name) ?? [],
  };
}

function help(topic: string | undefined, log: CommandLog): number {
  if (topic === undefined) return print(programText());
  const command = COMMANDS.find((each) => each.name === topic);
  if (command !== undefined) return print(commandHelp(PROGRAM, command));
  log.fatal(noTopic(topic));
  return STATUS_NO_COMMAND;
}

/** With its line end, as the original's command line library hands it to the log. */
function noTopic(name: string): string {
  return `No help topic for '${name}'\n`;
}

function programText(): string {
  return programHelp(PROGRAM, VERSION, COMMANDS, GLOBAL_FLAGS);
}

/** An unprivileged user keeps states where the session does. */
function rootOf(globals: FlagReader): string {
  const given = globals.text('root');
  if (given !== undefined && given !== '') return given;
  const runtimeDir = process.env['XDG_RUNTIME_DIR'];
  return process.geteuid?.() !== 0 && runtimeDir !== undefined && runtimeDir !== '' ? `${runtimeDir}/runc` : DEFAULT_ROOT;
}

function isRootless(word: string): boolean {
  if (word === 'auto') return process.geteuid?.() !== 0;
  if (/^(1|t|true)$/i.test(word)) return true;
  if (/^(0|f|false)$/i.test(word)) return false;
  throw new UsageError(`strconv.ParseBool: parsing ${JSON.stringify(word)}: invalid syntax`);
}

function fail(log: CommandLog, message: string): number {
  log.fatal(message);
  return 1;
}

/** Written synchronously, whole, before the process ends. */
function print(text: string): number {
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += writeSync(1, bytes, offset);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') continue;
      throw error;
    }
  }
  return 0;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
