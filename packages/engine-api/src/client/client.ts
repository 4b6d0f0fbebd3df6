import type { Duplex, Readable } from 'node:stream';
import { type Endpoint, endpointFromEnvironment } from './endpoint.ts';
import { DrayClientError } from './errors.ts';
import { demultiplex, type OutputChunk } from './frames.ts';
import { jsonLines } from './lines.ts';
import { Transport } from './transport.ts';
import type { ContainerCreateBody, ContainerInspect, ContainerSummary, ExecInspect, ImageSummary, ProgressMessage, VersionInfo } from './types.ts';

/** Options that every call takes. */
export interface CallOptions { readonly signal?: AbortSignal }

/** What of a container's output to attach to. */
export interface AttachOptions extends CallOptions { readonly stdin?: boolean; readonly stdout?: boolean; readonly stderr?: boolean; readonly detachKeys?: string }

/** What of a log to read. */
export interface LogOptions extends CallOptions { readonly follow?: boolean; readonly tail?: string; readonly since?: string; readonly until?: string; readonly timestamps?: boolean; readonly details?: boolean }

/** A further process in a container. */
export interface ExecOptions { readonly Cmd: readonly string[]; readonly AttachStdin?: boolean; readonly AttachStdout?: boolean; readonly AttachStderr?: boolean; readonly Tty?: boolean; readonly Env?: readonly string[]; readonly User?: string; readonly WorkingDir?: string; readonly Privileged?: boolean; readonly Detach?: boolean }

/**
 * A typed client of the Docker Engine API, for Dray's daemon and for Docker's own. Close it with `using` or `client[Symbol.dispose]()`.
 *
 * Every method throws DrayClientError: `DAEMON_ERROR` with the HTTP `status` and the daemon's words, or `CONNECTION_FAILED`.
 *
 * @example
 * using client = DrayClient.fromEnvironment();
 * for (const container of await client.listContainers({ all: true })) console.log(container.Id, container.State);
 */
export class DrayClient implements Disposable {
  readonly #transport: Transport;

  constructor(endpoint: Endpoint, options: { version?: string } = {}) {
    this.#transport = new Transport(endpoint, options);
  }

  /** A client of the daemon that `DOCKER_HOST` and the other variables name. */
  static fromEnvironment(environment: NodeJS.ProcessEnv = process.env): DrayClient {
    const version = environment['DOCKER_API_VERSION'];
    return new DrayClient(endpointFromEnvironment(environment), version ? { version } : {});
  }

  /** The endpoint's host, as the user wrote it. */
  get host(): string {
    return this.#transport.endpoint.host;
  }

  /** The API version that both sides speak. */
  apiVersion(): Promise<string> {
    return this.#transport.version();
  }

  /** What the daemon says of itself. */
  version(options: CallOptions = {}): Promise<VersionInfo> {
    return this.#transport.json({ path: '/version', ...options });
  }

  /** The containers: those that run, or all. */
  listContainers({ all, limit, filters, signal }: { all?: boolean; limit?: number; filters?: Readonly<Record<string, readonly string[]>> } & CallOptions = {}): Promise<ContainerSummary[]> {
    return this.#transport.json({ path: '/containers/json', query: { all, limit, filters: filters && JSON.stringify(filters) }, ...(signal && { signal }) });
  }

  /** Creates a container; nothing runs yet. */
  createContainer(body: ContainerCreateBody, { name, platform, signal }: { name?: string; platform?: string } & CallOptions = {}): Promise<{ Id: string; Warnings: string[] | null }> {
    return this.#transport.json({ method: 'POST', path: '/containers/create', query: { name, platform }, json: body, ...(signal && { signal }) });
  }

  inspectContainer(id: string, options: CallOptions = {}): Promise<ContainerInspect> {
    return this.#transport.json({ path: `/containers/${encodeURIComponent(id)}/json`, ...options });
  }

  startContainer(id: string, options: CallOptions = {}): Promise<void> {
    return this.#post(id, 'start', options);
  }

  /** Stops a container; `timeoutSeconds` later it is killed. */
  stopContainer(id: string, { timeoutSeconds, ...options }: { timeoutSeconds?: number } & CallOptions = {}): Promise<void> {
    return this.#post(id, 'stop', options, { t: timeoutSeconds });
  }

  killContainer(id: string, { signal: killSignal }: { signal?: string } = {}): Promise<void> {
    return this.#post(id, 'kill', {}, { signal: killSignal });
  }

  resizeContainer(id: string, size: { height: number; width: number }): Promise<void> {
    return this.#post(id, 'resize', {}, { h: size.height, w: size.width });
  }

  removeContainer(id: string, { force, volumes, signal }: { force?: boolean; volumes?: boolean } & CallOptions = {}): Promise<void> {
    return this.#transport.run({ method: 'DELETE', path: `/containers/${encodeURIComponent(id)}`, query: { force, v: volumes }, ...(signal && { signal }) });
  }

  /**
   * Waits for a container. The returned promise is there as soon as the daemon watches; its `result` is there when the wait is over, so that
   * nothing between the two is missed.
   */
  async waitContainer(id: string, { condition, signal }: { condition?: 'not-running' | 'next-exit' | 'removed' } & CallOptions = {}): Promise<{ result: Promise<number> }> {
    const response = await this.#transport.send({ method: 'POST', path: `/containers/${encodeURIComponent(id)}/wait`, query: { condition }, ...(signal && { signal }) });
    const result = (async (): Promise<number> => {
      for await (const answer of jsonLines<{ StatusCode: number; Error?: { Message: string } | null }>(response)) {
        if (answer.Error) throw new DrayClientError('DAEMON_ERROR', answer.Error.Message);
        return answer.StatusCode;
      }
      throw new DrayClientError('CONNECTION_FAILED', 'the daemon closed the connection before the container ended');
    })();
    result.catch(() => undefined); // the caller may await it later, or never
    return { result };
  }

  /** Attaches to a container's streams; also before it is started. */
  attachContainer(id: string, { stdin, stdout, stderr, detachKeys, signal }: AttachOptions = {}): Promise<Duplex> {
    return this.#transport.hijack({ method: 'POST', path: `/containers/${encodeURIComponent(id)}/attach`, query: { stream: true, stdin, stdout, stderr, detachKeys }, ...(signal && { signal }) });
  }

  /** A container's log. `isFramed` is false for containers with a terminal. */
  async *logs(id: string, { isFramed, signal, ...query }: LogOptions & { isFramed: boolean }): AsyncIterable<OutputChunk> {
    const response = await this.#transport.send({ path: `/containers/${encodeURIComponent(id)}/logs`, query: { stdout: true, stderr: true, ...query }, ...(signal && { signal }) });
    yield* demultiplex(response, { isFramed });
  }

  createExec(id: string, options: ExecOptions): Promise<{ Id: string }> {
    return this.#transport.json({ method: 'POST', path: `/containers/${encodeURIComponent(id)}/exec`, json: options });
  }

  /** Starts an exec and attaches to it. */
  startExec(execId: string, { tty = false }: { tty?: boolean } = {}): Promise<Duplex> {
    return this.#transport.hijack({ method: 'POST', path: `/exec/${encodeURIComponent(execId)}/start`, json: { Detach: false, Tty: tty } });
  }

  startExecDetached(execId: string): Promise<void> {
    return this.#transport.run({ method: 'POST', path: `/exec/${encodeURIComponent(execId)}/start`, json: { Detach: true, Tty: false } });
  }

  resizeExec(execId: string, size: { height: number; width: number }): Promise<void> {
    return this.#transport.run({ method: 'POST', path: `/exec/${encodeURIComponent(execId)}/resize`, query: { h: size.height, w: size.width } });
  }

  inspectExec(execId: string): Promise<ExecInspect> {
    return this.#transport.json({ path: `/exec/${encodeURIComponent(execId)}/json` });
  }

  listImages({ all, signal }: { all?: boolean } & CallOptions = {}): Promise<ImageSummary[]> {
    return this.#transport.json({ path: '/images/json', query: { all }, ...(signal && { signal }) });
  }

  /** Pulls an image; every step is a message. @throws DrayClientError `STREAM_ERROR` when a step failed. */
  async *pullImage(image: string, { tag, platform, registryAuth, signal }: { tag?: string; platform?: string; registryAuth?: string } & CallOptions = {}): AsyncIterable<ProgressMessage> {
    const response = await this.#transport.send({
      method: 'POST', path: '/images/create', query: { fromImage: image, tag, platform }, headers: { ...(registryAuth !== undefined && { 'X-Registry-Auth': registryAuth }) }, ...(signal && { signal }),
    });
    yield* progress(response);
  }

  /** Loads images from an archive of `docker save`. */
  async *loadImages(archive: Readable, { quiet, signal }: { quiet?: boolean } & CallOptions = {}): AsyncIterable<ProgressMessage> {
    yield* progress(await this.#transport.send({ method: 'POST', path: '/images/load', query: { quiet }, body: archive, headers: { 'Content-Type': 'application/x-tar' }, ...(signal && { signal }) }));
  }

  [Symbol.dispose](): void {
    this.#transport[Symbol.dispose]();
  }

  #post(id: string, verb: string, options: CallOptions, query: Readonly<Record<string, string | number | undefined>> = {}): Promise<void> {
    return this.#transport.run({ method: 'POST', path: `/containers/${encodeURIComponent(id)}/${verb}`, query, ...options });
  }
}

async function* progress(response: Readable): AsyncIterable<ProgressMessage> {
  for await (const message of jsonLines<ProgressMessage>(response)) {
    if (message.error !== undefined) throw new DrayClientError('STREAM_ERROR', message.error);
    yield message;
  }
}
