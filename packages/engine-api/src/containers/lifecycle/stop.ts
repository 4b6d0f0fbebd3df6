/** Signals, stop, restart, pause. */
import { conflict, EngineApiError, errorKind, invalid, messageOf, notModified } from '../../errors.ts';
import { parseSignal } from '../create/signals.ts';
import type { Container, Run } from './container.ts';
import { publish, type Engine } from './engine.ts';
import { cancelRestart, vanished } from './exit.ts';
import { startContainer } from './start.ts';

const SIGKILL = 9;
const SIGTERM = 15;
/** What `docker stop` waits unless told. */
const STOP_TIMEOUT_SECONDS = 10;
/** How long a killed process may take to be gone. */
const KILL_WAIT_MS = 10_000;

/** `container x is not running`, as a 409. */
export function notRunning(container: Container): EngineApiError {
  return conflict(`container ${container.id} is not running`, 'NOT_RUNNING');
}

/** The run of a running container. @throws EngineApiError `conflict` */
export function runOf(container: Container): Run {
  if (!container.run) throw notRunning(container);
  return container.run;
}

/** Sends a signal as a client asked; SIGKILL waits for the exit. @throws EngineApiError `invalid_argument`, `conflict` */
export async function killContainer(engine: Engine, container: Container, signalText: string): Promise<void> {
  const signal = signalText === '' ? SIGKILL : parseSignal(signalText);
  if (signal === undefined) throw invalid(`invalid signal: ${signalText}`, 'INVALID_SIGNAL');
  const run = container.run;
  if (!run) {
    if (cancelRestart(container)) return;
    throw conflict(`cannot kill container: ${container.name.slice(1)}: container ${container.id} is not running`, 'NOT_RUNNING');
  }
  if (endsOnPurpose(container, signal)) container.record.isManuallyStopped = true;
  await sendSignal(engine, container, signal);
  if (signal === SIGKILL) await handledWithin(run, KILL_WAIT_MS);
}

/** Any signal from a client means that it shall not be restarted, unless the container has a stop signal of its own and this is another. */
function endsOnPurpose(container: Container, signal: number): boolean {
  const own = parseSignal(container.record.config.StopSignal);
  return signal === SIGKILL || own === undefined || own === signal;
}

async function sendSignal(engine: Engine, container: Container, signal: number): Promise<void> {
  try {
    await engine.tasks.kill(container.id, signal);
  } catch (err) {
    if (errorKind(err) !== 'not_found') throw new EngineApiError(errorKind(err) ?? 'unknown', 'KILL_FAILED', `cannot kill container: ${container.id}: ${messageOf(err)}`, { cause: err });
    // The process has ended and its exit is on the way.
  }
  if (container.isPaused && (signal === SIGKILL || signal === SIGTERM)) await engine.tasks.resume(container.id).catch(() => undefined);
  publish(engine, container, 'kill', { signal: String(signal) });
}

/** Resolves true when the run's exit was dealt with in time. */
async function handledWithin(run: Run, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => { resolve(false); }, ms);
  });
  const result = await Promise.race([run.handled.then(() => true as const), late]);
  clearTimeout(timer);
  return result;
}

/** How to stop. */
export interface StopOptions {
  /** Seconds until SIGKILL; -1: never. Default: the container's own, or 10. */
  readonly timeoutSeconds: number | undefined;
  /** Instead of the container's own. */
  readonly signal: string;
}

/** Stops a container as a client asked. @throws EngineApiError `not_modified` when it does not run */
export async function stopContainer(engine: Engine, container: Container, options: StopOptions): Promise<void> {
  if (options.signal !== '' && parseSignal(options.signal) === undefined) throw invalid(`invalid signal: ${options.signal}`, 'INVALID_SIGNAL');
  if (!container.run) {
    if (cancelRestart(container)) return;
    throw notModified(`container ${container.id} is not running`);
  }
  container.record.isManuallyStopped = true;
  await endRun(engine, container, options);
  publish(engine, container, 'stop');
}

/** Ends a run: the stop signal, then SIGKILL. Resolves when the exit was dealt with. */
export async function endRun(engine: Engine, container: Container, options: StopOptions): Promise<void> {
  const run = container.run;
  if (!run) return;
  const { config } = container.record;
  const signal = parseSignal(options.signal) ?? parseSignal(config.StopSignal) ?? SIGTERM;
  const seconds = options.timeoutSeconds ?? config.StopTimeout ?? STOP_TIMEOUT_SECONDS;
  await sendSignal(engine, container, signal);
  if (seconds < 0) return run.handled;
  if (await handledWithin(run, seconds * 1000)) return;
  await killRun(engine, container, run);
}

async function killRun(engine: Engine, container: Container, run: Run): Promise<void> {
  await sendSignal(engine, container, SIGKILL);
  if (await handledWithin(run, KILL_WAIT_MS)) return;
  await engine.tasks.kill(container.id, SIGKILL, { all: true }).catch(() => undefined); // its end is looked for below
  if (await handledWithin(run, KILL_WAIT_MS)) return;
  const info = await engine.tasks.get(container.id);
  if (!info) return vanished(engine, container, run);
  throw new EngineApiError('internal', 'CANNOT_KILL', `could not kill container: tried to kill container, but did not receive an exit event`);
}

/** Kills for removal. */
export async function killForRemoval(engine: Engine, container: Container): Promise<void> {
  const run = container.run;
  if (!run) return;
  container.record.isManuallyStopped = true;
  await killRun(engine, container, run);
}

/** Stops (if it runs) and starts again. */
export async function restartContainer(engine: Engine, container: Container, options: StopOptions): Promise<void> {
  if (container.run) {
    container.record.isManuallyStopped = true;
    await endRun(engine, container, options);
    publish(engine, container, 'stop');
  }
  cancelRestart(container);
  await startContainer(engine, container).catch((err: unknown) => {
    if (errorKind(err) !== 'not_modified') throw err;
  });
  publish(engine, container, 'restart');
}

/** Freezes a container. @throws EngineApiError `conflict` */
export async function pauseContainer(engine: Engine, container: Container): Promise<void> {
  await container.lock.run(async () => {
    const { phase } = container.record;
    if (phase.kind !== 'running') throw notRunning(container);
    if (phase.isPaused) throw conflict(`container ${container.id} is already paused`, 'PAUSED');
    await engine.tasks.pause(container.id);
    container.record.phase = { ...phase, isPaused: true };
    await engine.store.save(container.record, { isDurable: false });
    publish(engine, container, 'pause');
  });
}

/** Thaws a container. @throws EngineApiError when it is not paused */
export async function unpauseContainer(engine: Engine, container: Container): Promise<void> {
  await container.lock.run(async () => {
    const { phase } = container.record;
    if (phase.kind !== 'running' || !phase.isPaused) throw new EngineApiError('internal', 'NOT_PAUSED', `container ${container.id} is not paused`);
    await engine.tasks.resume(container.id);
    container.record.phase = { ...phase, isPaused: false };
    await engine.store.save(container.record, { isDurable: false });
    publish(engine, container, 'unpause');
  });
}
