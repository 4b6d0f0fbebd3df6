/** The endpoints that carry files: archive, export, changes, commit. */
import { pipeline } from 'node:stream/promises';
import { Readable, type Writable } from 'node:stream';
import { packTree } from '@dray/oci-image';
import { invalid, notImplemented } from '../../errors.ts';
import type { Route, RouteContext } from '../../http/index.ts';
import { layersOf, withRootOnly } from '../archive/archive-root.ts';
import { listChanges } from '../archive/changes.ts';
import { commitContainer } from '../archive/commit.ts';
import { copyIn, copyOut, statPath } from '../archive/copy.ts';
import { encodePathStat } from '../archive/path-stat.ts';
import { publish, type Engine } from '../lifecycle/engine.ts';
import { containerOf } from './container-routes.ts';

const STAT_HEADER = 'X-Docker-Container-Path-Stat';

/** Routes of files. */
export function archiveRoutes(engine: Engine): Route[] {
  return [
    { method: 'HEAD', path: '/containers/{id}/archive', handle: async (context) => {
      const container = containerOf(engine, context);
      const stat = await statPath(engine, container, context.query.get('path'), context.params['id'] ?? '');
      context.sendEmpty(200, { [STAT_HEADER]: encodePathStat(stat) });
    } },
    { method: 'GET', path: '/containers/{id}/archive', handle: (context) => getArchive(engine, context) },
    { method: 'PUT', path: '/containers/{id}/archive', handle: (context) => putArchive(engine, context) },
    { method: 'GET', path: '/containers/{id}/changes', handle: async (context) => {
      const container = containerOf(engine, context);
      const layers = layersOf(await engine.tasks.snapshotMounts(container.id));
      if (!layers) throw notImplemented(`changes are not implemented for the snapshotter "${container.record.snapshotter}"`);
      const changes = await listChanges(layers);
      context.sendJson(200, changes.length > 0 ? changes : null);
    } },
    { method: 'GET', path: '/containers/{id}/export', handle: (context) => exportRoot(engine, context) },
    { method: 'POST', path: '/commit', handle: (context) => commit(engine, context) },
  ];
}

async function getArchive(engine: Engine, context: RouteContext): Promise<void> {
  const container = containerOf(engine, context);
  const request = { path: context.query.get('path'), name: context.params['id'] ?? '', signal: context.signal };
  await copyOut(engine, container, request, async (stat, archive) => {
    const stream = context.startStream({ contentType: 'application/x-tar', headers: { [STAT_HEADER]: encodePathStat(stat) } });
    await send(archive, stream, context.signal);
  });
  publish(engine, container, 'archive-path', { path: request.path });
}

/** Sends an archive; a client that goes away is no error. */
async function send(archive: AsyncIterable<Uint8Array>, stream: Writable, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(Readable.from(archive, { objectMode: false }), stream, { signal });
  } catch (err) {
    if (!signal.aborted && !stream.errored) throw err;
  }
}

async function putArchive(engine: Engine, context: RouteContext): Promise<void> {
  const container = containerOf(engine, context);
  const { query, signal } = context;
  await copyIn(engine, container, {
    path: query.get('path'), name: context.params['id'] ?? '', keepsKinds: query.bool('noOverwriteDirNonDir'), takesUser: query.bool('copyUIDGID'),
    archive: context.body, signal,
  });
  publish(engine, container, 'extract-to-dir', { path: query.get('path') });
  context.sendEmpty(200);
}

async function exportRoot(engine: Engine, context: RouteContext): Promise<void> {
  const container = containerOf(engine, context);
  await withRootOnly(engine, container, async (root) => {
    const stream = context.startStream({ contentType: 'application/octet-stream' });
    await send(packTree({ root, signal: context.signal }), stream, context.signal);
  });
  publish(engine, container, 'export');
}

async function commit(engine: Engine, context: RouteContext): Promise<void> {
  const { query } = context;
  const config = await context.readJson();
  const container = engine.registry.find(query.get('container'));
  const [repo, tag] = [query.get('repo'), query.get('tag')];
  if (repo === '' && tag !== '') throw invalid('invalid reference format', 'INVALID_REFERENCE');
  const id = await commitContainer(engine, container, {
    reference: repo === '' || tag === '' ? repo : `${repo}:${tag}`, author: query.get('author'), comment: query.get('comment'), changes: query.getAll('changes'),
    pauses: query.bool('pause', true), config,
  });
  context.sendJson(201, { Id: id });
}
