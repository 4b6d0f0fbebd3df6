/** Creates containers. */
import { hostname } from 'node:os';
import { conflict, EngineApiError, errorKind, invalid, messageOf } from '../../errors.ts';
import { nowNanos } from '../../events/index.ts';
import type { PlatformWanted, ResolvedImage } from '../../images/image-service.ts';
import { applyHostDefaults } from '../create/host-config.ts';
import { commandOf, mergeImageConfig, type ImageDefaults } from '../create/merge.ts';
import type { ContainerConfig, CreateBody, HostConfig } from '../create/types.ts';
import { validateCreate } from '../create/validate.ts';
import { collectMounts, parseVolumesFrom } from '../mounts/collect.ts';
import { checkContainerName, newContainerId, randomContainerName } from '../names/name-rules.ts';
import { parseSecurityOptions } from '../spec/security-options.ts';
import { formatNanos } from '../state/timestamps.ts';
import type { RootfsMount } from '../tasks/task-port.ts';
import { Container } from './container.ts';
import { publish, type Engine } from './engine.ts';
import { RECORD_VERSION, type ContainerRecord } from './record.ts';
import { checkBindSources, createVolumes, populateVolumes, removeAnonymousVolumes } from './volumes.ts';

/** What a client asks for. */
export interface CreateRequest {
  /** Empty: a random one. */
  readonly name: string;
  readonly platform: PlatformWanted | undefined;
  readonly body: CreateBody;
}

/** What came of it. */
export interface Created {
  readonly container: Container;
  readonly warnings: readonly string[];
}

/** Creates a container: whole, or not at all. @throws EngineApiError with Docker's words */
export async function createContainer(engine: Engine, request: CreateRequest): Promise<Created> {
  const { body } = request;
  validateCreate(body.config, body.hostConfig, engine.hostFacts);
  parseSecurityOptions(body.hostConfig.SecurityOpt);
  const image = await resolveImage(engine, body.config.Image, request.platform);
  const config = mergeImageConfig(body.config, imageDefaults(image));
  if (commandOf(config).length === 0) throw invalid('no command specified', 'NO_COMMAND');
  const hostConfig = applyHostDefaults(body.hostConfig, engine.hostDefaults);

  const id = newContainerId();
  const name = reserveName(engine, request.name, id);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => { engine.registry.release(name, id); });

  const record = newRecord({ engine, id, name, image, config: withHostname(config, hostConfig, id), hostConfig, endpoints: body.endpoints });
  await checkBindSources(record.mounts);
  await checkEndpoints(engine, record);
  const container = new Container(record, { containers: engine.context.paths.containers, runtime: engine.context.paths.runtime });
  undo.defer(() => engine.store.remove(id));
  undo.defer(() => engine.tasks.removeSnapshot(id));
  const [rootfs] = await Promise.all([prepareSnapshot(engine, record, image), engine.store.makeFolder(id)]);
  container.rootfs = rootfs;
  undo.defer(() => removeAnonymousVolumes(engine, record));
  await createVolumes(engine, record);
  await populateVolumes(engine, record);
  await engine.store.save(record, { isDurable: true });
  engine.registry.add(container);
  undo.move();
  publish(engine, container, 'create');
  return { container, warnings: createWarnings(hostConfig) };
}

async function resolveImage(engine: Engine, reference: string, platform: PlatformWanted | undefined): Promise<ResolvedImage> {
  if (reference === '') throw invalid('invalid reference format', 'INVALID_REFERENCE');
  return engine.context.images.resolve(reference, platform);
}

function imageDefaults(image: ResolvedImage): ImageDefaults {
  const { config } = image.configuration;
  const nameSet = (value: Readonly<Record<string, object>> | undefined): Record<string, Record<string, never>> | null =>
    value === undefined ? null : Object.fromEntries(Object.keys(value).map((key) => [key, {}]));
  const health = config.Healthcheck;
  return {
    User: config.User ?? '', WorkingDir: config.WorkingDir ?? '', StopSignal: config.StopSignal ?? '', ArgsEscaped: config.ArgsEscaped ?? false,
    Env: config.Env ? [...config.Env] : null, Cmd: config.Cmd ? [...config.Cmd] : null, Entrypoint: config.Entrypoint ? [...config.Entrypoint] : null,
    Shell: config.Shell ? [...config.Shell] : null, Labels: config.Labels ? { ...config.Labels } : null,
    ExposedPorts: nameSet(config.ExposedPorts), Volumes: nameSet(config.Volumes),
    Healthcheck: health === undefined ? null : {
      Test: health.Test ? [...health.Test] : null, Interval: health.Interval ?? 0, Timeout: health.Timeout ?? 0, StartPeriod: health.StartPeriod ?? 0,
      StartInterval: health.StartInterval ?? 0, Retries: health.Retries ?? 0,
    },
  };
}

/** Random names that are taken are tried again so often before the id itself becomes the name. */
const RANDOM_NAME_ATTEMPTS = 6;

function reserveName(engine: Engine, wanted: string, id: string): string {
  if (wanted !== '') {
    const name = checkContainerName(wanted);
    engine.registry.reserve(name, id);
    return name;
  }
  for (let attempt = 0; attempt < RANDOM_NAME_ATTEMPTS; attempt++) {
    const name = randomContainerName(attempt);
    if (!engine.registry.isFree(name)) continue;
    engine.registry.reserve(name, id);
    return name;
  }
  engine.registry.reserve(id.slice(0, 12), id);
  return id.slice(0, 12);
}

function withHostname(config: ContainerConfig, hostConfig: HostConfig, id: string): ContainerConfig {
  if (config.Hostname !== '') return config;
  const isHost = hostConfig.NetworkMode === 'host' || hostConfig.UTSMode === 'host';
  return { ...config, Hostname: isHost ? hostname() : id.slice(0, 12) };
}

interface RecordParts {
  readonly engine: Engine;
  readonly id: string;
  readonly name: string;
  readonly image: ResolvedImage;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly endpoints: CreateBody['endpoints'];
}

function newRecord(parts: RecordParts): ContainerRecord {
  const { engine, image, config, hostConfig } = parts;
  const donors = (hostConfig.VolumesFrom ?? []).map(parseVolumesFrom).map(({ container, mode }) => ({ mounts: engine.registry.find(container).record.mounts, mode }));
  const mode = hostConfig.NetworkMode;
  const isNamed = mode !== 'none' && mode !== 'host' && !mode.startsWith('container:');
  const { default: byDefault, ...named } = parts.endpoints;
  const given = byDefault === undefined ? named : { [mode]: byDefault, ...named };
  return {
    version: RECORD_VERSION, id: parts.id, name: `/${parts.name}`, created: formatNanos(nowNanos()), imageId: image.id, imageRecordName: image.recordName,
    platform: { os: image.configuration.os, architecture: image.configuration.architecture }, snapshotter: image.snapshotter,
    imageSnapshot: image.chainId, config, hostConfig, endpoints: isNamed && !(mode in given) ? { [mode]: emptyEndpoint(), ...given } : given,
    mounts: collectMounts(config, hostConfig, donors), phase: { kind: 'created' }, restartCount: 0, isManuallyStopped: false,
  };
}

/** Addresses and aliases may be chosen on networks that users made. A network that is not there is told at the start. */
async function checkEndpoints(engine: Engine, record: ContainerRecord): Promise<void> {
  for (const [name, endpoint] of Object.entries(record.endpoints)) {
    const network = await engine.context.networks.resolve(name).catch(() => undefined); // missing: see above
    if (!network || network.isUserDefined) continue;
    const { IPAMConfig: address } = endpoint;
    if (address && (address.IPv4Address !== '' || address.IPv6Address !== '')) throw invalid('user specified IP address is supported on user defined networks only', 'STATIC_ADDRESS');
    if (endpoint.Aliases?.length) throw invalid('network-scoped alias is supported only for containers in user defined networks', 'NETWORK_ALIAS');
  }
}

function emptyEndpoint(): CreateBody['endpoints'][string] {
  return { IPAMConfig: null, Links: null, Aliases: null, MacAddress: '', DriverOpts: null, GwPriority: 0, NetworkID: '' };
}

/** A collected layer between image and container is made anew once. */
async function prepareSnapshot(engine: Engine, record: ContainerRecord, image: ResolvedImage): Promise<RootfsMount[]> {
  const prepare = async (): Promise<RootfsMount[]> => engine.tasks.prepareSnapshot(record.id, await engine.rootfs.initLayer(image.chainId, image.id));
  try {
    return await prepare();
  } catch (err) {
    if (errorKind(err) !== 'not_found') throw err;
    engine.rootfs.forgetInitLayer(image.chainId);
    return prepare();
  }
}

function createWarnings(hostConfig: HostConfig): string[] {
  const hasPorts = Object.keys(hostConfig.PortBindings ?? {}).length > 0;
  return hostConfig.NetworkMode === 'host' && hasPorts ? ['Published ports are discarded when using host network mode'] : [];
}

function takeName(engine: Engine, name: string, id: string): void {
  try {
    engine.registry.reserve(checkContainerName(`/${name}`), id);
  } catch (err) {
    const kind = errorKind(err) ?? 'internal';
    throw new EngineApiError(kind, kind === 'conflict' ? 'NAME_IN_USE' : 'INVALID_NAME', `Error when allocating new name: ${messageOf(err)}`, { cause: err });
  }
}

/** Gives a container another name. @throws EngineApiError */
export async function renameContainer(engine: Engine, container: Container, wanted: string): Promise<void> {
  if (wanted === '') throw invalid('Neither old nor new names may be empty', 'INVALID_NAME');
  const name = wanted.replace(/^\//, '');
  await container.lock.run(async () => {
    const oldName = container.name;
    if (oldName === `/${name}`) throw invalid('Renaming a container with the same name as its current name', 'SAME_NAME');
    if (container.isRemoving) throw conflict(`removal of container ${container.id} is already in progress`, 'REMOVAL_IN_PROGRESS');
    takeName(engine, name, container.id);
    try {
      container.record.name = `/${name}`;
      if (container.isRunning) await engine.context.networks.rename(container.id, name);
      await engine.store.save(container.record, { isDurable: true });
    } catch (err) {
      container.record.name = oldName;
      engine.registry.release(name, container.id);
      throw err;
    }
    engine.registry.release(oldName.slice(1), container.id);
    publish(engine, container, 'rename', { oldName });
  });
}
