/** Removes containers. */
import { rm } from 'node:fs/promises';
import { conflict } from '../../errors.ts';
import type { Container } from './container.ts';
import { publish, type Engine } from './engine.ts';
import { cancelRestart } from './exit.ts';
import { killForRemoval } from './stop.ts';
import { releaseVolumes, removeAnonymousVolumes } from './volumes.ts';

/** How to remove. */
export interface RemoveOptions {
  /** Volumes that nobody named go too. */
  readonly removesVolumes: boolean;
  /** A running container is killed first. */
  readonly isForced: boolean;
}

/** Removes a container as a client asked. @throws EngineApiError `conflict` when it runs or is being removed */
export async function removeAsAsked(engine: Engine, container: Container, options: RemoveOptions): Promise<void> {
  if (container.isRemoving) {
    if (options.isForced) return container.removed;
    throw conflict(`removal of container ${container.id} is already in progress`, 'REMOVAL_IN_PROGRESS');
  }
  if ((container.isRunning || container.record.phase.kind === 'restarting') && !options.isForced) throw stillRunning(container);
  container.isRemoving = true;
  try {
    cancelRestart(container);
    if (container.isRunning) await killForRemoval(engine, container);
    await container.lock.run(async () => {
      if (container.isRunning) throw conflict(`cannot remove container "${container.name}": container is running`, 'RUNNING');
      await removeContainer(engine, container, options);
    });
  } catch (err) {
    container.isRemoving = false;
    throw err;
  }
}

function stillRunning(container: Container): Error {
  const state = container.status;
  const remedy = state === 'paused' ? 'unpause and then stop the container before removing or force remove' : 'stop the container before removing or force remove';
  return conflict(`cannot remove container "${container.name}": container is ${state}: ${remedy}`, 'RUNNING');
}

async function letGoOfVolumes(engine: Engine, container: Container, removesThem: boolean): Promise<void> {
  if (removesThem) await removeAnonymousVolumes(engine, container.record);
  else releaseVolumes(engine, container.record);
}

/** Removes a container that does not run and whose lock is held. What is gone already is no error, so that an interrupted removal can be done again. */
export async function removeContainer(engine: Engine, container: Container, options: { readonly removesVolumes: boolean }): Promise<void> {
  const { id } = container;
  container.isRemoving = true;
  await Promise.all([
    engine.tasks.deleteRecord(id),
    engine.tasks.removeSnapshot(id),
    letGoOfVolumes(engine, container, options.removesVolumes),
    rm(container.paths.runtime, { recursive: true, force: true }),
  ]);
  await engine.store.remove(id);
  engine.registry.remove(container);
  container.endSessions();
  publish(engine, container, 'destroy');
  container.announceRemoved();
}

