import type { FlagDefinition } from './flags.ts';

/** What the help of a command shows. */
export interface HelpTopic {
  readonly name: string;
  readonly summary: string;
  /** What follows the command's name. */
  readonly usage: string;
  readonly description?: string;
  readonly flags: readonly FlagDefinition[];
}

/** The text of `runc-ts <command> --help`. */
export function commandHelp(program: string, topic: HelpTopic): string {
  const options = topic.flags.some((flag) => flag.isHidden !== true) ? ' [command options]' : '';
  const sections = [
    `NAME:\n   ${program} ${topic.name} - ${topic.summary}`,
    `USAGE:\n   ${program} ${topic.name}${options} ${topic.usage}`.trimEnd(),
    ...(topic.description === undefined ? [] : [`DESCRIPTION:\n   ${topic.description}`]),
    ...(options === '' ? [] : [`OPTIONS:\n${flagLines(topic.flags)}`]),
  ];
  return `${sections.join('\n\n')}\n`;
}

/** The text of `runc-ts --help`. */
export function programHelp(program: string, version: string, topics: readonly HelpTopic[], flags: readonly FlagDefinition[]): string {
  const width = Math.max(...topics.map(({ name }) => name.length));
  return [
    `NAME:\n   ${program} - Open Container Initiative runtime`,
    `USAGE:\n   ${program} [global options] command [command options] [arguments...]`,
    `VERSION:\n   ${version}`,
    `COMMANDS:\n${topics.map(({ name, summary }) => `   ${name.padEnd(width)}  ${summary}`).join('\n')}`,
    `GLOBAL OPTIONS:\n${flagLines(flags)}\n`,
  ].join('\n\n');
}

function flagLines(flags: readonly FlagDefinition[]): string {
  const rows = flags.filter((flag) => flag.isHidden !== true).map((flag) => ({ left: flagNames(flag), right: `${flag.usage}${flag.fallback === undefined ? '' : ` (default: ${flag.fallback})`}` }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, right }) => `   ${left.padEnd(width)}  ${right}`).join('\n');
}

function flagNames({ names, kind }: FlagDefinition): string {
  return names.map((name) => `${name.length === 1 ? '-' : '--'}${name}${kind === 'boolean' ? '' : ' value'}`).join(', ');
}
