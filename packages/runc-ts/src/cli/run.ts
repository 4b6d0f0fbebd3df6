import { chdir, cwd } from 'node:process';
import { loadSpec } from '../spec/load.ts';
import type { ProcessSpec, Spec } from '../spec/types.ts';
import type { CommandContext } from './command.ts';
import { handedDescriptors } from './descriptors.ts';
import { Foreground } from './foreground.ts';

/** `create` */
export async function create(context: CommandContext): Promise<number> {
  const { runtime, args: [id = ''] } = context;
  const { spec, bundle } = readBundle(context);
  await runtime.create(id, createOptions(context, spec, bundle));
  return 0;
}

/** `run`: detached it ends when the program runs, else with the program's own status. */
export async function run(context: CommandContext): Promise<number> {
  const { runtime, flags, args: [id = ''] } = context;
  const { spec, bundle } = readBundle(context);
  const options = createOptions(context, spec, bundle);
  if (flags.boolean('detach')) {
    await runtime.run(id, options);
    return 0;
  }
  refuseConsoleSocket(flags.text('console-socket'));
  await using foreground = await Foreground.open(spec.process?.terminal ?? false);
  const { pid } = await runtime.run(id, { ...options, ...foreground.startOptions });
  const status = await foreground.attend(pid);
  if (!flags.boolean('keep')) await runtime.delete(id, { force: true });
  return status;
}

/** A foreground terminal is this process's own business. */
export function refuseConsoleSocket(path: string | undefined): void {
  if (path !== undefined && path !== '') throw new Error('cannot use console socket if runc will not detach or allocate tty');
}

/** Relative paths of a configuration, and hooks, count from the bundle. */
function readBundle({ flags }: CommandContext): { spec: Spec; bundle: string } {
  const bundle = flags.text('bundle');
  if (bundle !== undefined && bundle !== '') changeDirectory(bundle);
  return { spec: loadSpec('.'), bundle: cwd() };
}

function changeDirectory(path: string): void {
  try {
    chdir(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') throw new Error(`chdir ${path}: no such file or directory`, { cause: error });
    if (code === 'ENOTDIR') throw new Error(`chdir ${path}: not a directory`, { cause: error });
    throw error;
  }
}

function createOptions({ flags }: CommandContext, spec: Spec, bundle: string): Parameters<CommandContext['runtime']['create']>[1] {
  const { preserveFds, listenFds, env } = handedDescriptors(flags.integer('preserve-fds') ?? 0);
  const consoleSocket = flags.text('console-socket');
  const pidFile = flags.text('pid-file');
  return {
    bundle,
    spec: env.length === 0 || spec.process === undefined ? spec : { ...spec, process: withEnv(spec.process, env) },
    preserveFds,
    listenFds,
    noPivot: flags.boolean('no-pivot'),
    noNewKeyring: flags.boolean('no-new-keyring'),
    ...(consoleSocket === undefined || consoleSocket === '' ? {} : { consoleSocket }),
    ...(pidFile === undefined || pidFile === '' ? {} : { pidFile }),
  };
}

function withEnv(process: ProcessSpec, env: readonly string[]): ProcessSpec {
  return { ...process, env: [...(process.env ?? []), ...env] };
}
