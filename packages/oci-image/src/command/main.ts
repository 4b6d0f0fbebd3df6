import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LayoutFolder } from '../archive/index.ts';
import { unpackBundle } from '../bundle/index.ts';
import { FileContentStore } from '../content/index.ts';
import { OciImageError } from '../errors.ts';
import type { Image } from '../image.ts';
import { parsePlatform } from '../platform.ts';
import type { PullEvent } from '../pull.ts';
import { parseReference, withDefaultTag } from '../reference.ts';
import { dockerConfigCredentials, RegistryClient } from '../registry/index.ts';
import { type LocationContext, parseLocation, readLocation, writeLocation } from './location.ts';

const HELP = `Usage: oci-image COMMAND [options]

  pull REF DIR[:TAG]          pull from a registry into an OCI layout
  copy FROM TO                copy an image between registry, layout and archive
  unpack FROM BUNDLE          make an OCI bundle: rootfs and config.json
  inspect FROM                print an image's configuration
  ls DIR                      list the images of an OCI layout
  tags REF                    list the tags of a repository

An image is docker://REF (or just REF), oci:DIR[:TAG] or docker-archive:FILE[:REF].

  --platform OS/ARCH[/VARIANT]    which image of a multi-platform one
  --insecure-registry HOST|CIDR   may be reached without TLS (repeatable)
  --config FILE                   docker's config.json, for credentials
  -q, --quiet                     no progress
  -h, --help                      this text
`;

/** Where the command writes. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}

/** Runs the command line. @returns the exit code: 0, 1 for a failure, 2 for wrong usage */
export async function main(args: readonly string[], output: Output): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    output.err(`oci-image: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  const { values, positionals: [command, ...rest] } = parsed;
  if (values.help === true || command === undefined) {
    if (values.help === true) output.out(HELP);
    else output.err(HELP);
    return values.help === true ? 0 : 2;
  }
  const run = COMMANDS[command];
  if (run === undefined) {
    output.err(`oci-image: unknown command ${JSON.stringify(command)}\n`);
    return 2;
  }
  if (rest.length !== run.arity) {
    output.err(`oci-image: ${command} takes ${run.arity} arguments\n`);
    return 2;
  }
  return await withContext(values, output, async (context) => {
    await run.run(rest, context, output);
  });
}

interface Command {
  readonly arity: number;
  readonly run: (args: readonly string[], context: LocationContext, output: Output) => Promise<void>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  pull: { arity: 2, run: pullCommand },
  copy: { arity: 2, run: copyCommand },
  unpack: { arity: 2, run: unpackCommand },
  inspect: { arity: 1, run: inspectCommand },
  ls: { arity: 1, run: lsCommand },
  tags: { arity: 1, run: tagsCommand },
};

async function pullCommand([from = '', to = '']: readonly string[], context: LocationContext, output: Output): Promise<void> {
  const target = parseLocation(to.startsWith('oci:') ? to : `oci:${to}`);
  if (target.kind !== 'layout') throw new OciImageError('INVALID_OPTION', `invalid layout ${JSON.stringify(to)}`);
  const reference = withDefaultTag(parseReference(from.replace(/^docker:\/\//, '')));
  const layout = await LayoutFolder.open(target.path, { create: true });
  const { image } = await readLocation({ kind: 'registry', reference: from.replace(/^docker:\/\//, '') }, context, layout.content);
  await layout.tag(target.tag ?? reference.tag ?? 'latest', image.descriptor);
  output.out(`${image.manifest.config.digest}\n`);
}

async function copyCommand([from = '', to = '']: readonly string[], context: LocationContext, output: Output): Promise<void> {
  const target = parseLocation(to);
  const { image, content } = await readLocation(parseLocation(from), context);
  await writeLocation(target, image, content, context);
  output.out(`${image.manifest.config.digest}\n`);
}

async function unpackCommand([from = '', bundle = '']: readonly string[], context: LocationContext): Promise<void> {
  const { image, content } = await readLocation(parseLocation(from), context);
  await unpackBundle({ image, content, bundle });
}

async function inspectCommand([from = '']: readonly string[], context: LocationContext, output: Output): Promise<void> {
  const { image } = await readLocation(parseLocation(from), context);
  output.out(`${JSON.stringify({ id: image.manifest.config.digest, digest: image.descriptor.digest, mediaType: image.manifestDescriptor.mediaType, layers: layersOf(image), config: image.config }, undefined, 2)}\n`);
}

async function lsCommand([path = '']: readonly string[], _context: LocationContext, output: Output): Promise<void> {
  const layout = await LayoutFolder.open(path.replace(/^oci:/, ''));
  for (const entry of await layout.list()) output.out(`${entry.annotations?.['org.opencontainers.image.ref.name'] ?? '<none>'}\t${entry.digest}\t${entry.size}\n`);
}

async function tagsCommand([reference = '']: readonly string[], context: LocationContext, output: Output): Promise<void> {
  for await (const tag of context.registry.listTags(parseReference(reference.replace(/^docker:\/\//, '')))) output.out(`${tag}\n`);
}

async function withContext(values: ReturnType<typeof parse>['values'], output: Output, work: (context: LocationContext) => Promise<void>): Promise<number> {
  const scratch = await mkdtemp(join(tmpdir(), 'oci-image-'));
  try {
    await using registry = new RegistryClient({
      insecureRegistries: values['insecure-registry'] ?? [],
      credentials: dockerConfigCredentials(values.config === undefined ? {} : { path: values.config }),
    });
    await work({
      registry, scratch: new FileContentStore({ root: scratch }),
      platform: values.platform === undefined ? undefined : parsePlatform(values.platform),
      onProgress: values.quiet === true ? () => undefined : progressLines(output),
    });
    return 0;
  } catch (error) {
    output.err(`oci-image: ${messageOf(error)}\n`);
    return 1;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function progressLines(output: Output): (event: PullEvent) => void {
  return (event) => {
    if (event.type !== 'layer') return;
    const { status } = event.progress;
    if (status === 'pull_complete' || status === 'already_exists' || status === 'retrying') output.err(`${event.descriptor.digest.slice(7, 19)}: ${status.replaceAll('_', ' ')}\n`);
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function layersOf(image: Image): readonly { readonly digest: string; readonly size: number; readonly diffId: string | undefined }[] {
  return image.manifest.layers.map(({ digest, size }, index) => ({ digest, size, diffId: image.config.rootfs.diff_ids[index] }));
}

function parse(args: readonly string[]): ReturnType<typeof parseArgs<typeof ARGUMENTS>> {
  return parseArgs({ ...ARGUMENTS, args: [...args] });
}

const ARGUMENTS = {
  allowPositionals: true,
  options: {
    'platform': { type: 'string' }, 'insecure-registry': { type: 'string', multiple: true }, 'config': { type: 'string' }, 'quiet': { type: 'boolean', short: 'q' }, 'help': { type: 'boolean', short: 'h' },
  },
} as const;
