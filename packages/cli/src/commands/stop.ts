import { Flags } from '@oclif/core';
import { DrayCommand } from '../command.ts';
import { UsageError } from '../option-values.ts';

/** `dray stop`: stops containers. */
export default class Stop extends DrayCommand {
  static override readonly description = 'Stop one or more running containers';
  static override readonly usage = 'stop [OPTIONS] CONTAINER [CONTAINER...]';
  static override readonly flags = { timeout: Flags.integer({ char: 't', aliases: ['time'], description: 'Seconds to wait before killing the container' }) };

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Stop);
    if (argv.length === 0) throw new UsageError("'dray stop' requires at least 1 argument.\nSee 'dray stop --help'.");
    await this.withClient((client) => this.forEach(argv as string[], (name) => client.stopContainer(name, { ...(flags.timeout !== undefined && { timeoutSeconds: flags.timeout }) })));
  }
}
