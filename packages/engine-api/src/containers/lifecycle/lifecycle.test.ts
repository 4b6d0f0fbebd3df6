import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DaemonContext } from '../../context.ts';
import { EngineApiError, notFound } from '../../errors.ts';
import { EventBus, type EngineEvent } from '../../events/index.ts';
import { silentLogger } from '../../logger.ts';
import { parseCreateBody } from '../create/body.ts';
import { ExecRegistry } from '../exec/exec.ts';
import { NameRegistry } from '../names/registry.ts';
import type { RootfsAccess } from '../rootfs/rootfs-access.ts';
import type { ProcessExit, TaskEvent, TaskInfo, TaskPort } from '../tasks/task-port.ts';
import { adoptAll, resync } from './adopt.ts';
import type { Container } from './container.ts';
import { createContainer, renameContainer } from './create.ts';
import type { Engine } from './engine.ts';
import { RecordStore } from './record-store.ts';
import type { ContainerRecord } from './record.ts';
import { removeAsAsked } from './remove.ts';
import { startContainer } from './start.ts';
import { killContainer, pauseContainer, stopContainer, unpauseContainer } from './stop.ts';
import { followTaskEvents } from './task-events.ts';
import { waitFor } from './wait.ts';

/** containerd as a map. A task ends when `end` says so, or by SIGKILL. */
class FakeTasks implements Partial<TaskPort> {
  readonly tasks = new Map<string, { info: TaskInfo; ended: PromiseWithResolvers<ProcessExit> }>();
  readonly snapshots = new Set<string>();
  readonly records = new Set<string>();
  readonly signals: number[] = [];
  ignoresSignals = false;
  /** How a process ends before its start is answered. */
  endsAtOnce: number | undefined;
  /** Whether exits are told, as they are not while containerd is away. */
  tellsExits = true;
  readonly #listeners = new Set<(event: TaskEvent) => void>();
  createError: Error | undefined;
  startError: Error | undefined;
  #pid = 100;

  readonly prepareSnapshot = async (key: string) => { this.snapshots.add(key); return [{ type: 'bind', source: '/x', options: [] }]; };
  readonly snapshotMounts = async () => [{ type: 'bind', source: '/x', options: [] }];
  readonly removeSnapshot = async (key: string) => { this.snapshots.delete(key); };
  readonly putRecord = async ({ id }: { id: string }) => { this.records.add(id); };
  readonly deleteRecord = async (id: string) => { this.records.delete(id); };
  readonly create = async (id: string) => {
    if (this.createError) throw this.createError;
    this.add(id, 'created');
    return this.#pid;
  };
  readonly start = async (id: string) => {
    if (this.startError) throw this.startError;
    this.#set(id, { status: 'running' });
    if (this.endsAtOnce !== undefined) this.end(id, this.endsAtOnce);
    return this.#pid;
  };
  readonly wait = async (id: string, _execId: string | undefined, signal: AbortSignal) => {
    const task = this.tasks.get(id);
    if (!task) throw notFound('task not found');
    return Promise.race([task.ended.promise, new Promise<never>((_, reject) => { signal.addEventListener('abort', () => { reject(new Error('aborted')); }); })]);
  };
  async *events(signal: AbortSignal, onConnected: () => void): AsyncGenerator<TaskEvent, void, void> {
    const queue: TaskEvent[] = [];
    let wake: () => void = () => undefined;
    this.#listeners.add((event) => { queue.push(event); wake(); });
    signal.addEventListener('abort', () => { wake(); });
    onConnected();
    while (!signal.aborted) {
      yield* queue.splice(0);
      if (queue.length === 0) await new Promise<void>((resolve) => { wake = resolve; });
    }
  }

  readonly delete = async (id: string) => {
    const exit = this.tasks.get(id)?.info.exit;
    this.tasks.delete(id);
    return exit;
  };
  readonly get = async (id: string) => this.tasks.get(id)?.info;
  readonly list = async () => [...this.tasks.values()].map(({ info }) => info);
  readonly kill = async (id: string, signal: number) => {
    this.signals.push(signal);
    if (signal === 9 || !this.ignoresSignals) this.end(id, 128 + signal);
  };
  readonly pause = async (id: string) => { this.#set(id, { status: 'paused' }); };
  readonly resume = async (id: string) => { this.#set(id, { status: 'running' }); };

  add(id: string, status: TaskInfo['status'], exit?: ProcessExit): void {
    const ended = Promise.withResolvers<ProcessExit>();
    this.tasks.set(id, { info: { id, pid: ++this.#pid, status, exit }, ended });
    if (exit) ended.resolve(exit);
  }

  end(id: string, code: number): void {
    const exit = { code, atNanos: 1_700_000_000_000_000_000n };
    this.#set(id, { status: 'stopped', exit });
    const task = this.tasks.get(id);
    if (!task) return;
    task.ended.resolve(exit);
    if (this.tellsExits) for (const listener of this.#listeners) listener({ kind: 'exit', containerId: id, execId: undefined, pid: task.info.pid, exit });
  }

  #set(id: string, change: Partial<TaskInfo>): void {
    const task = this.tasks.get(id);
    if (task) task.info = { ...task.info, ...change };
  }
}

let folder = '';
let tasks: FakeTasks;
let engine: Engine;
let events: EngineEvent[];
let released: string[];
let following: AbortController;

function makeEngine(): Engine {
  const bus = new EventBus();
  bus.listen((event) => { events.push(event); });
  const unused = (): never => { throw new Error('not used here'); };
  const context = {
    config: { runtimes: { dray: { shim: 'io.containerd.dray.v2' } }, loggerPath: '/logger', containerdNamespace: 'moby', snapshotter: 'overlayfs' },
    events: bus, logger: silentLogger,
    images: { resolve: async (reference: string) => {
      if (reference === 'gone') throw notFound('No such image: gone:latest');
      return { id: 'sha256:1', configuration: { os: 'linux', architecture: 'amd64', config: { Cmd: ['sh'], Labels: { from: 'image' } } }, chainId: 'chain', snapshotter: 'overlayfs', recordName: 'r', manifestDigest: 'm', repoTags: [] };
    }, count: unused, commit: unused },
    volumes: { create: unused, get: unused, acquire: unused, release: unused, mount: unused, unmount: unused, isAnonymous: unused, remove: unused, populate: unused },
    networks: {
      resolve: async () => ({ id: 'n', name: 'bridge', driver: 'bridge', isUserDefined: false }), sandbox: () => undefined,
      prepareSandbox: async () => ({ sandboxId: 's', namespacePath: '/run/netns/s', endpoints: [], ports: [], hosts: 'hosts', resolvConf: 'resolv' }),
      releaseSandbox: async (id: string) => { released.push(id); }, connect: unused, disconnect: unused, rename: async () => undefined,
    },
    paths: { containers: join(folder, 'data'), runtime: join(folder, 'run'), volumes: '', temporary: '' },
    platform: { mount: unused, unmount: unused, makeFifo: async () => undefined, makeNode: unused, copyExtendedAttributes: unused },
  } as unknown as DaemonContext;
  return {
    context, tasks: tasks as unknown as TaskPort, registry: new NameRegistry<Container>(), store: new RecordStore({ folder: context.paths.containers, logger: silentLogger }),
    rootfs: { initLayer: async () => 'init', forgetInitLayer: () => undefined } as unknown as RootfsAccess, execs: new ExecRegistry(), shutdown: new AbortController(),
    host: { arch: 'x64', kernel: [6, 1], cgroupVersion: 1, capabilities: [], canRaiseLimits: true, hardLimits: {}, hasSeccomp: false, possibleCpuCount: 1 },
    hostFacts: { cpuCount: 2, runtimes: ['dray'], logDrivers: ['json-file'] },
    hostDefaults: { runtime: 'dray', logDriver: 'json-file', logOpts: {}, cgroupVersion: 1, shmSizeBytes: 1, init: false },
  };
}

function follow(): void {
  following = new AbortController();
  void followTaskEvents(engine, following.signal);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-life-'));
  tasks = new FakeTasks();
  events = [];
  released = [];
  engine = makeEngine();
  follow();
});
afterEach(async () => {
  following.abort();
  engine.shutdown.abort();
  await rm(folder, { recursive: true });
});

const create = async (name = '', hostConfig: object = {}, config: object = {}): Promise<Container> =>
  (await createContainer(engine, { name, platform: undefined, body: parseCreateBody({ Image: 'busybox', ...config, HostConfig: hostConfig }) })).container;
const actions = (): string[] => events.filter((event) => event.type === 'container').map((event) => event.action);
const stored = async (id: string): Promise<ContainerRecord> => JSON.parse(await readFile(join(folder, 'data', id, 'config.v2.json'), 'utf8')) as ContainerRecord;
const never = new AbortController().signal;
/** Resolves at the next exit, once that was dealt with. */
const exited = async (container: Container): Promise<void> => { await container.run?.handled; await container.lock.run(() => Promise.resolve()); };

describe('createContainer()', () => {
  it('stores the merged configuration and announces it', async () => {
    const container = await create('web');
    expect(await stored(container.id)).toMatchObject({ name: '/web', config: { Cmd: ['sh'], Labels: { from: 'image' }, Hostname: container.id.slice(0, 12) }, hostConfig: { NetworkMode: 'bridge', Runtime: 'dray' }, phase: { kind: 'created' } });
    expect(events.at(-1)).toMatchObject({ action: 'create', actor: { id: container.id, attributes: { image: 'busybox', name: 'web', from: 'image' } } });
  });

  it('gives one name to exactly one of many requests, and leaves nothing of the others', async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => create('web')));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results) if (result.status === 'rejected') expect(result.reason).toMatchObject({ kind: 'conflict' });
    expect(tasks.snapshots.size).toBe(1);
    expect(engine.registry.all()).toHaveLength(1);
  });

  it('takes everything back when a step fails', async () => {
    await expect(create('web', {}, { Image: 'gone' })).rejects.toThrow('No such image: gone:latest');
    await expect(create('web', { Mounts: [{ Type: 'bind', Source: '/nonexistent/x', Target: '/b' }] })).rejects.toThrow('bind source path does not exist: /nonexistent/x');
    expect(tasks.snapshots.size).toBe(0);
    expect(engine.registry.isFree('web')).toBe(true);
    await create('web');
  });
});

describe('a run', () => {
  it('is announced, waited for, released and stored', async () => {
    const container = await create();
    const waiting = waitFor(container, 'next-exit', never);
    await startContainer(engine, container);
    expect(container.status).toBe('running');
    await expect(startContainer(engine, container)).rejects.toMatchObject({ kind: 'not_modified' });
    tasks.end(container.id, 42);
    expect(await waiting).toBe(42);
    await exited(container);
    expect(actions()).toEqual(['create', 'start', 'die']);
    expect(events.at(-1)?.actor.attributes['exitCode']).toBe('42');
    expect(await stored(container.id)).toMatchObject({ phase: { kind: 'exited', exit: { code: 42, at: '2023-11-14T22:13:20Z' } } });
    expect(released).toEqual([container.id]);
    expect(tasks.tasks.size).toBe(0);
    expect(existsSync(container.paths.runtime)).toBe(false);
    expect(await waitFor(container, 'not-running', never)).toBe(42);
  });

  it('that cannot begin leaves the reason and nothing else', async () => {
    const container = await create();
    tasks.createError = new EngineApiError('unknown', 'CONTAINERD', 'failed to create shim task: OCI runtime create failed: exec: "nope": executable file not found in $PATH: unknown');
    await expect(startContainer(engine, container)).rejects.toMatchObject({ kind: 'invalid_argument', message: expect.stringMatching(/^failed to create task for container: failed to create shim task/) as string });
    expect(await stored(container.id)).toMatchObject({ phase: { kind: 'created' }, startError: { code: 127 } });
    expect(released).toEqual([container.id]);
    tasks.createError = undefined;
    tasks.startError = new EngineApiError('unknown', 'CONTAINERD', 'permission denied');
    await expect(startContainer(engine, container)).rejects.toMatchObject({ kind: 'invalid_argument' });
    expect(container.record.startError?.code).toBe(126);
    expect(tasks.tasks.size).toBe(0);
    expect(container.status).toBe('created');
  });

  it('of an auto-remove container ends with everything gone, and waiters still get its code', async () => {
    const container = await create('once', { AutoRemove: true });
    const waiting = waitFor(container, 'removed', never);
    await startContainer(engine, container);
    tasks.end(container.id, 7);
    expect(await waiting).toBe(7);
    expect(actions()).toEqual(['create', 'start', 'die', 'destroy']);
    expect(tasks.snapshots.size + tasks.records.size + tasks.tasks.size).toBe(0);
    expect(existsSync(container.paths.folder)).toBe(false);
    expect(() => engine.registry.find('once')).toThrow('No such container: once');
  });

  it('that ends before its start was answered is dealt with all the same', async () => {
    const container = await create('once', { AutoRemove: true });
    const waiting = waitFor(container, 'removed', never);
    tasks.endsAtOnce = 3;
    await startContainer(engine, container);
    expect(await waiting).toBe(3);
    expect(actions()).toEqual(['create', 'start', 'die', 'destroy']);
  });

  it('whose end was told while containerd could not be reached is found ended afterwards, or gone', async () => {
    const [ended, gone] = [await create('ended'), await create('gone-too')];
    await startContainer(engine, ended);
    await startContainer(engine, gone);
    tasks.tellsExits = false;
    tasks.end(ended.id, 4);
    tasks.tasks.delete(gone.id);
    await resync(engine);
    expect([ended.record.lastExit?.code, gone.record.lastExit?.code]).toEqual([4, 255]);
  });

  it('is stopped by its signal, then by SIGKILL', async () => {
    const container = await create('', {}, { StopSignal: 'SIGINT' });
    await startContainer(engine, container);
    tasks.ignoresSignals = true;
    await stopContainer(engine, container, { timeoutSeconds: 0, signal: '' });
    expect(tasks.signals).toEqual([2, 9]);
    expect(actions()).toEqual(['create', 'start', 'kill', 'kill', 'die', 'stop']);
    await expect(stopContainer(engine, container, { timeoutSeconds: 0, signal: '' })).rejects.toMatchObject({ kind: 'not_modified' });
    await expect(killContainer(engine, container, 'KILL')).rejects.toThrow(/^cannot kill container: .*: container .* is not running$/);
  });

  it('is paused and thawed, and killing thaws it', async () => {
    const container = await create();
    await startContainer(engine, container);
    await pauseContainer(engine, container);
    expect(container.status).toBe('paused');
    await expect(pauseContainer(engine, container)).rejects.toThrow('is already paused');
    await expect(startContainer(engine, container)).rejects.toThrow('cannot start a paused container, try unpause instead');
    await unpauseContainer(engine, container);
    await expect(unpauseContainer(engine, container)).rejects.toThrow('is not paused');
    await pauseContainer(engine, container);
    await killContainer(engine, container, 'KILL');
    expect(container.status).toBe('exited');
  });
});

describe('restart policies', () => {
  it('start a container again after it ended, not after a stop', async () => {
    const container = await create('', { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } });
    await startContainer(engine, container);
    tasks.end(container.id, 1);
    await exited(container);
    expect(container.status).toBe('restarting');
    await new Promise<void>((resolve) => { engine.context.events.listen((event) => { if (event.action === 'start') resolve(); }); });
    expect(container.record.restartCount).toBe(1);
    await stopContainer(engine, container, { timeoutSeconds: 5, signal: '' });
    expect(container.status).toBe('exited');
  });

  it('a stop cancels a restart that is waiting', async () => {
    const container = await create('', { RestartPolicy: { Name: 'always' } });
    await startContainer(engine, container);
    tasks.end(container.id, 1);
    await exited(container);
    await stopContainer(engine, container, { timeoutSeconds: 0, signal: '' });
    expect(container.status).toBe('exited');
    expect(container.pendingRestart).toBeUndefined();
  });
});

describe('removeAsAsked()', () => {
  it('refuses a running container in Docker\'s words unless forced', async () => {
    const container = await create('web');
    await startContainer(engine, container);
    await expect(removeAsAsked(engine, container, { removesVolumes: false, isForced: false })).rejects.toThrow('cannot remove container "/web": container is running: stop the container before removing or force remove');
    await Promise.all([removeAsAsked(engine, container, { removesVolumes: false, isForced: true }), removeAsAsked(engine, container, { removesVolumes: false, isForced: true })]);
    expect(actions()).toEqual(['create', 'start', 'kill', 'die', 'destroy']);
  });
});

describe('renameContainer()', () => {
  it('moves the name and refuses taken, equal and empty ones', async () => {
    const [one] = [await create('one'), await create('two')];
    await expect(renameContainer(engine, one, 'two')).rejects.toThrow(/^Error when allocating new name: Conflict\. The container name "\/two"/);
    await expect(renameContainer(engine, one, 'one')).rejects.toThrow('Renaming a container with the same name as its current name');
    await expect(renameContainer(engine, one, '')).rejects.toThrow('Neither old nor new names may be empty');
    await renameContainer(engine, one, 'three');
    expect(engine.registry.find('three').id).toBe(one.id);
    expect(engine.registry.isFree('one')).toBe(true);
    expect((await stored(one.id)).name).toBe('/three');
  });
});

describe('after the daemon was killed', () => {
  /** A new daemon on the same folder and the same containerd. */
  const restart = async (): Promise<void> => {
    following.abort();
    engine.shutdown.abort();
    engine = makeEngine();
    follow();
    await adoptAll(engine);
  };

  it('what runs goes on, and its exit is dealt with', async () => {
    const { id } = await create('web');
    await startContainer(engine, engine.registry.find(id));
    const pid = engine.registry.find(id).run?.pid;
    await restart();
    const container = engine.registry.find('web');
    expect(container.run?.pid).toBe(pid);
    const waiting = waitFor(container, 'not-running', never);
    tasks.end(id, 5);
    expect(await waiting).toBe(5);
  });

  it('what has ended meanwhile has its real exit code', async () => {
    const { id } = await create('web');
    await startContainer(engine, engine.registry.find(id));
    following.abort();
    tasks.end(id, 9);
    await restart();
    expect(engine.registry.find(id).record).toMatchObject({ phase: { kind: 'exited' }, lastExit: { code: 9 } });
    expect(tasks.tasks.size).toBe(0);
  });

  it('what was created and never started is cleared away', async () => {
    const { id } = await create('web');
    tasks.add(id, 'created');
    await restart();
    expect(engine.registry.find(id).status).toBe('created');
    expect(tasks.tasks.size).toBe(0);
  });

  it('what vanished without a trace counts as exited with 255', async () => {
    const { id } = await create('web');
    await startContainer(engine, engine.registry.find(id));
    const running = engine.registry.find(id);
    await engine.store.save(running.record, { isDurable: true });
    following.abort();
    tasks.tasks.clear();
    await restart();
    expect(engine.registry.find(id).record.lastExit?.code).toBe(255);
  });

  it('auto-remove containers that no longer run are removed, and always-restart ones are started', async () => {
    await create('once', { AutoRemove: true });
    const kept = await create('kept', { RestartPolicy: { Name: 'always' } });
    await startContainer(engine, kept);
    await stopContainer(engine, kept, { timeoutSeconds: 0, signal: '' });
    await restart();
    expect(engine.registry.all().map((container) => [container.name, container.status])).toEqual([['/kept', 'running']]);
  });

  it('a folder without a record is removed, and an unreadable record is left alone', async () => {
    const { id } = await create('web');
    await engine.store.makeFolder('e'.repeat(64));
    await engine.store.save({ ...engine.registry.find(id).record, version: 99 as 1 }, { isDurable: false });
    await restart();
    expect(engine.registry.all()).toEqual([]);
    expect(existsSync(join(folder, 'data', 'e'.repeat(64)))).toBe(false);
    expect(existsSync(join(folder, 'data', id))).toBe(true);
  });
});
