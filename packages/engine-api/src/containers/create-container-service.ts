/** Puts the parts of the container service together. */
import { availableParallelism } from 'node:os';
import type { DaemonContext } from '../context.ts';
import { conflict, errorKind, invalid } from '../errors.ts';
import type { EndpointRequest as NetworkEndpoint } from '../networks/network-service.ts';
import type { ContainerReference, ContainerService, ContainerUsage } from './container-service.ts';
import { ExecRegistry } from './exec/exec.ts';
import type { Container } from './lifecycle/container.ts';
import { adoptAll, resync } from './lifecycle/adopt.ts';
import type { Engine } from './lifecycle/engine.ts';
import { refreshNetworkFiles } from './lifecycle/network.ts';
import { RecordStore } from './lifecycle/record-store.ts';
import { endRun } from './lifecycle/stop.ts';
import { followTaskEvents } from './lifecycle/task-events.ts';
import { NameRegistry } from './names/registry.ts';
import { RootfsAccess } from './rootfs/rootfs-access.ts';
import { containerRoutes } from './routes/container-routes.ts';
import { execRoutes } from './routes/exec-routes.ts';
import { streamRoutes } from './routes/stream-routes.ts';
import { archiveRoutes } from './routes/archive-routes.ts';
import { stepContainers } from './step-containers.ts';
import { readSpecHost } from './spec/host.ts';
import { ContainerdTasks } from './tasks/containerd-tasks.ts';
import { listEntry } from './views/list.ts';

/** Log drivers that are there. */
const LOG_DRIVERS = ['json-file', 'none'];

/**
 * Makes the container service: loads what is on disk, takes over what runs and applies restart policies. When it resolves, requests can be served.
 *
 * @throws EngineApiError when containerd cannot be reached
 */
export async function createContainerService(context: DaemonContext): Promise<ContainerService> {
  const engine = await createEngine(context);
  const events = new AbortController();
  followTaskEvents(engine, events.signal).catch((err: unknown) => { context.logger.error({ err }, 'cannot follow the events of tasks'); });
  await adoptAll(engine);
  // What ended while it was being adopted.
  await resync(engine);
  return {
    routes: [...containerRoutes(engine), ...streamRoutes(engine), ...execRoutes(engine), ...archiveRoutes(engine)],
    steps: stepContainers(engine),
    references: () => engine.registry.all().map(referenceOf),
    usage: () => usage(engine),
    find: (nameOrId) => referenceOf(engine.registry.find(nameOrId)),
    connectNetwork: (nameOrId, network, endpoint) => connectNetwork(engine, nameOrId, network, endpoint),
    disconnectNetwork: (nameOrId, network, options) => disconnectNetwork(engine, nameOrId, network, options),
    shutdown: async () => {
      engine.shutdown.abort();
      if (!context.config.liveRestore) await stopAll(engine);
      events.abort();
      for (const container of engine.registry.all()) container.run?.watch.abort();
    },
  };
}

async function createEngine(context: DaemonContext): Promise<Engine> {
  const { config, paths, logger } = context;
  const host = await readSpecHost();
  const tasks = new ContainerdTasks({ containerd: context.containerd, namespace: config.containerdNamespace, snapshotter: config.snapshotter });
  return {
    context, tasks, host, registry: new NameRegistry<Container>(), store: new RecordStore({ folder: paths.containers, logger }),
    rootfs: new RootfsAccess({ kernel: context.platform, tasks, temporary: paths.temporary }), execs: new ExecRegistry(), shutdown: new AbortController(),
    hostFacts: { cpuCount: availableParallelism(), runtimes: Object.keys(config.runtimes), logDrivers: LOG_DRIVERS },
    hostDefaults: {
      runtime: config.defaultRuntime, logDriver: config.logDriver, logOpts: config.logOptions, cgroupVersion: host.cgroupVersion,
      shmSizeBytes: config.shmSizeBytes, init: false,
    },
  };
}

function referenceOf(container: Container): ContainerReference {
  return { id: container.id, name: container.name.slice(1), imageId: container.record.imageId, isRunning: container.isRunning, isPaused: container.isPaused };
}

async function usage(engine: Engine): Promise<ContainerUsage[]> {
  const now = Date.now();
  return Promise.all(engine.registry.all().map((container) => listEntry(engine, container, now, true)));
}

async function stopAll(engine: Engine): Promise<void> {
  const timeoutSeconds = engine.context.config.shutdownTimeoutSeconds;
  await Promise.all(engine.registry.all().filter((container) => container.isRunning).map(async (container) => {
    try {
      await endRun(engine, container, { timeoutSeconds: container.record.config.StopTimeout ?? timeoutSeconds, signal: '' });
    } catch (err) {
      engine.context.logger.error({ containerId: container.id, err }, 'cannot stop a container at the end of the daemon');
    }
  }));
}

async function connectNetwork(engine: Engine, nameOrId: string, network: string, endpoint: NetworkEndpoint): Promise<void> {
  const container = engine.registry.find(nameOrId);
  await container.lock.run(async () => {
    const { record } = container;
    if (container.isRemoving) throw conflict(`container ${container.id} is marked for removal and cannot be connected or disconnected to the network`, 'REMOVAL_IN_PROGRESS');
    const mode = record.hostConfig.NetworkMode;
    if (mode === 'host' || network === 'host') throw invalid('cannot connect container to host network - container must be created in host network mode', 'HOST_NETWORK');
    if (mode.startsWith('container:')) throw invalid('container sharing network namespace with another container or host cannot be connected to any other network', 'SHARED_NETWORK');
    const { name } = await engine.context.networks.resolve(network);
    if (name in record.endpoints && container.isRunning) throw conflict(`endpoint with name ${container.name.slice(1)} already exists in network ${name}`, 'ENDPOINT_EXISTS');
    if (container.isRunning) await refreshNetworkFiles(container, await engine.context.networks.connect(container.id, name, endpoint));
    if (mode === 'none') record.hostConfig = { ...record.hostConfig, NetworkMode: name };
    record.endpoints = { ...record.endpoints, [name]: storedEndpoint(endpoint) };
    await engine.store.save(record, { isDurable: true });
  });
}

function storedEndpoint(endpoint: NetworkEndpoint): Container['record']['endpoints'][string] {
  const hasAddress = endpoint.ipv4Address !== undefined || endpoint.ipv6Address !== undefined;
  return {
    IPAMConfig: hasAddress ? { IPv4Address: endpoint.ipv4Address ?? '', IPv6Address: endpoint.ipv6Address ?? '', LinkLocalIPs: null } : null,
    Links: endpoint.links ? [...endpoint.links] : null, Aliases: endpoint.aliases ? [...endpoint.aliases] : null, MacAddress: endpoint.macAddress ?? '',
    DriverOpts: endpoint.driverOptions ? { ...endpoint.driverOptions } : null, GwPriority: endpoint.gatewayPriority ?? 0, NetworkID: '',
  };
}

async function disconnectNetwork(engine: Engine, nameOrId: string, network: string, options: { force: boolean }): Promise<void> {
  const container = engine.registry.find(nameOrId);
  await container.lock.run(async () => {
    const { record } = container;
    const { name } = await engine.context.networks.resolve(network);
    if (!(name in record.endpoints)) throw conflict(`container ${container.id} is not connected to network ${name}`, 'NOT_CONNECTED');
    if (container.isRunning) {
      const state = await engine.context.networks.disconnect(container.id, name, options).catch((err: unknown) => {
        if (options.force && errorKind(err) === 'not_found') return undefined;
        throw err;
      });
      if (state) await refreshNetworkFiles(container, state);
    }
    const { [name]: _gone, ...rest } = record.endpoints;
    record.endpoints = rest;
    if (record.hostConfig.NetworkMode === name) record.hostConfig = { ...record.hostConfig, NetworkMode: Object.keys(rest)[0] ?? 'none' };
    await engine.store.save(record, { isDurable: true });
  });
}
