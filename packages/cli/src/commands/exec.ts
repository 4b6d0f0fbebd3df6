import { Flags } from '@oclif/core';
import { type DrayClient, isDrayClientError } from '@dray/engine-api/client';
import { splitAtFirstPositional } from '../argv.ts';
import { DrayCommand, errorLine } from '../command.ts';
import { parseEnvironment, UsageError } from '../option-values.ts';
import { join } from '../terminal.ts';

const flags = {
  detach: Flags.boolean({ char: 'd', description: 'Detached mode: run command in the background' }),
  env: Flags.string({ char: 'e', multiple: true, multipleNonGreedy: true, description: 'Set environment variables' }),
  interactive: Flags.boolean({ char: 'i', description: 'Keep STDIN open even if not attached' }),
  privileged: Flags.boolean({ description: 'Give extended privileges to the command' }),
  tty: Flags.boolean({ char: 't', description: 'Allocate a pseudo-TTY' }),
  user: Flags.string({ char: 'u', description: 'Username or UID (format: "<name|uid>[:<group|gid>]")' }),
  workdir: Flags.string({ char: 'w', description: 'Working directory inside the container' }),
};

/** `dray exec`: runs a further process in a running container. */
export default class Exec extends DrayCommand {
  static override readonly description = 'Execute a command in a running container';
  static override readonly usage = 'exec [OPTIONS] CONTAINER COMMAND [ARG...]';
  static override readonly flags = flags;

  async run(): Promise<void> {
    const { options, positionals } = splitAtFirstPositional(this.argv, flags);
    const parsed = await this.parse(Exec, options);
    const [container, ...command] = positionals;
    if (container === undefined || command.length === 0) throw new UsageError("'dray exec' requires at least 2 arguments.\nSee 'dray exec --help'.");
    const { detach, env, interactive, privileged, tty, user, workdir } = parsed.flags;
    if (tty && interactive && !process.stdin.isTTY) throw new UsageError('the input device is not a TTY');
    process.exitCode = await this.withClient(async (client) => {
      const { Id } = await client.createExec(container, {
        Cmd: command, AttachStdin: interactive && !detach, AttachStdout: !detach, AttachStderr: !detach, Tty: tty, Privileged: privileged, Env: parseEnvironment(env ?? [], process.env), Detach: detach,
        ...(user !== undefined && { User: user }), ...(workdir !== undefined && { WorkingDir: workdir }),
      });
      return await runExec(client, Id, { detach, interactive, tty });
    }).catch((error: unknown) => {
      if (!isDrayClientError(error)) throw error;
      process.stderr.write(`${errorLine(error)}\n`);
      return 1;
    });
  }
}

async function runExec(client: DrayClient, id: string, options: { detach: boolean; interactive: boolean; tty: boolean }): Promise<number> {
  if (options.detach) {
    await client.startExecDetached(id);
    return 0;
  }
  const stream = await client.startExec(id, { tty: options.tty });
  await join(stream, { hasTty: options.tty, hasStdin: options.interactive, onResize: (size) => client.resizeExec(id, size) });
  return (await client.inspectExec(id)).ExitCode ?? 0;
}
