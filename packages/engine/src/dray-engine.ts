import { ApiClient } from './api-client.ts';
import { ensureBuiltinImage, runBuiltin } from './container-run.ts';
import { examine } from './doctor.ts';
import { enginePid, findPlace, logFileOf, startEngine, stopEngine } from './engine-process.ts';
import { EngineError, isEngineError, messageOf } from './errors.ts';
import { tour } from './tour.ts';
import { engineVersion } from './version.ts';

const USAGE = `
Usage:  dray-engine COMMAND

Runs the Dray engine in the background.

Commands:
  up [drayd options]      Start the engine unless it runs
  down [drayd options]    Stop the engine and its containers
  status [drayd options]  Say whether the engine runs, and where
  run [COMMAND...]        Run a container of the built-in image, starting the engine where needed
  tour                    Start the engine, run a container and show the processes
  doctor                  Check what the engine needs of this machine
  help, --version

Options for drayd tell which engine is meant: --data-root, --exec-root, --host, --pidfile, --config-file.
`;
/** The exit status of `status` where the engine does not run, as init scripts use it. */
const EXIT_NOT_RUNNING = 3;

/** Runs `dray-engine`. Resolves to the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const [command = 'help', ...rest] = args;
    return await dispatch(command, rest);
  } catch (error) {
    process.stderr.write(`dray-engine: ${messageOf(error)}\n`);
    return isEngineError(error) ? error.exitStatus : 1;
  }
}

async function dispatch(command: string, args: readonly string[]): Promise<number> {
  switch (command) {
    case 'up': return up(args);
    case 'down': return down(args);
    case 'status': return status(args);
    case 'run': return run(args);
    case 'tour':
      await tour(await findPlace(args), print);
      return 0;
    case 'doctor': return doctor();
    case '--version': return print(`Dray engine ${engineVersion().version}`);
    case 'help':
    case '--help': return print(USAGE);
    default: throw new EngineError('invalid_argument', 'USAGE', `unknown command "${command}"; see "dray-engine help"`, { exitStatus: 125 });
  }
}

function print(line: string): number {
  process.stdout.write(`${line}\n`);
  return 0;
}

async function up(args: readonly string[]): Promise<number> {
  const place = await findPlace(args);
  const isStarted = await startEngine(place);
  return print(`${isStarted ? 'The engine has started' : 'The engine is running'} (pid ${enginePid(place) ?? 0}): DOCKER_HOST=unix://${place.socket}\nIts log: ${logFileOf(place)}`);
}

async function down(args: readonly string[]): Promise<number> {
  return print(await stopEngine(await findPlace(args)) ? 'The engine has stopped' : 'The engine was not running');
}

async function status(args: readonly string[]): Promise<number> {
  const place = await findPlace(args);
  const pid = enginePid(place);
  if (pid === undefined) {
    print('The engine is not running');
    return EXIT_NOT_RUNNING;
  }
  const isUp = await new ApiClient(place.socket).isUp();
  print(`The engine is running (pid ${pid})${isUp ? '' : ' but does not answer'}: DOCKER_HOST=unix://${place.socket}`);
  return isUp ? 0 : 1;
}

async function run(command: readonly string[]): Promise<number> {
  const place = await findPlace([]);
  await startEngine(place);
  const client = new ApiClient(place.socket);
  await ensureBuiltinImage(client);
  const finished = await runBuiltin(client, command);
  process.stdout.write(finished.stdout);
  process.stderr.write(finished.stderr);
  return finished.exitCode;
}

async function doctor(): Promise<number> {
  const findings = await examine();
  for (const { name, isFine, detail } of findings) print(`${isFine ? 'ok  ' : 'FAIL'}  ${name.padEnd(22)} ${detail}`);
  return findings.every((finding) => finding.isFine) ? 0 : 1;
}
