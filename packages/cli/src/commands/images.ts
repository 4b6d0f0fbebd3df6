import { Flags } from '@oclif/core';
import { DrayCommand, splitReference } from '../command.ts';
import { humanDuration, humanSize, shortId, table } from '../text.ts';

/** `dray images`: lists images. */
export default class Images extends DrayCommand {
  static override readonly description = 'List images';
  static override readonly flags = {
    all: Flags.boolean({ char: 'a', description: 'Show all images (default hides intermediate images)' }),
    json: Flags.boolean({ description: 'Print one JSON document an image' }),
    'no-trunc': Flags.boolean({ description: "Don't truncate output" }),
    quiet: Flags.boolean({ char: 'q', description: 'Only show image IDs' }),
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Images);
    const images = await this.withClient((client) => client.listImages({ all: flags.all }));
    const id = (full: string): string => (flags['no-trunc'] ? full : shortId(full));
    const now = Date.now() / 1000;
    if (flags.json) process.stdout.write(images.map((image) => `${JSON.stringify(image)}\n`).join(''));
    else if (flags.quiet) process.stdout.write(images.map((image) => `${id(image.Id)}\n`).join(''));
    else process.stdout.write(table(['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE'], images.flatMap((image) => {
      const names = image.RepoTags?.length ? image.RepoTags : ['<none>:<none>'];
      return names.map((name) => {
        const { image: repository, tag } = splitReference(name);
        return [repository, tag, id(image.Id), `${humanDuration(now - image.Created)} ago`, humanSize(image.Size)];
      });
    })));
  }
}
