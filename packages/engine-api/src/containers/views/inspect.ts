/** A container as `GET /containers/{id}/json` shows it. */
import type { ApiVersion } from '../../http/index.ts';
import { commandOf } from '../create/merge.ts';
import type { ContainerConfig, HostConfig } from '../create/types.ts';
import type { Container } from '../lifecycle/container.ts';
import type { Engine } from '../lifecycle/engine.ts';
import { inspectMount } from '../mounts/mount-point.ts';
import { inspectState } from '../state/state.ts';
import { networkSettingsView } from './network-settings.ts';

/** Renders inspect. */
export async function inspectContainer(engine: Engine, container: Container, options: { version: ApiVersion; withSize: boolean }): Promise<Record<string, unknown>> {
  const { record, paths } = container;
  const [path = '', ...args] = commandOf(record.config);
  const [networkSettings, size] = await Promise.all([networkSettingsView(engine, container), options.withSize ? containerSize(engine, container) : undefined]);
  return {
    Id: record.id,
    Created: record.created,
    Path: path,
    Args: args,
    State: inspectState(record.phase, { isRemoving: container.isRemoving, health: container.health, startError: record.startError }, record.lastExit),
    Image: record.imageId,
    ResolvConfPath: paths.resolvConf,
    HostnamePath: paths.hostname,
    HostsPath: paths.hosts,
    LogPath: record.hostConfig.LogConfig.Type === 'json-file' ? paths.log : '',
    Name: record.name,
    RestartCount: record.restartCount,
    Driver: record.snapshotter,
    Platform: record.platform.os,
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: container.execIds.size > 0 ? [...container.execIds] : null,
    HostConfig: hostConfigView(record.hostConfig),
    GraphDriver: { Data: null, Name: record.snapshotter },
    ...(size ? { SizeRw: size.rw, SizeRootFs: size.rootFs } : {}),
    Mounts: record.mounts.map(inspectMount),
    Config: configView(record.config),
    NetworkSettings: networkSettings,
  };
}

/** What the container wrote, and that with its image. */
export async function containerSize(engine: Engine, container: Container): Promise<{ rw: number; rootFs: number }> {
  const own = await engine.tasks.snapshotUsage(container.id);
  let total = own.sizeBytes;
  for (let parent = own.parent; parent !== '';) {
    const usage = await engine.tasks.snapshotUsage(parent);
    total += usage.sizeBytes;
    parent = usage.parent;
  }
  return { rw: own.sizeBytes, rootFs: total };
}

/** Members that are left out where they say nothing. */
const OPTIONAL_CONFIG: readonly (keyof ContainerConfig)[] = ['ExposedPorts', 'Healthcheck', 'ArgsEscaped', 'NetworkDisabled', 'MacAddress', 'StopSignal', 'StopTimeout', 'Shell'];

function configView(config: ContainerConfig): Record<string, unknown> {
  const isSilent = (value: unknown): boolean => value === null || value === '' || value === false;
  return withoutSilent({ ...config, Labels: config.Labels ?? {} }, OPTIONAL_CONFIG, isSilent);
}

function withoutSilent(view: object, optional: readonly string[], isSilent: (value: unknown) => boolean): Record<string, unknown> {
  return Object.fromEntries(Object.entries(view).filter(([key, value]) => !optional.includes(key) || !isSilent(value)));
}

const OPTIONAL_HOST_CONFIG: readonly (keyof HostConfig)[] = ['Annotations', 'StorageOpt', 'Tmpfs', 'Sysctls', 'Mounts', 'Init'];

function hostConfigView(hostConfig: HostConfig): Record<string, unknown> {
  return withoutSilent(hostConfig, OPTIONAL_HOST_CONFIG, (value) => value === null || (typeof value === 'object' && Object.keys(value).length === 0));
}
