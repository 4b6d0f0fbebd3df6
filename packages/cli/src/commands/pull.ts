import { Flags } from '@oclif/core';
import { DrayCommand, splitReference } from '../command.ts';
import { UsageError } from '../option-values.ts';
import { ProgressPrinter } from '../progress.ts';

/** `dray pull`: downloads an image from a registry. */
export default class Pull extends DrayCommand {
  static override readonly description = 'Download an image from a registry';
  static override readonly usage = 'pull [OPTIONS] NAME[:TAG|@DIGEST]';
  static override readonly flags = {
    platform: Flags.string({ description: 'Set platform if server is multi-platform capable' }),
    quiet: Flags.boolean({ char: 'q', description: 'Suppress verbose output' }),
  };

  async run(): Promise<void> {
    const { flags, argv } = await this.parse(Pull);
    const [reference] = argv as string[];
    if (reference === undefined || argv.length > 1) throw new UsageError("'dray pull' requires 1 argument.\nSee 'dray pull --help'.");
    const { image, tag } = splitReference(reference);
    const printer = new ProgressPrinter(process.stdout);
    if (!/[:@]/.test(reference.slice(reference.lastIndexOf('/') + 1)) && !flags.quiet) process.stdout.write('Using default tag: latest\n');
    await this.withClient(async (client) => {
      for await (const message of client.pullImage(image, { tag, ...(flags.platform !== undefined && { platform: flags.platform }) })) if (!flags.quiet) printer.print(message);
    });
    process.stdout.write(`${canonical(image)}${tag.includes(':') ? '@' : ':'}${tag}\n`);
  }
}

/** The full name, as Docker prints it after a pull. */
function canonical(image: string): string {
  const [first = '', ...rest] = image.split('/');
  if (rest.length === 0) return `docker.io/library/${image}`;
  return /[.:]/.test(first) || first === 'localhost' ? image : `docker.io/${image}`;
}
