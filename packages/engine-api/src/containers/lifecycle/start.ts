/** Starts containers. */
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { conflict, EngineApiError, invalid, notModified } from '../../errors.ts';
import { nowNanos } from '../../events/index.ts';
import { parseByteSize } from '../create/validate.ts';
import { logAttributes } from '../logs/index.ts';
import { buildSpec, limitWarnings, type JoinedNamespaces, type SpecRequest } from '../spec/build.ts';
import { hostDevices, mappedDevices } from '../spec/devices.ts';
import type { ResolvedMount } from '../spec/mounts.ts';
import { specResources } from '../spec/resources.ts';
import type { SpecUser } from '../spec/types.ts';
import { formatNanos } from '../state/timestamps.ts';
import { loggerUri, openLoggerOutput, startOwnLogger, type LoggerOptions, type OwnLogger, type ProcessStreams } from '../stdio/index.ts';
import type { ProcessIo, RootfsMount } from '../tasks/task-port.ts';
import { resolveUser } from '../users/passwd.ts';
import { readAccounts } from '../users/read-accounts.ts';
import { Run, type Container } from './container.ts';
import { publish, type Engine } from './engine.ts';
import { startHealth } from './health.ts';
import { prepareNetwork, runningDonor, type PreparedNetwork } from './network.ts';
import { removeContainer } from './remove.ts';
import { startFailure } from './start-errors.ts';
import { announceVolumes, mountVolumes, unmountVolumes } from './volumes.ts';

/** Starts a container as a client asked. @throws EngineApiError `not_modified` when it runs, `conflict` when it is paused or going, and why it cannot start */
export async function startContainer(engine: Engine, container: Container): Promise<void> {
  await container.lock.run(async () => {
    refuseStart(container);
    container.pendingRestart?.abort();
    container.record.isManuallyStopped = false;
    container.record.restartCount = 0;
    container.restartDelayMs = 0;
    await startLocked(engine, container);
  });
}

function refuseStart(container: Container): void {
  if (container.isPaused) throw conflict('cannot start a paused container, try unpause instead', 'PAUSED');
  if (container.isRunning) throw notModified(`container ${container.id} is already running`);
  if (container.isRemoving) throw conflict('container is marked for removal and cannot be started', 'REMOVAL_IN_PROGRESS');
}

/** Starts a container whose lock is held and which does not run. A start that fails leaves nothing behind but the reason. */
export async function startLocked(engine: Engine, container: Container): Promise<void> {
  delete container.record.startError;
  try {
    await runSteps(engine, container);
  } catch (err) {
    await recordFailure(engine, container, err);
    throw err;
  }
}

async function recordFailure(engine: Engine, container: Container, err: unknown): Promise<void> {
  const code = err instanceof StartError ? err.exitCode : 128;
  container.record.startError = { code, message: err instanceof Error ? err.message : String(err) };
  if (container.record.phase.kind === 'restarting') container.record.phase = { ...container.record.phase, kind: 'exited' };
  container.endSessions();
  if (container.record.hostConfig.AutoRemove) await removeContainer(engine, container, { removesVolumes: true });
  else await engine.store.save(container.record, { isDurable: true });
}

/** A start that the runtime refused: what becomes of the container's exit code. */
class StartError extends EngineApiError {
  readonly exitCode: number;

  constructor(cause: unknown, prefix: string) {
    const { exitCode, error } = startFailure(cause, prefix);
    super(error.kind, error.code, error.message, { cause });
    this.exitCode = exitCode;
  }
}

async function runSteps(engine: Engine, container: Container): Promise<void> {
  const { record, paths, id } = container;
  await using undo = new AsyncDisposableStack();

  undo.defer(() => rm(paths.runtime, { recursive: true, force: true }));
  undo.defer(() => engine.context.networks.releaseSandbox(id));
  undo.defer(() => unmountVolumes(engine, record));
  const [mounts, user, rootfs, , network] = await settled([
    mountVolumes(engine, record),
    userOf(engine, container),
    rootfsOf(engine, container),
    makeRuntimeFolder(engine, container),
    prepareNetwork(engine, container),
  ] as const);
  const spec = await specOf(engine, container, { mounts, user, network });

  await settled([engine.tasks.putRecord(taskRecord(engine, container, spec), id), network.written] as const);
  const { pid, logger } = await createTask(engine, container, rootfs);
  undo.defer(() => abandonTask(engine, id));
  using _released = { [Symbol.dispose]: () => logger?.release() };
  const started = Promise.withResolvers<undefined>();
  started.promise.catch(() => undefined); // nobody may be waiting
  undo.defer(() => { started.reject(new Error('not started')); });
  await Promise.all([...container.sessions].map((session) => session.connect(processStreams(engine, container, started.promise))));
  const run = new Run(pid, performance.now());
  container.starting = run;
  undo.defer(() => { container.starting = undefined; });
  await engine.tasks.start(id).catch((err: unknown) => { throw new StartError(err, ''); });

  started.resolve(undefined);
  container.run = run;
  container.starting = undefined;
  record.phase = { kind: 'running', pid, startedAt: formatNanos(nowNanos()), isPaused: false, isOomKilled: false };
  undo.move();
  storeSoon(engine, container, run);
  announceVolumes(engine, record);
  publish(engine, container, 'start');
  startHealth(engine, container, run);
}

/** The task says itself that it runs, so the record need not be on disk at once; for one that ends soon it need not be at all. */
const STORE_DELAY_MS = 250;

function storeSoon(engine: Engine, container: Container, run: Run): void {
  const timer = setTimeout(() => {
    if (container.run !== run) return;
    engine.store.save(container.record, { isDurable: false }).catch((err: unknown) => {
      engine.context.logger.error({ containerId: container.id, err }, 'cannot store a container record');
    });
  }, STORE_DELAY_MS);
  timer.unref();
}

/** All results, or the first failure once every step has ended: what one step took is released by the caller. */
async function settled<T extends readonly Promise<unknown>[]>(steps: T): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(steps);
  return Promise.all(steps);
}

async function rootfsOf(engine: Engine, container: Container): Promise<readonly RootfsMount[]> {
  container.rootfs ??= await engine.tasks.snapshotMounts(container.id);
  return container.rootfs;
}

async function makeRuntimeFolder(engine: Engine, container: Container): Promise<void> {
  const { paths, record } = container;
  await rm(paths.runtime, { recursive: true, force: true });
  await mkdir(paths.runtime, { recursive: true, mode: 0o700 });
  if (record.config.OpenStdin) await engine.context.platform.makeFifo(paths.stdinFifo, 0o600);
}

async function userOf(engine: Engine, container: Container): Promise<SpecUser> {
  const { config, hostConfig } = container.record;
  const groups = hostConfig.GroupAdd ?? [];
  if (config.User === '' && groups.length === 0) return { uid: 0, gid: 0, additionalGids: [] };
  return engine.rootfs.withSnapshot(container.id, async (root) => resolveUser(config.User, groups, await readAccounts(root)));
}

interface SpecParts {
  readonly mounts: readonly ResolvedMount[];
  readonly user: SpecUser;
  readonly network: PreparedNetwork;
}

async function specOf(engine: Engine, container: Container, parts: SpecParts): Promise<string> {
  const { record, id } = container;
  const { hostConfig } = record;
  const [devices, resources, shm] = await Promise.all([
    hostConfig.Privileged ? hostDevices().then((all) => ({ devices: all, rules: [] })) : mappedDevices(hostConfig.Devices ?? []),
    specResources(hostConfig),
    shmOf(engine, container),
  ]);
  for (const warning of limitWarnings(hostConfig, engine.host)) engine.context.logger.warn({ containerId: id }, warning);
  refuseDeviceRequests(hostConfig.DeviceRequests ?? []);
  const request: SpecRequest = {
    id, config: record.config, hostConfig, user: parts.user, mounts: parts.mounts, etcFiles: etcFiles(parts.network.files), shm,
    joined: joinedNamespaces(engine, container, parts.network.namespace), resources, devices, initPath: initPathOf(engine, container),
    cgroupParent: hostConfig.CgroupParent || (engine.context.config.cgroupParent ?? '/docker'), linkEnv: [], host: engine.host,
  };
  return JSON.stringify(buildSpec(request));
}

function refuseDeviceRequests(requests: readonly { Driver: string; Capabilities: (string[] | null)[] | null }[]): void {
  const request = requests[0];
  if (!request) return;
  const capabilities = `[${(request.Capabilities ?? []).map((set) => `[${(set ?? []).join(' ')}]`).join(' ')}]`;
  throw invalid(`could not select device driver ${JSON.stringify(request.Driver)} with capabilities: ${capabilities}`, 'NO_DEVICE_DRIVER');
}

function etcFiles(owner: Container): SpecRequest['etcFiles'] {
  const { paths } = owner;
  return [
    { source: paths.resolvConf, destination: '/etc/resolv.conf' }, { source: paths.hostname, destination: '/etc/hostname' }, { source: paths.hosts, destination: '/etc/hosts' },
  ];
}

/** Where distributions put the init that `--init` gives to containers. */
const INIT_PATHS = ['/usr/local/bin/docker-init', '/usr/bin/docker-init', '/usr/libexec/docker/docker-init', '/usr/local/libexec/docker/docker-init', '/sbin/docker-init'];

function initPathOf(engine: Engine, container: Container): string | undefined {
  const { Init, PidMode } = container.record.hostConfig;
  if (!(Init ?? engine.hostDefaults.init) || PidMode !== '') return undefined;
  const path = engine.context.config.initPath ?? INIT_PATHS.find((candidate) => existsSync(candidate));
  if (path === undefined || !existsSync(path)) throw new EngineApiError('internal', 'NO_INIT', 'exec: "docker-init": executable file not found in $PATH');
  return path;
}

function joinedNamespaces(engine: Engine, container: Container, network: string): JoinedNamespaces {
  const { PidMode, IpcMode, UTSMode } = container.record.hostConfig;
  const joined = (mode: string, type: string): string | undefined => {
    if (mode === 'host') return 'host';
    if (!mode.startsWith('container:')) return undefined;
    return `/proc/${runningDonor(engine, container, mode.slice('container:'.length), type).pid}/ns/${type}`;
  };
  const [pid, ipc, uts] = [joined(PidMode, 'pid'), joined(IpcMode, 'ipc'), UTSMode === 'host' ? 'host' : undefined];
  return { network, ...(pid === undefined ? {} : { pid }), ...(ipc === undefined ? {} : { ipc }), ...(uts === undefined ? {} : { uts }) };
}

/** Where a shareable container's shared memory is on the host. */
function sharedMemoryFolder(container: Container): string {
  return join(container.paths.folder, 'mounts', 'shm');
}

async function shmOf(engine: Engine, container: Container): Promise<SpecRequest['shm']> {
  const { IpcMode, ShmSize } = container.record.hostConfig;
  if (IpcMode === 'none') return { kind: 'none' };
  if (IpcMode.startsWith('container:')) {
    const donor = runningDonor(engine, container, IpcMode.slice('container:'.length), 'ipc').container;
    if (donor.record.hostConfig.IpcMode !== 'shareable') {
      throw invalid(`can't join IPC of container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`, 'NOT_SHAREABLE');
    }
    return { kind: 'bind', source: sharedMemoryFolder(donor) };
  }
  if (IpcMode !== 'shareable') return { kind: 'tmpfs', sizeBytes: ShmSize };
  const folder = sharedMemoryFolder(container);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await engine.context.platform.unmount(folder, { detach: true });
  await engine.context.platform.mount({ type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${ShmSize}`] }, folder);
  return { kind: 'bind', source: folder };
}

/** Takes a shareable container's shared memory down. */
export async function releaseSharedMemory(engine: Engine, container: Container): Promise<void> {
  if (container.record.hostConfig.IpcMode === 'shareable') await engine.context.platform.unmount(sharedMemoryFolder(container), { detach: true });
}

function taskRecord(engine: Engine, container: Container, spec: string): Parameters<Engine['tasks']['putRecord']>[0] {
  const { record, id } = container;
  const runtime = engine.context.config.runtimes[record.hostConfig.Runtime];
  if (!runtime) throw invalid(`unknown or invalid runtime name: ${record.hostConfig.Runtime}`, 'UNKNOWN_RUNTIME');
  return { id, imageName: record.imageRecordName, spec, runtime: runtime.shim, runtimeBinary: runtime.binary ?? '', labels: { 'io.dray.name': record.name } };
}

async function createTask(engine: Engine, container: Container, rootfs: readonly RootfsMount[]): Promise<{ pid: number; logger: OwnLogger | undefined }> {
  const { config } = container.record;
  const options = loggerOptions(engine, container);
  const logger = needsOwnLogger(engine, container)
    ? await startOwnLogger(engine.context.platform, join(container.paths.runtime, 'std'), { ...options, containerId: container.id, namespace: engine.context.config.containerdNamespace })
    : undefined;
  const output = loggerUri(options);
  const io: ProcessIo = {
    stdin: config.OpenStdin ? container.paths.stdinFifo : '', stdout: logger?.stdout ?? output, stderr: config.Tty ? '' : (logger?.stderr ?? output), isTerminal: config.Tty,
  };
  try {
    return { pid: await engine.tasks.create(container.id, rootfs, io), logger };
  } catch (err) {
    logger?.release();
    throw new StartError(err, 'failed to create task for container: ');
  }
}

function loggerOptions(engine: Engine, container: Container): LoggerOptions {
  const { config, hostConfig } = container.record;
  const options = hostConfig.LogConfig.Config ?? {};
  const maxSize = parseByteSize(options['max-size'] ?? '-1') ?? -1;
  const isLogged = hostConfig.LogConfig.Type === 'json-file';
  const attributes = logAttributes(config, hostConfig.LogConfig);
  return {
    loggerPath: engine.context.config.loggerPath, driver: isLogged ? 'json-file' : 'none', attachSocket: container.paths.attachSocket, isTty: config.Tty,
    ...(isLogged ? { path: container.paths.log } : {}), ...(Object.keys(attributes).length > 0 ? { attributes } : {}), ...(isLogged && maxSize > 0 ? { maxSizeBytes: maxSize, maxFiles: Number(options['max-file'] ?? 1) } : {}),
  };
}

/** Dray's own shim, which gives a process with a logger standard input too. */
const OWN_SHIM = 'io.containerd.dray.v2';

function needsOwnLogger(engine: Engine, container: Container): boolean {
  const { config, hostConfig } = container.record;
  return config.OpenStdin && !config.Tty && engine.context.config.runtimes[hostConfig.Runtime]?.shim !== OWN_SHIM;
}

/** Where a running container's streams are. */
export function processStreams(engine: Engine, container: Container, started: Promise<unknown> = Promise.resolve()): ProcessStreams {
  return {
    openOutput: (selection) => openLoggerOutput(container.paths.attachSocket, selection),
    stdinFifo: container.record.config.OpenStdin ? container.paths.stdinFifo : undefined,
    started,
    closeStdin: () => engine.tasks.closeStdin(container.id),
  };
}

/** Ends and forgets a task that was created and never started. */
export async function abandonTask(engine: Engine, id: string): Promise<void> {
  const { tasks } = engine;
  await tasks.kill(id, 9, { all: true }).catch(() => undefined); // it may never have had a process
  await tasks.wait(id, undefined, AbortSignal.timeout(10_000)).catch(() => undefined);
  await tasks.delete(id);
}
