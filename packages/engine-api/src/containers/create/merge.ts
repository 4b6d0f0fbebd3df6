/** How an image's configuration and the client's become one: what the container record stores and inspect echoes. */
import type { ContainerConfig, HealthConfig } from './types.ts';

/** The part of an image's configuration that containers inherit. */
export type ImageDefaults = Partial<Pick<ContainerConfig,
  'User' | 'ExposedPorts' | 'Env' | 'Cmd' | 'Healthcheck' | 'Volumes' | 'WorkingDir' | 'Entrypoint' | 'Labels' | 'StopSignal' | 'Shell' | 'ArgsEscaped'>>;

/**
 * Lays a client's configuration over the image's defaults. Neither argument is changed.
 *
 * - `User`, `WorkingDir`, `StopSignal`: the image's where the client gave none.
 * - `Env`: the image's variables that the client did not set follow the client's.
 * - `Labels`, `ExposedPorts`, `Volumes`: the union, the client's value wins.
 * - A client's `Entrypoint` drops the image's `Cmd`; `['']` means "no entry point".
 */
export function mergeImageConfig(config: ContainerConfig, image: ImageDefaults): ContainerConfig {
  const command = mergeCommand(config, image);
  return {
    ...config,
    ...command,
    User: config.User || (image.User ?? ''),
    WorkingDir: config.WorkingDir || (image.WorkingDir ?? ''),
    StopSignal: config.StopSignal || (image.StopSignal ?? ''),
    Shell: config.Shell ?? image.Shell ?? null,
    Env: mergeEnv(config.Env, image.Env ?? null),
    Labels: union(config.Labels, image.Labels ?? null),
    ExposedPorts: union(config.ExposedPorts, image.ExposedPorts ?? null),
    Volumes: union(config.Volumes, image.Volumes ?? null),
    Healthcheck: mergeHealth(config.Healthcheck, image.Healthcheck ?? null),
  };
}

function mergeCommand(config: ContainerConfig, image: ImageDefaults): Pick<ContainerConfig, 'Entrypoint' | 'Cmd' | 'ArgsEscaped'> {
  if (config.Entrypoint !== null && config.Entrypoint.length > 0) {
    const isReset = config.Entrypoint.length === 1 && config.Entrypoint[0] === '';
    return { Entrypoint: isReset ? null : config.Entrypoint, Cmd: config.Cmd, ArgsEscaped: config.ArgsEscaped };
  }
  const hasCommand = config.Cmd !== null && config.Cmd.length > 0;
  const inheritsEntrypoint = config.Entrypoint === null;
  return {
    Entrypoint: inheritsEntrypoint ? (image.Entrypoint ?? null) : null,
    Cmd: hasCommand ? config.Cmd : (image.Cmd ?? null),
    ArgsEscaped: hasCommand ? config.ArgsEscaped : (image.ArgsEscaped ?? false),
  };
}

function mergeEnv(own: string[] | null, image: string[] | null): string[] | null {
  if (image === null || image.length === 0) return own;
  const given = new Set((own ?? []).map(envKey));
  return [...(own ?? []), ...image.filter((entry) => !given.has(envKey(entry)))];
}

/** The variable name of `KEY=value` or `KEY`. */
export function envKey(entry: string): string {
  const equals = entry.indexOf('=');
  return equals === -1 ? entry : entry.slice(0, equals);
}

function union<T>(own: Record<string, T> | null, image: Record<string, T> | null): Record<string, T> | null {
  if (image === null || Object.keys(image).length === 0) return own;
  return own === null ? { ...image } : { ...image, ...own };
}

function mergeHealth(own: HealthConfig | null, image: HealthConfig | null): HealthConfig | null {
  if (own === null || image === null) return own ?? image;
  return {
    Test: own.Test !== null && own.Test.length > 0 ? own.Test : image.Test,
    Interval: own.Interval || image.Interval,
    Timeout: own.Timeout || image.Timeout,
    StartPeriod: own.StartPeriod || image.StartPeriod,
    StartInterval: own.StartInterval || image.StartInterval,
    Retries: own.Retries || image.Retries,
  };
}

/** The program and its arguments: entry point, then command. Empty when the container has neither. */
export function commandOf(config: Pick<ContainerConfig, 'Entrypoint' | 'Cmd'>): string[] {
  return [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
}
