/** The endpoints that carry a container's bytes: attach, resize, logs, stats. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Duplex, Writable } from 'node:stream';
import { conflict, EngineApiError, invalid } from '../../errors.ts';
import type { Route, RouteContext } from '../../http/index.ts';
import type { Container } from '../lifecycle/container.ts';
import { publish, type Engine } from '../lifecycle/engine.ts';
import { processStreams } from '../lifecycle/start.ts';
import { runOf } from '../lifecycle/stop.ts';
import { fixedTime, readLog, type LogView } from '../logs/index.ts';
import { formatNanos, parseApiTime } from '../state/timestamps.ts';
import { statsView, takeSample } from '../stats/stats.ts';
import { DEFAULT_DETACH_KEYS, parseDetachKeys, StreamSession } from '../stdio/index.ts';
import { containerOf } from './container-routes.ts';

/** Routes of streams. */
export function streamRoutes(engine: Engine): Route[] {
  return [
    { method: 'POST', path: '/containers/{id}/attach', hijack: true, handle: (context) => attach(engine, context) },
    { method: 'POST', path: '/containers/{id}/resize', handle: (context) => resize(engine, context) },
    { method: 'GET', path: '/containers/{id}/logs', handle: (context) => logs(engine, context) },
    { method: 'GET', path: '/containers/{id}/stats', handle: (context) => stats(engine, context) },
  ];
}

function refuseAttach(container: Container): void {
  if (container.isPaused) throw conflict(`container ${container.id} is paused, unpause the container before attach`, 'PAUSED');
  if (container.status === 'restarting') throw conflict(`container ${container.id} is restarting, wait until the container is running`, 'RESTARTING');
}

async function attach(engine: Engine, context: RouteContext): Promise<void> {
  const container = containerOf(engine, context);
  const { query } = context;
  const { config } = container.record;
  const detachKeys = parseDetachKeys(query.get('detachKeys') || DEFAULT_DETACH_KEYS);
  refuseAttach(container);
  await context.drainBody();
  const client = await context.hijack({ stream: config.Tty ? 'raw' : 'multiplexed' });
  if (query.bool('logs')) await replay(container, { stdout: query.bool('stdout'), stderr: query.bool('stderr') }, client, context.signal);
  if (!query.bool('stream')) {
    client.end();
    return;
  }
  const session = new StreamSession(client, {
    output: { stdout: query.bool('stdout'), stderr: query.bool('stderr'), isFramed: !config.Tty },
    hasStdin: query.bool('stdin') && config.OpenStdin,
    closesStdin: config.StdinOnce && !config.Tty,
    detachKeys: config.Tty ? detachKeys : undefined,
  });
  publish(engine, container, 'attach');
  await join(engine, container, session);
  if ((await session.ended) === 'detached' && config.Tty) publish(engine, container, 'detach');
}

/** Connects to what runs, or leaves the session to the next start. */
async function join(engine: Engine, container: Container, session: StreamSession): Promise<void> {
  container.sessions.add(session);
  void session.ended.then(() => container.sessions.delete(session));
  void container.removed.then(() => { session.processGone(); });
  const { run } = container;
  if (!run) return;
  try {
    await session.connect(processStreams(engine, container));
  } catch (err) {
    // The process may have ended between the look and the connection.
    if (container.run === run) throw err;
    session.processGone();
  }
}

async function replay(container: Container, streams: { stdout: boolean; stderr: boolean }, client: Duplex, signal: AbortSignal): Promise<void> {
  const view: LogView = { ...streams, timestamps: false, details: false, isFramed: !container.record.config.Tty, since: undefined, until: undefined };
  if (container.record.hostConfig.LogConfig.Type !== 'json-file') return;
  for await (const chunk of readLog({ path: container.paths.log, view, tail: undefined, follow: undefined, signal })) await write(client, chunk);
}

/** Writes with regard to how fast the client takes it; `false` once it is gone. */
async function write(stream: Writable, chunk: Buffer): Promise<boolean> {
  if (stream.destroyed) return false;
  if (stream.write(chunk)) return true;
  await drained(stream);
  return !stream.destroyed;
}

/** Resolves when there is room again, or never will be: an error is followed by 'close'. */
function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}

async function resize(engine: Engine, context: RouteContext): Promise<void> {
  const container = containerOf(engine, context);
  const size = terminalSize(context);
  await context.drainBody();
  runOf(container);
  await engine.tasks.resize(container.id, undefined, size);
  publish(engine, container, 'resize', { height: String(size.height), width: String(size.width) });
  context.sendEmpty(200);
}

/** `h` and `w`. @throws EngineApiError `invalid_argument` */
export function terminalSize(context: RouteContext): { width: number; height: number } {
  const read = (name: string): number => {
    const value = context.query.get(name);
    if (!/^\d{1,10}$/.test(value) || Number(value) > 0xffff_ffff) throw invalid(`invalid resize ${name === 'h' ? 'height' : 'width'} ${JSON.stringify(value)}: invalid syntax`, 'INVALID_SIZE');
    return Number(value);
  };
  return { height: read('h'), width: read('w') };
}

async function logs(engine: Engine, context: RouteContext): Promise<void> {
  const container = containerOf(engine, context);
  const { query } = context;
  const { config, hostConfig } = container.record;
  const [stdout, stderr] = [query.bool('stdout'), query.bool('stderr')];
  if (!stdout && !stderr) throw invalid('Bad parameters: you must choose at least one stream', 'NO_STREAM');
  const view: LogView = {
    stdout, stderr, timestamps: query.bool('timestamps'), details: query.bool('details'), isFramed: !config.Tty,
    since: logTime(query.get('since'), 'since'), until: logTime(query.get('until'), 'until'),
  };
  if (hostConfig.LogConfig.Type !== 'json-file') throw new EngineApiError('not_implemented', 'LOGS_NOT_READABLE', 'configured logging driver does not support reading');
  const tailText = query.get('tail');
  const tail = /^\d+$/.test(tailText) ? Number(tailText) : undefined;
  const follow = query.bool('follow') ? stopped(container) : undefined;
  const isMultiplexed = !config.Tty && context.version.atLeast('1.42');
  const stream = context.startStream({ contentType: isMultiplexed ? 'application/vnd.docker.multiplexed-stream' : 'application/vnd.docker.raw-stream' });
  for await (const chunk of readLog({ path: container.paths.log, view, tail, follow, signal: context.signal })) {
    if (!(await write(stream, chunk))) return;
  }
  stream.end();
}

function logTime(text: string, name: string): string | undefined {
  if (text === '' || text === '0') return undefined;
  const nanos = parseApiTime(text);
  if (nanos === undefined) throw invalid(`invalid value for "${name}": failed to parse value as time or duration: ${JSON.stringify(text)}`, 'INVALID_TIME');
  return fixedTime(formatNanos(nanos));
}

/** Settles when the container is not running: at once, or at its next exit. */
function stopped(container: Container): Promise<void> {
  const { run } = container;
  return run ? run.handled : Promise.resolve();
}

const STATS_INTERVAL_MS = 1000;

async function stats(engine: Engine, context: RouteContext): Promise<void> {
  const container = containerOf(engine, context);
  const { query, signal } = context;
  const streams = query.bool('stream', true);
  if (streams && query.bool('one-shot')) throw invalid('cannot have stream=true and one-shot=true', 'STREAM_AND_ONE_SHOT');
  if (!container.run && !streams) {
    context.sendJson(200, statsView(container, await takeSample(engine, container), undefined));
    return;
  }
  if (!streams) {
    const first = await takeSample(engine, container);
    if (query.bool('one-shot')) {
      context.sendJson(200, statsView(container, first, undefined));
      return;
    }
    await delay(STATS_INTERVAL_MS, undefined, { signal });
    context.sendJson(200, statsView(container, await takeSample(engine, container), first));
    return;
  }
  await streamStats(engine, container, context);
}

/** One document per second, until the client goes away or the container is gone. A stopped container goes on without numbers. */
async function streamStats(engine: Engine, container: Container, context: RouteContext): Promise<void> {
  const stream = context.startStream();
  const gone = new AbortController();
  void container.removed.then(() => { gone.abort(); });
  const signal = AbortSignal.any([context.signal, gone.signal]);
  let previous: Awaited<ReturnType<typeof takeSample>> | undefined;
  while (!signal.aborted && !stream.destroyed) {
    const sample = await takeSample(engine, container);
    if (!(await write(stream, Buffer.from(`${JSON.stringify(statsView(container, sample, previous))}\n`)))) return;
    previous = sample.cgroup ? sample : undefined;
    await delay(STATS_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
  }
  stream.end();
}
