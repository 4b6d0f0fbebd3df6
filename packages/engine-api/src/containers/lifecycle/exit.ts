/** What happens when a container's process has ended. */
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { nowNanos } from '../../events/index.ts';
import { formatNanos } from '../state/timestamps.ts';
import type { ExitRecord } from '../state/state.ts';
import type { ProcessExit } from '../tasks/task-port.ts';
import type { Container, Run } from './container.ts';
import { publish, type Engine } from './engine.ts';
import { stopHealth } from './health.ts';
import { removeContainer } from './remove.ts';
import { nextRestartDelayMs, restartsAfterExit } from './restart-policy.ts';
import { releaseSharedMemory, startLocked } from './start.ts';
import { announceVolumesGone, unmountVolumes } from './volumes.ts';

/** The exit code of a process that vanished without a trace. */
export const VANISHED_CODE = 255;

/** Deals with a run whose task is gone. */
export async function vanished(engine: Engine, container: Container, run: Run): Promise<void> {
  await handleExit(engine, container, run, { code: VANISHED_CODE, atNanos: nowNanos() });
}

/** Deals with the end of a run, once however often it is told. */
export async function handleExit(engine: Engine, container: Container, run: Run, exit: ProcessExit): Promise<void> {
  await container.lock.run(async () => {
    if (container.run !== run) return;
    await releaseRun(engine, container, run, exit);
    await afterExit(engine, container, run);
  });
}

async function releaseRun(engine: Engine, container: Container, run: Run, exit: ProcessExit): Promise<void> {
  const { record, id } = container;
  const record1: ExitRecord = { code: exit.code, at: formatNanos(exit.atNanos > 0n ? exit.atNanos : nowNanos()), isOomKilled: run.isOomKilled };
  const startedAt = record.phase.kind === 'created' ? record1.at : record.phase.startedAt;
  container.run = undefined;
  run.watch.abort();
  stopHealth(container);
  record.lastExit = record1;
  record.phase = { kind: 'exited', startedAt, exit: record1 };
  // The exit code is on disk before containerd forgets it. A container that goes away with its process has no use for that.
  const stored = record.hostConfig.AutoRemove ? Promise.resolve() : engine.store.save(record, { isDurable: true });
  await Promise.all([
    stored.then(() => engine.tasks.delete(id)),
    releaseOutside(engine, container),
  ]);
  announceVolumesGone(engine, record);
  container.endSessions();
  await rm(container.paths.runtime, { recursive: true, force: true });
  const seconds = Math.floor((performance.now() - run.startedMs) / 1000);
  publish(engine, container, 'die', { execDuration: String(seconds), exitCode: String(exit.code) });
}

/** Network, volumes and shared memory; one that fails does not keep the others. */
async function releaseOutside(engine: Engine, container: Container): Promise<void> {
  const steps = [
    () => engine.context.networks.releaseSandbox(container.id),
    () => unmountVolumes(engine, container.record),
    () => releaseSharedMemory(engine, container),
  ];
  const results = await Promise.allSettled(steps.map((step) => step()));
  for (const result of results) {
    if (result.status === 'rejected') engine.context.logger.error({ containerId: container.id, err: result.reason as unknown }, 'cannot release what a container used');
  }
}

async function afterExit(engine: Engine, container: Container, run: Run): Promise<void> {
  const { record } = container;
  const exit = record.lastExit;
  if (!exit) return;
  const restarts = !engine.shutdown.signal.aborted && !container.isRemoving
    && restartsAfterExit(record.hostConfig.RestartPolicy, { code: exit.code, isManuallyStopped: record.isManuallyStopped, restartCount: record.restartCount });
  if (restarts) {
    container.restartDelayMs = nextRestartDelayMs(container.restartDelayMs, performance.now() - run.startedMs);
    scheduleRestart(engine, container, container.restartDelayMs);
  }
  container.announceExit(exit);
  run.markHandled();
  if (!restarts && record.hostConfig.AutoRemove && !container.isRemoving) await removeContainer(engine, container, { removesVolumes: true });
}

/** Starts the container again after a while, unless that is cancelled meanwhile. */
export function scheduleRestart(engine: Engine, container: Container, delayMs: number): void {
  const { record } = container;
  const exit = record.lastExit;
  if (exit && record.phase.kind === 'exited') record.phase = { kind: 'restarting', startedAt: record.phase.startedAt, exit };
  const pending = new AbortController();
  container.pendingRestart = pending;
  const signal = AbortSignal.any([pending.signal, engine.shutdown.signal]);
  delay(delayMs, undefined, { signal, ref: false }).then(() => container.lock.run(async () => {
    if (pending.signal.aborted || container.isRunning) return;
    container.pendingRestart = undefined;
    record.restartCount++;
    await startLocked(engine, container);
  })).catch((err: unknown) => {
    if (!signal.aborted) engine.context.logger.error({ containerId: container.id, err }, 'cannot restart a container');
  });
}

/** Gives up a restart that is waiting: the container counts as exited. */
export function cancelRestart(container: Container): boolean {
  const pending = container.pendingRestart;
  if (!pending) return false;
  pending.abort();
  container.pendingRestart = undefined;
  if (container.record.phase.kind === 'restarting') container.record.phase = { ...container.record.phase, kind: 'exited' };
  return true;
}
