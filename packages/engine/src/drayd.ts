import { parseCommandLine } from './command-line.ts';
import { readDaemonJson } from './daemon-json.ts';
import { isEngineError, messageOf } from './errors.ts';
import { DaemonLog } from './log.ts';
import { usage } from './options.ts';
import { type Settings, makeSettings } from './settings.ts';
import { engineVersion } from './version.ts';

/** How many interrupts end the daemon at once, as with dockerd. */
const FORCED_EXIT_SIGNALS = 3;

/** Runs `drayd`. Resolves to the exit status once the daemon has ended. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const flags = parseCommandLine(args);
    if (flags.get('help') === true) return print(usage());
    if (flags.get('version') === true) return print(`Dray version ${engineVersion().version}, build ${engineVersion().gitCommit || 'unknown'}\n`);
    const file = flags.get('config-file');
    const settings = makeSettings(flags, readDaemonJson(typeof file === 'string' ? file : undefined, flags));
    if (flags.get('validate') === true) {
      process.stderr.write('configuration OK\n');
      return 0;
    }
    await serve(settings);
    return 0;
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return isEngineError(error) ? error.exitStatus : 1;
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

async function serve(settings: Settings): Promise<void> {
  const log = new DaemonLog(settings.logLevel);
  log.info({}, 'Starting up');
  const ended = new AbortController();
  const stop = countSignals(log, ended);
  const { runDaemon } = await loadDaemon();
  await using running = await runDaemon(settings, log);
  if (!ended.signal.aborted) await new Promise<void>((resolve) => ended.signal.addEventListener('abort', () => resolve(), { once: true }));
  await running.close();
  log.info({}, 'Daemon shutdown complete');
  stop();
}

/** SIGTERM and SIGINT end the daemon in order; the third one ends it at once. */
function countSignals(log: DaemonLog, ended: AbortController): () => void {
  let count = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    count += 1;
    log.info({}, `Processing signal '${signal === 'SIGTERM' ? 'terminated' : 'interrupt'}'`);
    if (count >= FORCED_EXIT_SIGNALS) {
      log.info({}, `Forcing docker daemon shutdown without cleanup; ${count} interrupts received`);
      process.exit(128 + (signal === 'SIGTERM' ? 15 : 2));
    }
    ended.abort();
  };
  const onHangup = (): void => log.warn({}, 'Reloading the configuration is not implemented, ignoring SIGHUP');
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('SIGHUP', onHangup);
  process.on('SIGPIPE', () => undefined);
  return () => process.off('SIGTERM', onSignal).off('SIGINT', onSignal).off('SIGHUP', onHangup);
}

/** A mere `--version` need not load the daemon. Apart, because TypeScript 6 leaves the `.ts` in an import that stands beside `await using`. */
const loadDaemon = (): Promise<typeof import('./run-daemon.ts')> => import('./run-daemon.ts');
