import { Flags } from '@oclif/core';
import { DrayCommand } from '../command.ts';
import { UsageError } from '../option-values.ts';
import { write } from '../terminal.ts';

/** `dray logs`: prints what a container has printed. */
export default class Logs extends DrayCommand {
  static override readonly description = 'Fetch the logs of a container';
  static override readonly usage = 'logs [OPTIONS] CONTAINER';
  static override readonly flags = {
    details: Flags.boolean({ description: 'Show extra details provided to logs' }),
    follow: Flags.boolean({ char: 'f', description: 'Follow log output' }),
    since: Flags.string({ description: 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)' }),
    tail: Flags.string({ char: 'n', default: 'all', description: 'Number of lines to show from the end of the logs' }),
    timestamps: Flags.boolean({ char: 't', description: 'Show timestamps' }),
    until: Flags.string({ description: 'Show logs before a timestamp or relative time' }),
  };

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Logs);
    const [container] = argv as string[];
    if (container === undefined || argv.length > 1) throw new UsageError("'dray logs' requires 1 argument.\nSee 'dray logs --help'.");
    await this.withClient(async (client) => {
      const { Config } = await client.inspectContainer(container);
      const options = {
        isFramed: !Config.Tty, follow: flags.follow, timestamps: flags.timestamps, details: flags.details, tail: flags.tail,
        ...(flags.since !== undefined && { since: unixTime(flags.since) }), ...(flags.until !== undefined && { until: unixTime(flags.until) }),
      };
      for await (const { stream, data } of client.logs(container, options)) await write(process[stream], data);
    });
  }
}

const DURATION_SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 };

/** A point in time as seconds since 1970: given so, as a date, or as a duration before now (`1h30m`). */
function unixTime(value: string): string {
  if (/^\d+(\.\d+)?$/.test(value)) return value;
  if (/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(value)) {
    const seconds = [...value.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)].reduce((sum, [, count, unit]) => sum + Number(count) * (DURATION_SECONDS[unit ?? ''] ?? 0), 0);
    return String(Date.now() / 1000 - seconds);
  }
  const time = Date.parse(value);
  if (Number.isNaN(time)) throw new UsageError(`invalid value for "since": failed to parse value as time or duration: "${value}"`);
  return String(time / 1000);
}
