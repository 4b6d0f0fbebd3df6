import { OciImageError } from '../errors.ts';
import type { ContainerDefaults, ImageConfig } from '../image-config.ts';
import { type ReadImageFile, resolveUser, type ResolvedUser } from './user.ts';

/** The PATH of a container whose image sets none. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What a request to run an image may set; absent means the image's. */
export interface ProcessRequest {
  /** Replaces the image's entrypoint and, with it, its command. `['']` sets no entrypoint. A string is run by the shell. */
  readonly entrypoint?: readonly string[] | string;
  readonly command?: readonly string[] | string;
  /** `KEY=value` sets, `KEY` alone removes. */
  readonly env?: readonly string[];
  readonly workingDir?: string;
  readonly user?: string;
  readonly groupAdd?: readonly string[];
  readonly hostname?: string;
  readonly hasTerminal?: boolean;
}

/** The `process` part of an OCI runtime spec, as far as image and request decide it. */
export interface SpecProcess {
  readonly terminal: boolean;
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
}

/**
 * Docker's rules for Entrypoint and Cmd: a request's entrypoint drops the image's command; `['']` is no entrypoint at all.
 * @throws OciImageError `NO_COMMAND` when nothing is left to run
 */
export function resolveArgs(image: Pick<ContainerDefaults, 'Entrypoint' | 'Cmd'>, request: Pick<ProcessRequest, 'entrypoint' | 'command'>): string[] {
  const requested = request.entrypoint === undefined ? undefined : argv(request.entrypoint);
  const hasEntrypoint = requested !== undefined && requested.length > 0;
  const entrypoint = hasEntrypoint ? requested : image.Entrypoint ?? [];
  const requestedCommand = request.command === undefined ? [] : argv(request.command);
  const command = requestedCommand.length > 0 || hasEntrypoint ? requestedCommand : image.Cmd ?? [];
  const isReset = entrypoint.length === 1 && entrypoint[0] === '';
  const args = [...(isReset ? [] : entrypoint), ...command];
  if (args.length === 0) throw new OciImageError('NO_COMMAND', 'no command specified');
  checkStrings(args, 'argument');
  return args;
}

/**
 * Merges environments: a key's last value wins and keeps the first one's place. `KEY` without `=` in `overrides` removes the key; in `base`, which comes from an
 * image, it is dropped: nothing is ever taken from this process's own environment (CVE-2026-57231).
 */
export function mergeEnv(base: readonly string[], overrides: readonly string[]): string[] {
  const values = new Map<string, string>();
  for (const entry of base) {
    const equals = entry.indexOf('=');
    if (equals > 0) values.set(entry.slice(0, equals), entry);
  }
  for (const entry of overrides) {
    const equals = entry.indexOf('=');
    if (equals < 0) values.delete(entry);
    else values.set(entry.slice(0, equals), entry);
  }
  const env = [...values.values()];
  checkStrings(env, 'environment variable');
  return env;
}

/** The environment of a container's process, without HOME: PATH, HOSTNAME and TERM first, then the image's, then the request's. */
export function containerEnv(image: Pick<ContainerDefaults, 'Env'>, request: Pick<ProcessRequest, 'env' | 'hostname' | 'hasTerminal'>): string[] {
  const defaults = [
    `PATH=${DEFAULT_PATH}`,
    ...(request.hostname === undefined ? [] : [`HOSTNAME=${request.hostname}`]),
    ...(request.hasTerminal === true ? ['TERM=xterm'] : []),
  ];
  return mergeEnv(mergeEnv(defaults, (image.Env ?? []).filter((entry) => entry.indexOf('=') > 0)), request.env ?? []);
}

/** `env` with HOME, when it has none. @throws OciImageError `USER_INVALID` for a home directory with control characters (CVE-2022-4318) */
export function withHome(env: readonly string[], user: Pick<ResolvedUser, 'home'>): string[] {
  if (env.some((entry) => entry.startsWith('HOME='))) return [...env];
  if (/[\0-\x1f]/.test(user.home)) throw new OciImageError('USER_INVALID', 'home directory of the user holds control characters');
  return [...env, `HOME=${user.home}`];
}

/** The working directory as an absolute, clean path. `/` when neither sets one. */
export function resolveWorkingDir(image: Pick<ContainerDefaults, 'WorkingDir'>, request: Pick<ProcessRequest, 'workingDir'> = {}): string {
  const wanted = request.workingDir === undefined || request.workingDir === '' ? image.WorkingDir ?? '' : request.workingDir;
  if (wanted.includes('\0')) throw new OciImageError('INVALID_OPTION', 'working directory holds NUL');
  const parts: string[] = [];
  for (const part of wanted.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The annotations that image-spec's conversion sets. Labels keep their keys, except those that have a meaning for a runtime. */
export function imageAnnotations(config: ImageConfig): Record<string, string> {
  const defaults = config.config ?? {};
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['os', config.os], ['architecture', config.architecture], ['variant', config.variant], ['os.version', config['os.version']],
    ['os.features', config['os.features']?.join(',')], ['author', config.author], ['created', config.created],
    ['stopSignal', defaults.StopSignal], ['exposedPorts', Object.keys(defaults.ExposedPorts ?? {}).sort().join(',')],
  ];
  const annotations = facts.flatMap(([name, value]): [string, string][] => (value === undefined || value === '' ? [] : [[`org.opencontainers.image.${name}`, value]]));
  const labels = Object.entries(defaults.Labels ?? {}).filter(([key]) => key !== '' && !hasRuntimeMeaning(key));
  return Object.fromEntries([...annotations, ...labels]);
}

/** Joins image and request to the process of a runtime spec. @throws OciImageError `NO_COMMAND`, `USER_NOT_FOUND`, `USER_INVALID` */
export async function resolveProcess(config: ImageConfig, request: ProcessRequest, readFile: ReadImageFile): Promise<SpecProcess> {
  const image = config.config ?? {};
  const args = resolveArgs(image, request);
  const user = await resolveUser(request.user ?? image.User ?? '', readFile, request.groupAdd);
  return {
    terminal: request.hasTerminal ?? false,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args,
    env: withHome(containerEnv(image, request), user),
    cwd: resolveWorkingDir(image, request),
  };
}

/** Keys by which runtimes and containerd take orders: an image must not give any (CVE-2026-53488, CVE-2024-3154). */
function hasRuntimeMeaning(key: string): boolean {
  return /^(?:bundle$|org\.systemd\.|org\.criu\.|run\.oci\.|io\.container|containerd\.io\/|io\.kubernetes\.|com\.docker\.runtime|io\.dray\.)/i.test(key);
}

function argv(value: readonly string[] | string): readonly string[] {
  return typeof value === 'string' ? ['/bin/sh', '-c', value] : value;
}

function checkStrings(values: readonly string[], what: string): void {
  if (values.some((value) => value.includes('\0'))) throw new OciImageError('INVALID_OPTION', `${what} holds NUL`);
}
