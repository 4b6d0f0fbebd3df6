/** After a start of the daemon, or of containerd: what runs is taken over, what has ended meanwhile is dealt with. */
import { nowNanos } from '../../events/index.ts';
import { formatNanos } from '../state/timestamps.ts';
import type { TaskInfo } from '../tasks/task-port.ts';
import { Container, Run } from './container.ts';
import type { Engine } from './engine.ts';
import { handleExit, vanished, VANISHED_CODE } from './exit.ts';
import { startHealth } from './health.ts';
import { removeContainer } from './remove.ts';
import { restartsAtBoot } from './restart-policy.ts';
import { abandonTask, startLocked } from './start.ts';
import { acquireVolumes } from './volumes.ts';

/** Loads every record and brings it together with what containerd runs; then applies restart policies. */
export async function adoptAll(engine: Engine): Promise<void> {
  const records = await engine.store.load();
  const tasks = new Map((await engine.tasks.list()).map((task) => [task.id, task]));
  const { containers, runtime } = engine.context.paths;
  const adopted = records.map((record) => new Container(record, { containers, runtime }));
  for (const container of adopted) {
    engine.registry.add(container);
    acquireVolumes(engine, container.record);
  }
  await Promise.all(adopted.map((container) => adoptOne(engine, container, tasks.get(container.id)).catch((err: unknown) => {
    engine.context.logger.error({ containerId: container.id, err }, 'cannot take a container over');
  })));
  await Promise.all(adopted.map((container) => afterBoot(engine, container)));
}

async function adoptOne(engine: Engine, container: Container, task: TaskInfo | undefined): Promise<void> {
  const { record } = container;
  const wasRunning = record.phase.kind === 'running';
  if (record.phase.kind === 'restarting') record.phase = { ...record.phase, kind: 'exited' };
  if (task?.status === 'created') {
    await abandonTask(engine, container.id);
    await engine.context.networks.releaseSandbox(container.id);
    if (!wasRunning) return;
  }
  if (!task || task.status === 'created') {
    if (wasRunning) await vanished(engine, container, takeOver(container, undefined));
    return;
  }
  const run = takeOver(container, task);
  if (task.exit) {
    await handleExit(engine, container, run, task.exit);
    return;
  }
  startHealth(engine, container, run);
}

/** Makes the container a running one again. */
function takeOver(container: Container, task: TaskInfo | undefined): Run {
  const { phase } = container.record;
  const startedAt = phase.kind === 'running' ? phase.startedAt : formatNanos(nowNanos());
  const pid = task?.pid ?? (phase.kind === 'running' ? phase.pid : 0);
  const ranMs = Math.max(0, Date.now() - Date.parse(startedAt));
  const run = new Run(pid, performance.now() - ranMs);
  container.run = run;
  container.record.phase = { kind: 'running', pid, startedAt, isPaused: task?.status === 'paused', isOomKilled: false };
  return run;
}

async function afterBoot(engine: Engine, container: Container): Promise<void> {
  const { record } = container;
  try {
    await container.lock.run(async () => {
      if (container.isRunning || container.isRemoving || container.pendingRestart) return;
      if (record.hostConfig.AutoRemove) {
        await removeContainer(engine, container, { removesVolumes: true });
        return;
      }
      const hasRun = record.lastExit !== undefined;
      const facts = { code: record.lastExit?.code ?? 0, isManuallyStopped: record.isManuallyStopped, restartCount: record.restartCount };
      if (hasRun && restartsAtBoot(record.hostConfig.RestartPolicy, facts)) await startLocked(engine, container);
    });
  } catch (err) {
    engine.context.logger.error({ containerId: container.id, err }, 'cannot bring a container back after the start of the daemon');
  }
}

/**
 * Compares what is running with what containerd says, after its events may have been missed: when the subscription begins, which is when this daemon or
 * containerd has started.
 */
export async function resync(engine: Engine): Promise<void> {
  const runs = engine.registry.all().flatMap((container) => {
    const run = container.run ?? container.starting;
    return run ? [{ container, run }] : [];
  });
  const execs = engine.execs.running();
  if (runs.length + execs.length === 0) return;
  const tasks = new Map((await engine.tasks.list()).map((task) => [task.id, task]));
  await Promise.all([
    ...runs.map(async ({ container, run }) => {
      const task = tasks.get(container.id);
      if (!task) await vanished(engine, container, run);
      else if (task.exit) await handleExit(engine, container, run, task.exit);
    }),
    ...execs.map(async (exec) => {
      const info = await engine.tasks.get(exec.container.id, exec.id);
      if (!info && exec.state.kind === 'running') exec.end({ code: VANISHED_CODE, atNanos: nowNanos() });
      else if (info?.exit) exec.end(info.exit);
    }),
  ]);
}
