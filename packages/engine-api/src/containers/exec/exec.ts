/** Further processes in a running container. */
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, EngineApiError, invalid, messageOf, notFound } from '../../errors.ts';
import type { Container, Run } from '../lifecycle/container.ts';
import { publish, type Engine } from '../lifecycle/engine.ts';
import { startFailure } from '../lifecycle/start-errors.ts';
import { runOf } from '../lifecycle/stop.ts';
import { environment, overrideEnv } from '../spec/build.ts';
import { capabilitiesFor } from '../spec/capabilities.ts';
import { parseSecurityOptions } from '../spec/security-options.ts';
import type { SpecProcess, SpecUser } from '../spec/types.ts';
import { FifoOutput, StreamSession, type OutputSelection } from '../stdio/index.ts';
import type { ProcessExit, ProcessIo } from '../tasks/task-port.ts';
import { resolveUser } from '../users/passwd.ts';
import { readAccounts } from '../users/read-accounts.ts';
import type { ExecRequest } from './request.ts';
import type { Duplex } from 'node:stream';

/** What an exec is doing. */
export type ExecState =
  | { readonly kind: 'created' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly pid: number }
  | { readonly kind: 'exited'; readonly pid: number; readonly code: number };

/** One further process, from its creation until a while after its end. */
export class Exec {
  readonly id: string;
  readonly container: Container;
  /** The run of the container that it belongs to. */
  readonly run: Run;
  readonly request: ExecRequest;
  readonly user: SpecUser;
  state: ExecState = { kind: 'created' };
  readonly #ended = Promise.withResolvers<ProcessExit>();
  readonly #exited = Promise.withResolvers<undefined>();
  readonly #started = Promise.withResolvers<undefined>();

  constructor(parts: { container: Container; run: Run; request: ExecRequest; user: SpecUser }) {
    this.id = randomBytes(32).toString('hex');
    this.container = parts.container;
    this.run = parts.run;
    this.request = parts.request;
    this.user = parts.user;
  }

  /** Resolves when the process runs, or has ended, or could not be started. */
  get started(): Promise<unknown> {
    return this.#started.promise;
  }

  /** Resolves when its exit code is known. */
  get exited(): Promise<unknown> {
    return this.#exited.promise;
  }

  /** Resolves when containerd has told how it ended, which may be before its start was answered. */
  get ended(): Promise<ProcessExit> {
    return this.#ended.promise;
  }

  /** Notes how it ended; only the first time counts. */
  end(exit: ProcessExit): void {
    this.#ended.resolve(exit);
  }

  markRunning(pid: number): void {
    this.state = { kind: 'running', pid };
    this.#started.resolve(undefined);
  }

  markExited(code: number): void {
    const pid = this.state.kind === 'running' ? this.state.pid : 0;
    this.state = { kind: 'exited', pid, code };
    this.#started.resolve(undefined);
    this.#exited.resolve(undefined);
  }
}

/** Ended execs can be asked about so long. */
const KEPT_MS = 5 * 60 * 1000;

/** All execs of the daemon. */
export class ExecRegistry {
  readonly #execs = new Map<string, Exec>();

  /** By id. @throws EngineApiError `not_found` */
  find(id: string): Exec {
    const exec = this.#execs.get(id);
    if (!exec) throw notFound(`No such exec instance: ${id}`, 'NO_SUCH_EXEC');
    return exec;
  }

  add(exec: Exec): void {
    this.#execs.set(exec.id, exec);
    exec.container.execIds.add(exec.id);
    void exec.exited.then(() => {
      setTimeout(() => { this.remove(exec); }, KEPT_MS).unref();
    });
    void exec.run.handled.then(() => {
      if (exec.state.kind !== 'exited') exec.markExited(137);
      exec.container.execIds.delete(exec.id);
    });
  }

  /** Those that run, or are about to, as far as is known. */
  running(): Exec[] {
    return [...this.#execs.values()].filter(({ state }) => state.kind === 'running' || state.kind === 'starting');
  }

  /** Notes the end of an exec; one that is not known is nobody's here. */
  ended(id: string, exit: ProcessExit): void {
    this.#execs.get(id)?.end(exit);
  }

  remove(exec: Exec): void {
    this.#execs.delete(exec.id);
    exec.container.execIds.delete(exec.id);
  }
}

/** Notes a further process of a running container. @throws EngineApiError `conflict` when it does not run or is paused, `invalid_argument` for an unknown user */
export async function createExec(engine: Engine, container: Container, request: ExecRequest): Promise<Exec> {
  if (container.record.phase.kind === 'restarting') throw conflict(`container ${container.id} is restarting, wait until the container is running`, 'RESTARTING');
  const run = runOf(container);
  if (container.isPaused) throw conflict(`container ${container.id} is paused, unpause the container before exec`, 'PAUSED');
  if (request.Cmd.length === 0) throw invalid('no exec command specified', 'NO_COMMAND');
  const user = await userOf(container, run, request.User);
  const exec = new Exec({ container, run, request, user });
  engine.execs.add(exec);
  publish(engine, container, `exec_create: ${request.Cmd.join(' ')}`, { execID: exec.id });
  return exec;
}

async function userOf(container: Container, run: Run, user: string): Promise<SpecUser> {
  const wanted = user || container.record.config.User;
  const groups = container.record.hostConfig.GroupAdd ?? [];
  if (wanted === '' && groups.length === 0) return { uid: 0, gid: 0, additionalGids: [] };
  return resolveUser(wanted, groups, await readAccounts(`/proc/${run.pid}/root`));
}

/** How a client is connected to an exec. */
export interface ExecConnection {
  readonly client: Duplex;
  readonly output: OutputSelection;
  readonly hasStdin: boolean;
  readonly detachKeys: Buffer | undefined;
}

/** @throws EngineApiError `conflict` when it ran before or its container stopped */
export function refuseExecStart(exec: Exec): void {
  if (exec.state.kind === 'exited') throw conflict(`exec command ${exec.id} has already run`, 'EXEC_RAN');
  if (exec.state.kind !== 'created') throw conflict(`exec command ${exec.id} is already running`, 'EXEC_RUNNING');
  if (exec.container.run !== exec.run) throw conflict(`container ${exec.container.id} is not running`, 'NOT_RUNNING');
  if (exec.container.isPaused) throw conflict(`container ${exec.container.id} is paused`, 'PAUSED');
}

/**
 * Runs the process. With a connection its output goes there, its exit code is known before that ends, and a start that fails is told in the stream;
 * resolves when the connection ended. Without one resolves when the process runs.
 */
export async function startExec(engine: Engine, exec: Exec, connection: ExecConnection | undefined): Promise<void> {
  exec.state = { kind: 'starting' };
  const place = new ExecPlace(exec);
  const session = connection && new StreamSession(connection.client, {
    output: connection.output, hasStdin: connection.hasStdin, closesStdin: !exec.request.Tty, detachKeys: connection.detachKeys, beforeEnd: () => exec.exited,
  });
  try {
    await runExec(engine, exec, place, session, connection);
  } catch (err) {
    const failure = startFailure(err, '');
    exec.markExited(failure.exitCode);
    if (connection) session?.fail(`${messageOf(failure.error)}\r\n`, connection.output.isFramed);
    await Promise.all([place.remove(), engine.tasks.deleteExec(exec.container.id, exec.id).catch(() => undefined)]); // it may never have been made
    if (!session) throw failure.error;
    return;
  }
  if (!session) return;
  void Promise.all([exec.exited, session.ended]).then(() => place.remove());
  if ((await session.ended) === 'detached' && connection.detachKeys) publish(engine, exec.container, 'exec_detach', { execID: exec.id });
}

/** Where an exec's streams are: FIFOs, which exist before the process does, so that none of its output is missed. */
class ExecPlace {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;

  constructor(exec: Exec) {
    const stem = join(exec.container.paths.runtime, `x${exec.id.slice(0, 12)}`);
    this.stdin = `${stem}.in`;
    this.stdout = `${stem}.out`;
    this.stderr = `${stem}.err`;
  }

  async remove(): Promise<void> {
    await Promise.all([this.stdin, this.stdout, this.stderr].map((path) => rm(path, { force: true })));
  }
}

async function runExec(engine: Engine, exec: Exec, place: ExecPlace, session: StreamSession | undefined, connection: ExecConnection | undefined): Promise<void> {
  const { container, request } = exec;
  const { tasks } = engine;
  const io = await makeFifos(engine, exec, place, connection);
  const output = connection && await FifoOutput.open({ stdout: io.stdout || undefined, stderr: io.stderr || undefined }, connection.output.isFramed);
  const started = Promise.withResolvers<undefined>();
  started.promise.catch(() => undefined); // nobody may be waiting
  try {
    await tasks.exec(container.id, exec.id, JSON.stringify(execProcess(engine, exec)), io);
    publish(engine, container, `exec_start: ${request.Cmd.join(' ')}`, { execID: exec.id });
    await session?.connect({
      openOutput: () => output ? Promise.resolve(output.source()) : Promise.reject(new Error('no output')),
      stdinFifo: io.stdin || undefined, started: started.promise, closeStdin: () => tasks.closeStdin(container.id, exec.id),
    });
    exec.markRunning(await tasks.start(container.id, exec.id));
    started.resolve(undefined);
    output?.started();
  } catch (err) {
    started.reject(new Error('not started'));
    output?.abandon();
    throw err;
  }
  watchExec(engine, exec, session);
}

async function makeFifos(engine: Engine, exec: Exec, place: ExecPlace, connection: ExecConnection | undefined): Promise<ProcessIo> {
  const isTerminal = exec.request.Tty;
  if (!connection) return { stdin: '', stdout: '', stderr: '', isTerminal };
  const io = { stdin: connection.hasStdin ? place.stdin : '', stdout: connection.output.stdout ? place.stdout : '', stderr: connection.output.stderr && !isTerminal ? place.stderr : '', isTerminal };
  const { platform } = engine.context;
  await Promise.all([io.stdin, io.stdout, io.stderr].filter((path) => path !== '').map((path) => platform.makeFifo(path, 0o600)));
  return io;
}

function watchExec(engine: Engine, exec: Exec, session: StreamSession | undefined): void {
  const { container } = exec;
  exec.ended.then(async ({ code }) => {
    exec.markExited(code);
    await engine.tasks.deleteExec(container.id, exec.id);
    publish(engine, container, 'exec_die', { execID: exec.id, exitCode: String(code) });
    session?.processGone();
  }).catch((err: unknown) => { engine.context.logger.error({ containerId: container.id, execId: exec.id, err }, 'cannot clear an exec away'); });
}

/** The OCI process document. */
export function execProcess(engine: Pick<Engine, 'host'>, exec: Pick<Exec, 'container' | 'request' | 'user'>): SpecProcess {
  const { config, hostConfig } = exec.container.record;
  const { request } = exec;
  const capabilities = capabilitiesFor({
    isPrivileged: request.Privileged || hostConfig.Privileged, add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [], available: engine.host.capabilities,
  });
  const [height = 0, width = 0] = request.ConsoleSize ?? [];
  const security = parseSecurityOptions(hostConfig.SecurityOpt);
  return {
    terminal: request.Tty,
    ...(request.Tty && height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
    user: { ...exec.user, additionalGids: [...new Set([exec.user.gid, ...exec.user.additionalGids])] },
    args: [...request.Cmd],
    env: overrideEnv(environment({ ...config, Tty: request.Tty }), request.Env),
    cwd: request.WorkingDir || config.WorkingDir || '/',
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: security.isNoNewPrivileges,
  };
}

/** Gives an exec's terminal another size; waits for the process for a while. @throws EngineApiError */
export async function resizeExec(engine: Engine, exec: Exec, size: { width: number; height: number }): Promise<void> {
  const timeout = AbortSignal.timeout(10_000);
  await Promise.race([exec.started, new Promise((_, reject) => { timeout.addEventListener('abort', () => { reject(new EngineApiError('deadline_exceeded', 'NOT_STARTED', 'timeout waiting for exec session ready')); }); })]);
  if (exec.state.kind !== 'running') throw conflict(`exec process ${exec.id} is not running`, 'NOT_RUNNING');
  await engine.tasks.resize(exec.container.id, exec.id, size);
}

/** What inspect shows. */
export function inspectExec(exec: Exec): Record<string, unknown> {
  const { request, state } = exec;
  const [entrypoint = '', ...args] = request.Cmd;
  return {
    ID: exec.id,
    Running: state.kind === 'running' || state.kind === 'starting',
    ExitCode: state.kind === 'exited' ? state.code : null,
    ProcessConfig: { tty: request.Tty, entrypoint, arguments: args, privileged: request.Privileged, ...(request.User === '' ? {} : { user: request.User }) },
    OpenStdin: request.AttachStdin,
    OpenStderr: request.AttachStderr,
    OpenStdout: request.AttachStdout,
    CanRemove: state.kind === 'exited',
    ContainerID: exec.container.id,
    DetachKeys: request.DetachKeys,
    Pid: state.kind === 'running' || state.kind === 'exited' ? state.pid : 0,
  };
}
