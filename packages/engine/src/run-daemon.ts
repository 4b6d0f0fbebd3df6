import fs from 'node:fs';
import path from 'node:path';
import { type Daemon, connectContainerd, createContainerService, createDaemon } from '@dray/engine-api';
import { NetworkController } from '@dray/network';
import { ContainerdSupervisor, isServing } from './containerd-supervisor.ts';
import { EngineError } from './errors.ts';
import { kernel } from './kernel.ts';
import { listenAddresses, listenAll } from './listeners.ts';
import { checkSocketsFree } from './sockets.ts';
import type { DaemonLog } from './log.ts';
import { lockDataRoot } from './data-root-lock.ts';
import { writePidFile } from './process-files.ts';
import type { Settings } from './settings.ts';
import { engineVersion } from './version.ts';

/** How long a containerd that runs already may take to answer. */
const CONTAINERD_TIMEOUT_MS = 15_000;

/** A daemon that serves. */
export interface RunningDaemon extends AsyncDisposable {
  readonly daemon: Daemon;
  /** Stops listening, stops containers unless live-restore is on, ends containerd. */
  close(): Promise<void>;
}

/**
 * Starts everything: lock, pid file, containerd, networks, containers, listeners. Whole, or what was started is taken back.
 * @throws EngineError, EngineApiError
 */
export async function runDaemon(settings: Settings, log: DaemonLog): Promise<RunningDaemon> {
  if (process.getuid?.() !== 0) throw new EngineError('permission_denied', 'NOT_ROOT', 'drayd needs to be started with root privileges');
  const { config } = settings;
  process.umask(0o022);
  listenAddresses(settings, silent);
  fs.mkdirSync(config.dataRoot, { recursive: true, mode: 0o710 });
  fs.mkdirSync(config.execRoot, { recursive: true, mode: 0o711 });
  const resources = new AsyncDisposableStack();
  try {
    resources.use(lockDataRoot(config.dataRoot));
    resources.use(writePidFile(settings.pidFile));
    await checkSocketsFree(settings.hosts);
    await openContainerd(settings, log, resources);
    const containerd = resources.use(await connectContainerd(config.containerdAddress, { namespace: config.containerdNamespace }));
    const networks = await openNetworks(settings, resources);
    const runtime = engineVersion();
    const daemon = await createDaemon({
      config, containerd, kernel, networks, logger: log, createContainers: createContainerService,
      components: async () => [{ name: config.defaultRuntime === 'dray' ? 'runc-ts' : config.defaultRuntime, version: runtime.version, gitCommit: runtime.gitCommit }, { name: 'docker-init', version: '', gitCommit: '' }],
    });
    resources.defer(() => daemon.shutdown());
    const listeners = await listenAll(daemon.api, settings, log);
    resources.defer(async () => {
      const closed = listeners.map((listener) => listener.close());
      for (const listener of listeners) listener.destroy();
      await Promise.all(closed);
    });
    log.info({}, 'Daemon has completed initialization');
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => closing ??= resources.disposeAsync();
    return { daemon, close, [Symbol.asyncDispose]: close };
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

async function openContainerd(settings: Settings, log: DaemonLog, resources: AsyncDisposableStack): Promise<void> {
  const { config } = settings;
  if (settings.containerd === undefined) {
    const supervisor = await ContainerdSupervisor.start({ dataRoot: config.dataRoot, execRoot: config.execRoot, isDebug: config.debug, logger: log });
    resources.defer(() => supervisor.stop());
  } else if (!await isServing(settings.containerd, AbortSignal.timeout(CONTAINERD_TIMEOUT_MS))) {
    throw new EngineError('unavailable', 'CONTAINERD', `failed to dial "${settings.containerd}": containerd does not answer`);
  }
}

async function openNetworks({ config }: Settings, resources: AsyncDisposableStack): Promise<NetworkController> {
  const { bridge, bip, mtu } = config.network;
  const networks = resources.use(await NetworkController.open({
    stateFolder: path.join(config.dataRoot, 'network'), runtimeFolder: path.join(config.execRoot, 'network'),
    bridge: { name: bridge ?? 'dray0', ...bip === undefined ? {} : { address: bip }, ...mtu === undefined ? {} : { mtu } },
  }));
  resources.defer(() => networks.removeIdleLinks());
  return networks;
}
