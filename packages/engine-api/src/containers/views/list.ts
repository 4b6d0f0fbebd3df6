/** `GET /containers/json`: entries and filters. */
import { errorKind, invalid } from '../../errors.ts';
import type { Filters } from '../../http/index.ts';
import type { SandboxState } from '../../networks/network-service.ts';
import { commandOf } from '../create/merge.ts';
import { parsePortSpec } from '../create/ports.ts';
import type { Container } from '../lifecycle/container.ts';
import type { Engine } from '../lifecycle/engine.ts';
import { inspectMount } from '../mounts/mount-point.ts';
import { containerSize } from './inspect.ts';
import { networksView } from './network-settings.ts';

/** The filter keys of the list. */
export const LIST_FILTERS: readonly string[] = [
  'ancestor', 'before', 'exited', 'expose', 'health', 'id', 'isolation', 'is-task', 'label', 'name', 'network', 'publish', 'since', 'status', 'volume',
];

/** What is listed. */
export interface ListOptions {
  readonly isAll: boolean;
  /** The newest so many; undefined: no limit. */
  readonly limit: number | undefined;
  readonly withSize: boolean;
  readonly filters: Filters;
}

/** The entries, newest first. @throws EngineApiError `invalid_argument` for filter values that make no sense */
export async function listContainers(engine: Engine, options: ListOptions): Promise<Record<string, unknown>[]> {
  const matches = await matcher(engine, options.filters);
  const isAll = options.isAll || options.limit !== undefined || options.filters.has('status');
  const newest = engine.registry.all().sort((a, b) => b.record.created.localeCompare(a.record.created));
  const chosen: Container[] = [];
  for (const container of newest) {
    if (!isAll && !container.isRunning && container.status !== 'restarting') continue;
    if (matches(container)) chosen.push(container);
    if (chosen.length === options.limit) break;
  }
  const now = Date.now();
  return Promise.all(chosen.map((container) => listEntry(engine, container, now, options.withSize)));
}

const STATUSES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const HEALTHS = ['starting', 'healthy', 'unhealthy', 'none'];

async function matcher(engine: Engine, filters: Filters): Promise<(container: Container) => boolean> {
  for (const status of filters.get('status')) {
    if (!STATUSES.includes(status)) throw invalid(`invalid filter 'status=${status}'`, 'INVALID_FILTER');
  }
  for (const health of filters.get('health')) if (!HEALTHS.includes(health)) throw invalid(`invalid filter 'health=${health}'`, 'INVALID_FILTER');
  const codes = filters.get('exited').map((code) => {
    if (!/^-?\d+$/.test(code)) throw invalid(`strconv.Atoi: parsing ${JSON.stringify(code)}: invalid syntax`, 'INVALID_FILTER');
    return Number(code);
  });
  const [before, since] = [limitOf(engine, filters, 'before'), limitOf(engine, filters, 'since')];
  const ancestors = await ancestorIds(engine, filters);
  const networkIds = await networkNames(engine, filters);
  return (container) => {
    const { record } = container;
    return matchesNames(container, filters)
      && filters.matchLabels('label', record.config.Labels ?? undefined)
      && filters.exact('status', container.status)
      && (!filters.has('health') || filters.get('health').includes(container.health?.Status ?? 'none'))
      && (codes.length === 0 || (record.phase.kind === 'exited' && codes.includes(record.phase.exit.code)))
      && (before === undefined || record.created < before)
      && (since === undefined || record.created > since)
      && (ancestors === undefined || ancestors.has(record.imageId))
      && (networkIds === undefined || networkIds.some((name) => name in record.endpoints || record.hostConfig.NetworkMode === name))
      && matchesVolumes(container, filters)
      && matchesPorts(engine, container, filters)
      && (!filters.has('is-task') || !filters.bool('is-task', false));
  };
}

function matchesNames(container: Container, filters: Filters): boolean {
  const byName = !filters.has('name') || filters.match('name', container.name) || filters.match('name', container.name.slice(1));
  return byName && filters.match('id', container.id);
}

function limitOf(engine: Engine, filters: Filters, key: 'before' | 'since'): string | undefined {
  const reference = filters.get(key)[0];
  return reference === undefined ? undefined : engine.registry.find(reference).record.created;
}

async function ancestorIds(engine: Engine, filters: Filters): Promise<Set<string> | undefined> {
  if (!filters.has('ancestor')) return undefined;
  const ids = await Promise.all(filters.get('ancestor').map(async (reference) => {
    try {
      return (await engine.context.images.resolve(reference)).id;
    } catch (err) {
      if (errorKind(err) === 'not_found') return '';
      throw err;
    }
  }));
  return new Set(ids);
}

async function networkNames(engine: Engine, filters: Filters): Promise<string[] | undefined> {
  if (!filters.has('network')) return undefined;
  const names = await Promise.all(filters.get('network').map(async (reference) => {
    const network = await engine.context.networks.resolve(reference).catch(() => undefined); // one that is not there matches nothing
    return network ? [network.name, network.id] : [reference];
  }));
  return names.flat();
}

function matchesVolumes(container: Container, filters: Filters): boolean {
  if (!filters.has('volume')) return true;
  return filters.get('volume').some((wanted) => container.record.mounts.some((mount) => mount.Name === wanted || mount.Destination === wanted || mount.Source === wanted));
}

function matchesPorts(engine: Engine, container: Container, filters: Filters): boolean {
  const exposed = new Set(Object.keys(container.record.config.ExposedPorts ?? {}).map((key) => (key.includes('/') ? key : `${key}/tcp`)));
  const published = new Set((engine.context.networks.sandbox(container.id)?.ports ?? []).map((port) => `${port.hostPort}/${port.protocol}`));
  const anyOf = (key: string, ports: ReadonlySet<string>): boolean => {
    if (!filters.has(key)) return true;
    return filters.get(key).some((spec) => (parsePortSpec(spec) ?? []).some((port) => ports.has(`${port.port}/${port.protocol}`)));
  };
  return anyOf('expose', exposed) && anyOf('publish', published);
}

/** One entry of the list. */
export async function listEntry(engine: Engine, container: Container, nowMs: number, withSize: boolean): Promise<Record<string, unknown>> {
  const { record } = container;
  const [networks, size] = await Promise.all([networksView(engine, container), withSize ? containerSize(engine, container) : undefined]);
  return {
    Id: record.id,
    Names: [record.name],
    Image: record.config.Image,
    ImageID: record.imageId,
    Command: commandText(commandOf(record.config)),
    Created: Math.floor(Date.parse(record.created) / 1000),
    Ports: listPorts(container, engine.context.networks.sandbox(container.id)),
    ...(size ? { SizeRw: size.rw, SizeRootFs: size.rootFs } : {}),
    Labels: record.config.Labels ?? {},
    State: container.status,
    Status: container.statusText(nowMs),
    HostConfig: { NetworkMode: record.hostConfig.NetworkMode, ...(record.hostConfig.Annotations ? { Annotations: record.hostConfig.Annotations } : {}) },
    NetworkSettings: { Networks: networks },
    Mounts: record.mounts.map(inspectMount),
  };
}

/** Path and arguments as the list shows them: arguments with blanks are quoted. */
function commandText(command: readonly string[]): string {
  return command.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg)).join(' ');
}

interface ListedPort {
  IP?: string;
  PrivatePort: number;
  PublicPort?: number;
  Type: string;
}

function listPorts(container: Container, sandbox: SandboxState | undefined): ListedPort[] {
  if (!container.isRunning) return [];
  const published = sandbox?.ports ?? [];
  const open = Object.keys(container.record.config.ExposedPorts ?? {}).flatMap((key) => parsePortSpec(key) ?? [])
    .filter((port) => !published.some((other) => other.containerPort === port.port && other.protocol === port.protocol));
  return [
    ...open.map((port): ListedPort => ({ PrivatePort: port.port, Type: port.protocol })),
    ...published.map((port): ListedPort => ({ IP: port.hostIp, PrivatePort: port.containerPort, PublicPort: port.hostPort, Type: port.protocol })),
  ];
}
