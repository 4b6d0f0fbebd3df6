import type { ApiClient } from './api-client.ts';
import { demultiplex } from './api-client.ts';
import { programs } from './programs.ts';

/** The name of the image that comes with the engine. */
export const BUILTIN_IMAGE = 'dray/hello:latest';

/** How a container that was run has ended. */
export interface FinishedContainer { readonly id: string; readonly exitCode: number; readonly stdout: Buffer; readonly stderr: Buffer }

/** Loads the built-in image unless it is there. */
export async function ensureBuiltinImage(client: ApiClient): Promise<void> {
  const found = await client.call('GET', `/images/${BUILTIN_IMAGE}/json`, undefined, [404]);
  if (typeof found === 'object' && found !== null && 'Id' in found) return;
  const { builtinImageArchive } = await import('./builtin-image.ts');
  const answer = await client.call('POST', '/images/load?quiet=1', builtinImageArchive(programs().hello, BUILTIN_IMAGE));
  if (typeof answer === 'object' && answer !== null && 'error' in answer) throw new Error(`cannot load ${BUILTIN_IMAGE}: ${String(answer.error)}`);
}

/** Creates and starts a container of the built-in image. */
export async function startBuiltin(client: ApiClient, command: readonly string[]): Promise<string> {
  const created = await client.call('POST', '/containers/create', { Image: BUILTIN_IMAGE, ...command.length === 0 ? {} : { Cmd: ['/hello', ...command] } });
  const id = idOf(created);
  try {
    await client.call('POST', `/containers/${id}/start`);
  } catch (error) {
    await removeContainer(client, id);
    throw error;
  }
  return id;
}

/** Runs a container of the built-in image to its end and removes it. */
export async function runBuiltin(client: ApiClient, command: readonly string[]): Promise<FinishedContainer> {
  const id = await startBuiltin(client, command);
  try {
    const status = await client.call('POST', `/containers/${id}/wait`);
    const { stdout, stderr } = demultiplex(await client.bytes(`/containers/${id}/logs?stdout=1&stderr=1`));
    return { id, stdout, stderr, exitCode: typeof status === 'object' && status !== null && 'StatusCode' in status && typeof status.StatusCode === 'number' ? status.StatusCode : 125 };
  } finally {
    await removeContainer(client, id);
  }
}

/** Removes a container, running or not. */
export async function removeContainer(client: ApiClient, id: string): Promise<void> {
  await client.call('DELETE', `/containers/${id}?force=1&v=1`);
}

/** The process of a running container. */
export async function containerPid(client: ApiClient, id: string): Promise<number> {
  const container = await client.call('GET', `/containers/${id}/json`);
  const state = typeof container === 'object' && container !== null && 'State' in container ? container.State : undefined;
  return typeof state === 'object' && state !== null && 'Pid' in state && typeof state.Pid === 'number' ? state.Pid : 0;
}

function idOf(created: unknown): string {
  if (typeof created === 'object' && created !== null && 'Id' in created && typeof created.Id === 'string') return created.Id;
  throw new Error('the engine created a container without an id');
}
