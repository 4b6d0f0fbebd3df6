import fs from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Writable } from 'node:stream';
import { type BuildContext, type BuildImage, type BuildOutput, isBuilderError } from '@dray/builder';
import { familiarReference } from '@dray/oci-image';
import type { StepContainers } from '../containers/step-containers.ts';
import type { DaemonContext } from '../context.ts';
import { EngineApiError, errorKind, invalid, messageOf, notImplemented } from '../errors.ts';
import type { Route, RouteContext } from '../http/index.ts';
import type { ImageStore } from '../images/index.ts';
import { withLease } from '../images/lease.ts';
import { type ProgressLine, ProgressStream } from '../images/progress.ts';
import { untilFilter } from '../until-filter.ts';
import { BuildCache } from './build-cache.ts';
import { downloadTo, EngineOfBuild } from './build-engine.ts';
import { type BuildQuery, parseBuildQuery, registryCredentials } from './build-options.ts';

/** What builds need of the daemon. */
export interface BuildRoutesOptions {
  readonly context: DaemonContext;
  readonly store: ImageStore;
  readonly steps: StepContainers;
}

/** Messages kept back by a quiet build, in case that it fails. */
const QUIET_LINES_MAX = 10_000;
/** A context that clients send. */
const CONTEXT_BYTES_MAX = 64 * 1024 ** 3;
const PRUNE_FILTERS = ['until', 'id', 'parent', 'type', 'description', 'inuse', 'shared', 'private'];

/** The endpoints under `/build`: the classic builder. */
export function buildRoutes(options: BuildRoutesOptions): Route[] {
  const builds = new Builds(options);
  return [
    { method: 'POST', path: '/build', handle: (context) => builds.build(context) },
    { method: 'POST', path: '/build/prune', handle: (context) => builds.prune(context) },
    { method: 'POST', path: '/build/cancel', handle: async (context) => {
      await context.drainBody();
      builds.cancel(context.query.get('id'));
      context.sendEmpty(200);
    } },
  ];
}

class Builds {
  readonly #options: BuildRoutesOptions;
  readonly #cache: BuildCache;
  readonly #running = new Set<{ readonly id: string; readonly abort: AbortController }>();

  constructor(options: BuildRoutesOptions) {
    this.#options = options;
    this.#cache = new BuildCache({ store: options.store, folder: path.join(options.context.config.dataRoot, 'builder'), logger: options.context.logger });
  }

  cancel(id: string): void {
    if (id === '') throw invalid('build ID not provided', 'NO_BUILD_ID');
    for (const build of this.#running) if (build.id === id) build.abort.abort(new EngineApiError('canceled', 'BUILD_CANCELLED', 'Build cancelled'));
  }

  async prune(context: RouteContext): Promise<void> {
    await context.drainBody();
    const filters = context.query.filters(PRUNE_FILTERS);
    const unsupported = PRUNE_FILTERS.find((name) => name !== 'until' && name !== 'id' && filters.has(name));
    if (unsupported !== undefined) throw notImplemented(`the filter "${unsupported}" is not implemented: no cache of BuildKit's is here`, 'NO_BUILDKIT');
    const keepBytes = Math.max(context.query.int('keep-storage') ?? 0, context.query.int('reserved-space') ?? 0);
    const { ids, bytes } = await this.#cache.prune({ isAll: context.query.bool('all'), until: untilFilter(filters), ids: filters.get('id'), keepBytes });
    this.#options.context.events.publish({ type: 'builder', action: 'prune', actor: { id: '', attributes: { reclaimed: String(bytes) } } });
    context.sendJson(200, { CachesDeleted: ids, SpaceReclaimed: bytes });
  }

  async build(context: RouteContext): Promise<void> {
    const query = parseBuildQuery(context.query, { isExperimental: this.#options.context.config.experimental });
    const abort = new AbortController();
    const signal = AbortSignal.any([context.signal, abort.signal]);
    const build = { id: query.buildId, abort };
    const output = new BuildStream(context, query.isQuiet);
    this.#running.add(build);
    try {
      await this.#buildInFolder({ context, query, output, signal });
      output.end();
    } catch (error) {
      output.fail(signal.aborted ? signal.reason : error);
    } finally {
      this.#running.delete(build);
      if (this.#running.size === 0) this.#options.store.steps.clear();
    }
  }

  async #buildInFolder(request: RunningBuild): Promise<void> {
    const { temporary } = this.#options.context.paths;
    await fs.promises.mkdir(temporary, { recursive: true });
    const folder = await fs.promises.mkdtemp(path.join(temporary, 'build-'));
    try {
      await this.#run(request, folder);
    } finally {
      await fs.promises.rm(folder, { recursive: true, force: true });
    }
  }

  async #run({ context, query, output, signal }: RunningBuild, temporary: string): Promise<void> {
    const { store, steps } = this.#options;
    const { buildImage, planBuild, shortId } = await import('@dray/builder');
    const { files, dockerfile } = await receiveContext({ context, query, output, signal }, temporary);
    const plan = planBuild(dockerfile, query);
    await withLease(store.containerd, async (leased) => {
      const engine = new EngineOfBuild({
        context: this.#options.context, store, steps, cache: this.#cache, leased, temporary, pulls: query.pulls, hostConfig: query.hostConfig, progress: output.progress,
        credentials: registryCredentials(context.header('X-Registry-Config')), signal,
      });
      try {
        const image = await buildImage({ ...query, plan, context: files, engine, output, signal });
        await this.#keep(engine, image);
        output.stdout(`Successfully built ${shortId(image.id)}\n`);
        await this.#tag(engine, image, query, output);
        output.result(image.id);
      } finally {
        await this.#cache.save();
      }
    });
  }

  /** The last step's image is listed, with a name or without. */
  async #keep(engine: EngineOfBuild, image: BuildImage): Promise<void> {
    await this.#options.store.renaming(() => this.#options.store.keepDangling(engine.describe(image), []));
  }

  async #tag(engine: EngineOfBuild, image: BuildImage, query: BuildQuery, output: BuildStream): Promise<void> {
    for (const reference of query.tags) {
      await this.#options.store.setName(reference, engine.describe(image));
      this.#options.store.announce('tag', image.id, familiarReference(reference), image.config.config?.Labels);
      output.stdout(`Successfully tagged ${familiarReference(reference)}\n`);
    }
  }
}

interface RunningBuild {
  readonly context: RouteContext;
  readonly query: BuildQuery;
  readonly output: BuildStream;
  readonly signal: AbortSignal;
}

/** Takes all of the request's body, or what `remote` names, and unpacks it. */
async function receiveContext({ context, query, output, signal }: RunningBuild, temporary: string): Promise<{ files: BuildContext; dockerfile: string }> {
  const { takeDockerfile, unpackContext } = await import('@dray/builder');
  const archive = path.join(temporary, 'context.tar');
  const root = path.join(temporary, 'context');
  if (query.remote === '') {
    await pipeline(context.body, limited(), fs.createWriteStream(archive));
  } else {
    await context.drainBody();
    const alone = await fetchRemote(query.remote, archive, { signal, output });
    if (alone !== undefined) {
      await fs.promises.mkdir(root);
      return { files: { root, sums: new Map() }, dockerfile: alone };
    }
  }
  const files = await unpackContext(archive, root, { signal });
  await fs.promises.rm(archive);
  return { files, dockerfile: (await takeDockerfile(files, query.dockerfile)).source };
}

function limited(): (source: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array, void, void> {
  return async function* limit(source) {
    let bytes = 0;
    for await (const chunk of source) {
      bytes += chunk.byteLength;
      if (bytes > CONTEXT_BYTES_MAX) throw new EngineApiError('resource_exhausted', 'CONTEXT_TOO_LARGE', `the build context is larger than ${CONTEXT_BYTES_MAX} bytes`);
      yield chunk;
    }
  };
}

/** Fetches a context, or a Dockerfile alone: then its text is the result. */
async function fetchRemote(remote: string, archive: string, { signal, output }: Pick<RunningBuild, 'signal' | 'output'>): Promise<string | undefined> {
  if (!/^https?:\/\//.test(remote) || /\.git(?:#.*)?$/.test(remote)) throw notImplemented('building from a git repository is not implemented: send its files as the context', 'NO_GIT_CONTEXT');
  try {
    const response = await downloadTo(remote, archive, signal);
    const type = response.headers.get('content-type') ?? '';
    if (!type.startsWith('text/plain')) return undefined;
  } catch (error) {
    throw new EngineApiError(errorKind(error) ?? 'internal', 'REMOTE_CONTEXT', `error downloading remote context ${remote}: ${messageOf(error)}`, { cause: error });
  }
  output.stdout(`Downloading build context from remote url: ${remote}\n`);
  const text = await fs.promises.readFile(archive, 'utf8');
  if (text === '') throw invalid('the Dockerfile (remote) cannot be empty', 'DOCKERFILE_SYNTAX');
  return text;
}

/** A build's messages as lines of JSON. A quiet build tells the image's id alone, and everything where it fails. */
class BuildStream implements BuildOutput {
  /** For the pulls of base images. */
  readonly progress: ProgressStream;
  readonly #answer: ProgressStream;
  readonly #isQuiet: boolean;
  readonly #kept: ProgressLine[] = [];

  constructor(context: RouteContext, isQuiet: boolean) {
    this.#isQuiet = isQuiet;
    this.#answer = new ProgressStream(() => context.startStream());
    this.progress = isQuiet ? new ProgressStream(() => new Writable({ write: (_chunk, _encoding, done) => { done(); } })) : this.#answer;
  }

  #send(line: ProgressLine): void {
    if (!this.#isQuiet) this.#answer.send(line);
    else if (this.#kept.length < QUIET_LINES_MAX) this.#kept.push(line);
  }

  stdout(text: string): void {
    this.#send({ stream: text });
  }

  stderr(text: string): void {
    this.#send({ stream: `\u001b[91m${text}\u001b[0m` });
  }

  image(id: string): void {
    if (!this.#isQuiet) this.#answer.send({ aux: { ID: id } });
  }

  /** The image that came of it. */
  result(id: string): void {
    if (this.#isQuiet) this.#answer.send({ stream: `${id}\n` });
  }

  end(): void {
    this.#answer.end();
  }

  /** Ends with an error: as the answer itself where nothing was told yet. */
  fail(error: unknown): void {
    for (const line of this.#kept.splice(0)) this.#answer.send(line);
    if (!this.#answer.isStarted) throw error;
    const message = messageOf(error);
    const code = isBuilderError(error) ? error.exitCode : undefined;
    this.#answer.send({ errorDetail: { ...code === undefined ? {} : { code }, message }, error: message });
    this.#answer.end();
  }
}
