/** Changes limits and restart policy of a container. */
import { conflict, EngineApiError, invalid, messageOf } from '../../errors.ts';
import type { HostConfig, Resources, UpdateBody } from '../create/types.ts';
import { validateResources, validateRestartPolicy } from '../create/validate.ts';
import { specResources } from '../spec/resources.ts';
import type { Container } from './container.ts';
import { publish, type Engine } from './engine.ts';

/** Numbers and texts that zero or empty leaves as they are. */
const FIELDS = [
  'CpuShares', 'Memory', 'NanoCpus', 'BlkioWeight', 'CpuPeriod', 'CpuQuota', 'CpuRealtimePeriod', 'CpuRealtimeRuntime', 'CpusetCpus', 'CpusetMems',
  'MemoryReservation', 'MemorySwap',
] as const satisfies readonly (keyof Resources)[];

/** Applies an update, also to the running processes. Resolves to warnings. @throws EngineApiError; then nothing has changed */
export async function updateContainer(engine: Engine, container: Container, body: UpdateBody): Promise<string[]> {
  validateResources({ ...body, MemorySwap: 0, MemoryReservation: 0 }, engine.hostFacts);
  if (body.RestartPolicy.Name !== '') validateRestartPolicy(body.RestartPolicy, false);
  await container.lock.run(async () => {
    if (container.isRemoving || container.record.phase.kind === 'dead') throw conflict(`cannot update container ${container.id}: container is marked for removal and cannot be "update"`, 'REMOVAL_IN_PROGRESS');
    const next = merged(container, body);
    validateResources(next, engine.hostFacts);
    if (container.isRunning) await apply(engine, container, next);
    container.record.hostConfig = next;
    await engine.store.save(container.record, { isDurable: true });
  });
  publish(engine, container, 'update');
  return [];
}

function merged(container: Container, body: UpdateBody): HostConfig {
  const current = container.record.hostConfig;
  const changes: Partial<Record<keyof HostConfig, unknown>> = {};
  for (const field of FIELDS) if (body[field] !== 0 && body[field] !== '') changes[field] = body[field];
  if (body.PidsLimit !== null && body.PidsLimit !== 0) changes.PidsLimit = body.PidsLimit < 0 ? null : body.PidsLimit;
  if (body.NanoCpus !== 0 && (current.CpuPeriod !== 0 || current.CpuQuota !== 0)) throw invalid('Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set');
  if ((body.CpuPeriod !== 0 || body.CpuQuota !== 0) && current.NanoCpus !== 0) throw invalid('Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set');
  if (body.Memory !== 0 && body.MemorySwap === 0 && current.MemorySwap > 0 && body.Memory > current.MemorySwap) {
    throw conflict('Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time');
  }
  if (body.RestartPolicy.Name !== '') {
    if (current.AutoRemove && body.RestartPolicy.Name !== 'no') throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
    changes.RestartPolicy = body.RestartPolicy;
  }
  return { ...current, ...changes } as HostConfig;
}

async function apply(engine: Engine, container: Container, next: HostConfig): Promise<void> {
  const resources = await specResources(next);
  if (next.PidsLimit === null && container.record.hostConfig.PidsLimit !== null) resources.pids = { limit: -1 };
  try {
    await engine.tasks.update(container.id, JSON.stringify(resources));
  } catch (err) {
    throw new EngineApiError('internal', 'UPDATE_FAILED', `Cannot update container ${container.id}: ${messageOf(err)}`, { cause: err });
  }
}
