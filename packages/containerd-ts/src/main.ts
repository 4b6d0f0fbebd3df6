import { once } from 'node:events';
import { CONFIG_PATH_DEFAULT, loadConfig, renderDefaultConfig, type Config } from './config.ts';
import { HELP, parseCommand, type Command, type GlobalOptions } from './cli.ts';
import { ContainerdError, errorText, isContainerdError } from './errors.ts';
import { VERSION } from './version.ts';

/** Runs the command. Resolves with the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(parseCommand(args));
  } catch (error) {
    process.stderr.write(`dray-containerd: ${errorText(error)}\n`);
    if (!isContainerdError(error) && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
    return 1;
  }
}

async function run(command: Command): Promise<number> {
  switch (command.name) {
    case 'version':
      process.stdout.write(`dray-containerd github.com/dray/containerd ${VERSION}\n`);
      return 0;
    case 'help':
      process.stdout.write(HELP);
      return 0;
    case 'config-default':
      process.stdout.write(renderDefaultConfig());
      return 0;
    case 'config-dump':
      process.stdout.write(`${JSON.stringify(configOf(command.options), undefined, 2)}\n`);
      return 0;
    case 'publish':
      await (await import('./publish.ts')).publish(command);
      return 0;
    case 'serve':
      return await serve(configOf(command.options));
  }
}

function configOf(options: GlobalOptions): Config {
  return loadConfig(options.config, options);
}

/** Serves until SIGTERM or SIGINT. */
async function serve(config: Config): Promise<number> {
  if (process.getuid?.() !== 0) throw new ContainerdError('must run as root', { kind: 'permission_denied', code: 'NOT_ROOT' });
  const [{ createLogger }, { createKernel }, { startDaemon }, { trimWhenIdle }] = await loadDaemon();
  const logger = createLogger(config.logLevel);
  if (config.ignoredKeys.length > 0) logger.debug({ keys: config.ignoredKeys, file: CONFIG_PATH_DEFAULT }, 'configuration keys mean nothing here, ignoring');
  const ended = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const daemon = await startDaemon(config, { logger, kernel: await createKernel(), publishBinary: process.argv[1] ?? 'dray-containerd' });
  logger.info({ address: daemon.address, pid: process.pid, version: VERSION, bootMs: Math.round(performance.now()) }, 'dray-containerd serves');
  using _trim = trimWhenIdle();
  await ended;
  logger.info({}, 'shutting down');
  await daemon[Symbol.asyncDispose]();
  return 0;
}

/** What only the daemon needs, not the small commands. Apart, because TypeScript 6 leaves the `.ts` in an import that stands beside `using`. */
const loadDaemon = () => Promise.all([import('./log.ts'), import('./libcontainer-kernel.ts'), import('./daemon.ts'), import('./idle-memory.ts')]);
