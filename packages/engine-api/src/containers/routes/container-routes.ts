/** The endpoints of a container's life. */
import { conflict, EngineApiError, errorKind, invalid, messageOf } from '../../errors.ts';
import type { Route, RouteContext } from '../../http/index.ts';
import { untilFilter } from '../../until-filter.ts';
import { parseCreateBody, parseUpdateBody } from '../create/body.ts';
import type { Container } from '../lifecycle/container.ts';
import { createContainer, renameContainer } from '../lifecycle/create.ts';
import type { Engine } from '../lifecycle/engine.ts';
import { removeAsAsked } from '../lifecycle/remove.ts';
import { startContainer } from '../lifecycle/start.ts';
import { killContainer, pauseContainer, restartContainer, runOf, stopContainer, unpauseContainer } from '../lifecycle/stop.ts';
import { updateContainer } from '../lifecycle/update.ts';
import { parseWaitCondition, waitFor } from '../lifecycle/wait.ts';
import { listProcesses } from '../stats/top.ts';
import { containerSize, inspectContainer } from '../views/inspect.ts';
import { LIST_FILTERS, listContainers } from '../views/list.ts';
import { parsePlatform } from './platform.ts';

/** The container a request names. @throws EngineApiError `not_found` */
export function containerOf(engine: Engine, context: RouteContext): Container {
  return engine.registry.find(context.params['id'] ?? '');
}

/** Routes that change, list and show containers. */
export function containerRoutes(engine: Engine): Route[] {
  const prune = pruner(engine);
  const act = (path: string, action: (container: Container, context: RouteContext) => Promise<void>): Route => ({
    method: 'POST', path: `/containers/{id}/${path}`, handle: async (context) => {
      const container = containerOf(engine, context);
      await context.drainBody();
      await action(container, context);
      context.sendEmpty(204);
    },
  });
  return [
    { method: 'GET', path: '/containers/json', handle: (context) => list(engine, context) },
    { method: 'POST', path: '/containers/create', handle: (context) => create(engine, context) },
    { method: 'POST', path: '/containers/prune', handle: prune },
    { method: 'GET', path: '/containers/{id}/json', handle: async (context) => {
      const container = containerOf(engine, context);
      context.sendJson(200, await inspectContainer(engine, container, { version: context.version, withSize: context.query.bool('size') }));
    } },
    { method: 'POST', path: '/containers/{id}/start', handle: (context) => start(engine, context) },
    act('stop', (container, context) => stopContainer(engine, container, stopOptions(context))),
    act('restart', (container, context) => restartContainer(engine, container, stopOptions(context))),
    { method: 'POST', path: '/containers/{id}/kill', handle: async (context) => {
      const container = forKilling(engine, context.params['id'] ?? '');
      await context.drainBody();
      await killContainer(engine, container, context.query.get('signal'));
      context.sendEmpty(204);
    } },
    act('pause', (container) => pauseContainer(engine, container)),
    act('unpause', (container) => unpauseContainer(engine, container)),
    act('rename', (container, context) => renameContainer(engine, container, context.query.get('name'))),
    { method: 'POST', path: '/containers/{id}/wait', handle: (context) => wait(engine, context) },
    { method: 'POST', path: '/containers/{id}/update', handle: async (context) => {
      const container = containerOf(engine, context);
      const body = parseUpdateBody(await context.readJson());
      context.sendJson(200, { Warnings: await updateContainer(engine, container, body) });
    } },
    { method: 'GET', path: '/containers/{id}/top', handle: async (context) => {
      const container = containerOf(engine, context);
      runOf(container);
      if (container.status === 'restarting') throw conflict(`container ${container.id} is restarting, wait until the container is running`, 'RESTARTING');
      context.sendJson(200, await listProcesses(await engine.tasks.pids(container.id), context.query.get('ps_args')));
    } },
    { method: 'DELETE', path: '/containers/{id}', handle: async (context) => {
      const container = containerOf(engine, context);
      if (context.query.bool('link')) throw invalid('removing a link of the default bridge network is not supported', 'LINK_REMOVAL');
      await removeAsAsked(engine, container, { removesVolumes: context.query.bool('v'), isForced: context.query.bool('force') });
      context.sendEmpty(204);
    } },
  ];
}

function forKilling(engine: Engine, reference: string): Container {
  try {
    return engine.registry.find(reference);
  } catch (err) {
    throw new EngineApiError(errorKind(err) ?? 'internal', 'NO_SUCH_CONTAINER', `cannot kill container: ${reference}: ${messageOf(err)}`, { cause: err });
  }
}

async function list(engine: Engine, context: RouteContext): Promise<void> {
  const { query } = context;
  const limit = query.int('limit');
  const entries = await listContainers(engine, {
    isAll: query.bool('all'), limit: limit !== undefined && limit > 0 ? limit : undefined, withSize: query.bool('size'), filters: query.filters(LIST_FILTERS),
  });
  context.sendJson(200, entries);
}

/** A configuration with many variables and an inline seccomp policy stays well below. */
const BODY_BYTES_MAX = 16 * 1024 * 1024;

async function create(engine: Engine, context: RouteContext): Promise<void> {
  const body = parseCreateBody(await context.readJson({ maxBytes: BODY_BYTES_MAX }));
  const { container, warnings } = await createContainer(engine, { name: context.query.get('name'), platform: parsePlatform(context.query.get('platform')), body });
  context.sendJson(201, { Id: container.id, Warnings: warnings });
}

/** More than this in the body of a start is the host configuration that clients before API 1.24 sent. */
const START_BODY_BYTES_MAX = 7;

async function start(engine: Engine, context: RouteContext): Promise<void> {
  const container = containerOf(engine, context);
  if (Number(context.header('content-length') || 0) > START_BODY_BYTES_MAX) {
    throw invalid('starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24', 'START_BODY');
  }
  await context.drainBody();
  if (context.query.get('checkpoint') !== '') throw invalid('checkpoint not supported', 'NO_CHECKPOINTS');
  await startContainer(engine, container);
  context.sendEmpty(204);
}

function stopOptions(context: RouteContext): { timeoutSeconds: number | undefined; signal: string } {
  return { timeoutSeconds: context.query.int('t'), signal: context.query.get('signal') };
}

async function wait(engine: Engine, context: RouteContext): Promise<void> {
  const condition = parseWaitCondition(context.query.get('condition'));
  if (condition === undefined) throw invalid(`invalid condition: ${JSON.stringify(context.query.get('condition'))}`, 'INVALID_CONDITION');
  const container = containerOf(engine, context);
  const waiting = waitFor(container, condition, context.signal);
  waiting.catch(() => undefined); // the client may go away before its body is read
  await context.drainBody();
  const stream = context.startStream();
  try {
    stream.end(`${JSON.stringify({ StatusCode: await waiting })}\n`);
  } catch (err) {
    if (context.signal.aborted) stream.destroy();
    else stream.end(`${JSON.stringify({ StatusCode: -1, Error: { Message: messageOf(err) } })}\n`);
  }
}

function pruner(engine: Engine): Route['handle'] {
  let isPruning = false;
  return async (context) => {
    const filters = context.query.filters(['label', 'label!', 'until']);
    const until = untilFilter(filters);
    await context.drainBody();
    if (isPruning) throw conflict('a prune operation is already running', 'PRUNE_RUNNING');
    isPruning = true;
    try {
      const deleted: string[] = [];
      let reclaimed = 0;
      for (const container of engine.registry.all()) {
        const { record } = container;
        if (container.isRunning || container.status === 'restarting') continue;
        if (until !== undefined && Date.parse(record.created) > until) continue;
        const labels = record.config.Labels ?? {};
        if (!filters.matchLabels('label', labels) || !filters.matchNoLabels('label!', labels)) continue;
        const { rw } = await containerSize(engine, container);
        await removeAsAsked(engine, container, { removesVolumes: false, isForced: false });
        deleted.push(record.id);
        reclaimed += rw;
      }
      engine.context.events.publish({ type: 'container', action: 'prune', actor: { id: '', attributes: { reclaimed: String(reclaimed) } } });
      context.sendJson(200, { ContainersDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: reclaimed });
    } finally {
      isPruning = false;
    }
  };
}
