import { Flags } from '@oclif/core';
import { DrayCommand } from '../command.ts';
import { UsageError } from '../option-values.ts';

/** `dray rm`: removes containers. */
export default class Rm extends DrayCommand {
  static override readonly description = 'Remove one or more containers';
  static override readonly usage = 'rm [OPTIONS] CONTAINER [CONTAINER...]';
  static override readonly flags = {
    force: Flags.boolean({ char: 'f', description: 'Force the removal of a running container (uses SIGKILL)' }),
    volumes: Flags.boolean({ char: 'v', description: 'Remove anonymous volumes associated with the container' }),
  };

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Rm);
    if (argv.length === 0) throw new UsageError("'dray rm' requires at least 1 argument.\nSee 'dray rm --help'.");
    await this.withClient((client) => this.forEach(argv as string[], (name) => client.removeContainer(name, { force: flags.force, volumes: flags.volumes })));
  }
}
