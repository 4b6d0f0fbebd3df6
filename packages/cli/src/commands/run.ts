import { Flags } from '@oclif/core';
import { type ContainerCreateBody, type DrayClient, isDrayClientError } from '@dray/engine-api/client';
import { splitAtFirstPositional } from '../argv.ts';
import { DrayCommand, errorLine, splitReference } from '../command.ts';
import { parseBytes, parseCpus, parseEnvironment, parseLabels, parsePorts, UsageError } from '../option-values.ts';
import { ProgressPrinter } from '../progress.ts';
import { forwardSignals, join, terminalSize } from '../terminal.ts';

const flags = {
  detach: Flags.boolean({ char: 'd', description: 'Run container in background and print container ID' }),
  entrypoint: Flags.string({ description: 'Overwrite the default ENTRYPOINT of the image' }),
  env: Flags.string({ char: 'e', multiple: true, multipleNonGreedy: true, description: 'Set environment variables' }),
  hostname: Flags.string({ description: 'Container host name' }),
  init: Flags.boolean({ description: 'Run an init inside the container that forwards signals and reaps processes' }),
  interactive: Flags.boolean({ char: 'i', description: 'Keep STDIN open even if not attached' }),
  label: Flags.string({ char: 'l', multiple: true, multipleNonGreedy: true, description: 'Set meta data on a container' }),
  memory: Flags.string({ char: 'm', description: 'Memory limit' }),
  cpus: Flags.string({ description: 'Number of CPUs' }),
  'pids-limit': Flags.integer({ description: 'Tune container pids limit (set -1 for unlimited)' }),
  name: Flags.string({ description: 'Assign a name to the container' }),
  network: Flags.string({ aliases: ['net'], description: 'Connect a container to a network' }),
  platform: Flags.string({ description: 'Set platform if server is multi-platform capable' }),
  privileged: Flags.boolean({ description: 'Give extended privileges to this container' }),
  publish: Flags.string({ char: 'p', multiple: true, multipleNonGreedy: true, description: "Publish a container's port(s) to the host" }),
  pull: Flags.string({ options: ['always', 'missing', 'never'], default: 'missing', description: 'Pull image before running' }),
  'read-only': Flags.boolean({ description: "Mount the container's root filesystem as read only" }),
  restart: Flags.string({ default: 'no', description: 'Restart policy to apply when a container exits' }),
  rm: Flags.boolean({ description: 'Automatically remove the container and its associated anonymous volumes when it exits' }),
  tty: Flags.boolean({ char: 't', description: 'Allocate a pseudo-TTY' }),
  user: Flags.string({ char: 'u', description: 'Username or UID (format: <name|uid>[:<group|gid>])' }),
  volume: Flags.string({ char: 'v', multiple: true, multipleNonGreedy: true, description: 'Bind mount a volume' }),
  workdir: Flags.string({ char: 'w', description: 'Working directory inside the container' }),
};

/** Exit statuses of `run` itself, next to those of the process. */
const DAEMON_FAILED = 125;

/** `dray run`: creates a container and runs it, with the streams of this terminal unless it is detached. */
export default class Run extends DrayCommand {
  static override readonly description = 'Create and run a new container from an image';
  static override readonly usage = 'run [OPTIONS] IMAGE [COMMAND] [ARG...]';
  static override readonly flags = flags;

  async run(): Promise<void> {
    const { options, positionals } = splitAtFirstPositional(this.argv, flags);
    const parsed = await this.parse(Run, options);
    const [image, ...command] = positionals;
    if (image === undefined) throw new UsageError("'dray run' requires at least 1 argument.\nSee 'dray run --help'.");
    if (parsed.flags.tty && parsed.flags.interactive && !parsed.flags.detach && !process.stdin.isTTY) throw new UsageError('the input device is not a TTY');
    process.exitCode = await this.withClient((client) => this.#runContainer(client, image, command, parsed.flags)).catch((error: unknown) => this.#failed(error));
  }

  async #runContainer(client: DrayClient, image: string, command: readonly string[], options: RunFlags): Promise<number> {
    const id = await this.#create(client, image, createBody(image, command, options), options);
    if (options.detach) {
      await client.startContainer(id);
      process.stdout.write(`${id}\n`);
      return 0;
    }
    const stream = await client.attachContainer(id, { stdin: options.interactive, stdout: true, stderr: true });
    const { result } = await client.waitContainer(id, { condition: options.rm ? 'removed' : 'next-exit' });
    const joined = join(stream, { hasTty: options.tty, hasStdin: options.interactive, onResize: (size) => client.resizeContainer(id, size) });
    using _signals = forwardSignals((signal) => client.killContainer(id, { signal }));
    try {
      await client.startContainer(id);
    } catch (error) {
      stream.destroy();
      await joined.catch(() => undefined); // the stream was ended on purpose
      throw error;
    }
    const size = terminalSize();
    if (options.tty && size) await client.resizeContainer(id, size).catch(() => undefined); // it may have ended by now
    await joined;
    return await result;
  }

  async #create(client: DrayClient, image: string, body: ContainerCreateBody, options: RunFlags): Promise<string> {
    const target = { ...(options.name !== undefined && { name: options.name }), ...(options.platform !== undefined && { platform: options.platform }) };
    if (options.pull === 'always') await this.#pull(client, image, options.platform);
    try {
      return (await client.createContainer(body, target)).Id;
    } catch (error) {
      if (!isDrayClientError(error) || error.status !== 404 || options.pull !== 'missing' || !/no such image/i.test(error.message)) throw error;
      process.stderr.write(`Unable to find image '${image.includes(':') || image.includes('@') ? image : `${image}:latest`}' locally\n`);
      await this.#pull(client, image, options.platform);
      return (await client.createContainer(body, target)).Id;
    }
  }

  async #pull(client: DrayClient, reference: string, platform: string | undefined): Promise<void> {
    const { image, tag } = splitReference(reference);
    const printer = new ProgressPrinter(process.stderr);
    for await (const message of client.pullImage(image, { tag, ...(platform !== undefined && { platform }) })) printer.print(message);
  }

  #failed(error: unknown): number {
    if (!isDrayClientError(error)) throw error;
    process.stderr.write(`dray: ${errorLine(error)}\n\nRun 'dray run --help' for more information\n`);
    if (/executable file not found|no such file or directory/.test(error.message)) return 127;
    return /permission denied|is a directory/.test(error.message) && error.code === 'DAEMON_ERROR' ? 126 : DAEMON_FAILED;
  }
}

interface RunFlags {
  readonly detach: boolean;
  readonly entrypoint: string | undefined;
  readonly env: readonly string[] | undefined;
  readonly hostname: string | undefined;
  readonly init: boolean;
  readonly interactive: boolean;
  readonly label: readonly string[] | undefined;
  readonly memory: string | undefined;
  readonly cpus: string | undefined;
  readonly 'pids-limit': number | undefined;
  readonly name: string | undefined;
  readonly network: string | undefined;
  readonly platform: string | undefined;
  readonly privileged: boolean;
  readonly publish: readonly string[] | undefined;
  readonly pull: string;
  readonly 'read-only': boolean;
  readonly restart: string;
  readonly rm: boolean;
  readonly tty: boolean;
  readonly user: string | undefined;
  readonly volume: readonly string[] | undefined;
  readonly workdir: string | undefined;
}

function createBody(image: string, command: readonly string[], options: RunFlags): ContainerCreateBody {
  const ports = parsePorts(options.publish ?? []);
  const [restartName = 'no', restartCount = '0'] = options.restart.split(':');
  const volumes = options.volume ?? [];
  const size = terminalSize();
  return {
    Image: image,
    ...(command.length > 0 && { Cmd: command }),
    ...(options.entrypoint !== undefined && { Entrypoint: options.entrypoint === '' ? [''] : [options.entrypoint] }),
    Env: parseEnvironment(options.env ?? [], process.env),
    Labels: parseLabels(options.label ?? []),
    Hostname: options.hostname ?? '', User: options.user ?? '', WorkingDir: options.workdir ?? '',
    Tty: options.tty, OpenStdin: options.interactive, StdinOnce: options.interactive && !options.detach,
    AttachStdin: options.interactive && !options.detach, AttachStdout: !options.detach, AttachStderr: !options.detach,
    ExposedPorts: ports.exposed,
    Volumes: Object.fromEntries(volumes.filter((volume) => !volume.includes(':')).map((volume) => [volume, {}])),
    HostConfig: {
      AutoRemove: options.rm, Binds: volumes.filter((volume) => volume.includes(':')), NetworkMode: options.network ?? 'default', PortBindings: ports.bindings, Privileged: options.privileged,
      ReadonlyRootfs: options['read-only'], RestartPolicy: { Name: restartName, MaximumRetryCount: Number(restartCount) },
      ...(options.init && { Init: true }), ...(size && { ConsoleSize: [size.height, size.width] }),
      ...(options.memory !== undefined && { Memory: parseBytes(options.memory) }), ...(options.cpus !== undefined && { NanoCpus: parseCpus(options.cpus) }),
      ...(options['pids-limit'] !== undefined && { PidsLimit: options['pids-limit'] }),
    },
  };
}
