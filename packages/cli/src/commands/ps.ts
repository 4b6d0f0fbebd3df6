import { Flags } from '@oclif/core';
import { DrayCommand } from '../command.ts';
import { formatPort, humanDuration, shortId, table } from '../text.ts';

/** The longest command that is shown whole. */
const COMMAND_CHARACTERS_MAX = 20;

/** `dray ps`: lists containers. */
export default class Ps extends DrayCommand {
  static override readonly description = 'List containers';
  static override readonly flags = {
    all: Flags.boolean({ char: 'a', description: 'Show all containers (default shows just running)' }),
    filter: Flags.string({ char: 'f', multiple: true, multipleNonGreedy: true, description: 'Filter output based on conditions provided' }),
    json: Flags.boolean({ description: 'Print one JSON document a container' }),
    last: Flags.integer({ char: 'n', description: 'Show n last created containers (includes all states)' }),
    'no-trunc': Flags.boolean({ description: "Don't truncate output" }),
    quiet: Flags.boolean({ char: 'q', description: 'Only display container IDs' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Ps);
    const containers = await this.withClient((client) => client.listContainers({
      all: flags.all, ...(flags.last !== undefined && { limit: flags.last }), ...(flags.filter && { filters: parseFilters(flags.filter) }),
    }));
    const id = (full: string): string => (flags['no-trunc'] ? full : shortId(full));
    const now = Date.now() / 1000;
    if (flags.json) process.stdout.write(containers.map((container) => `${JSON.stringify(container)}\n`).join(''));
    else if (flags.quiet) process.stdout.write(containers.map((container) => `${id(container.Id)}\n`).join(''));
    else process.stdout.write(table(['CONTAINER ID', 'IMAGE', 'COMMAND', 'CREATED', 'STATUS', 'PORTS', 'NAMES'], containers.map((container) => [
      id(container.Id), container.Image, JSON.stringify(flags['no-trunc'] ? container.Command : ellipsis(container.Command)), `${humanDuration(now - container.Created)} ago`, container.Status,
      container.Ports.map(formatPort).join(', '), container.Names.map((name) => name.replace(/^\//, '')).join(','),
    ])));
  }
}

const ellipsis = (text: string): string => ([...text].length > COMMAND_CHARACTERS_MAX ? `${[...text].slice(0, COMMAND_CHARACTERS_MAX - 1).join('')}…` : text);

function parseFilters(values: readonly string[]): Record<string, string[]> {
  const filters: Record<string, string[]> = {};
  for (const value of values) {
    const equals = value.indexOf('=');
    (filters[equals === -1 ? value : value.slice(0, equals)] ??= []).push(equals === -1 ? '' : value.slice(equals + 1));
  }
  return filters;
}
