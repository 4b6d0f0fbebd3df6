import { type Digest, parseDigest } from './digest.ts';
import { asArray, asBoolean, asInteger, asObject, asSet, asString, asStringMap, asStrings, invalidDocument, optional, parseJson } from './document.ts';
import { normalizePlatform, type Platform } from './platform.ts';

/** Largest image configuration that is read. */
export const IMAGE_CONFIG_BYTES_MAX: number = 8 * 1024 * 1024;

/** How an image's process is checked for health (a Docker field). Durations are nanoseconds. */
export interface HealthConfig {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** The defaults an image gives its containers; names as on the wire. @see image-spec config.md */
export interface ContainerDefaults {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: HealthConfig;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
}

/** One step of an image's making. */
export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** An image configuration, OCI's or Docker's; names as on the wire. Null counts as absent. */
export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  readonly variant?: string;
  readonly config?: ContainerDefaults;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly Digest[] };
  readonly history?: readonly HistoryEntry[];
  /** Docker's: comment of the commit or import. */
  readonly comment?: string;
  /** Docker's: version of the engine that made the image. */
  readonly docker_version?: string;
  /** Docker's: id of the container the image was made from. */
  readonly container?: string;
}

/**
 * Parses an image configuration. The image's id is the digest of these bytes: keep them, never serialise the result in their place.
 * @throws OciImageError `DOCUMENT_TOO_LARGE`, `INVALID_DOCUMENT`, `INVALID_DIGEST`
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const path = 'image config';
  const object = asObject(parseJson(bytes, { what: path, bytesMax: IMAGE_CONFIG_BYTES_MAX }), path);
  const config: ImageConfig = {
    ...optional(object, path, 'created', asString),
    ...optional(object, path, 'author', asString),
    architecture: asString(object['architecture'] ?? '', `${path}.architecture`),
    os: asString(object['os'] ?? '', `${path}.os`),
    ...optional(object, path, 'os.version', asString),
    ...optional(object, path, 'os.features', asStrings),
    ...optional(object, path, 'variant', asString),
    ...optional(object, path, 'config', readContainerDefaults),
    rootfs: readRootfs(object['rootfs'], `${path}.rootfs`),
    ...optional(object, path, 'history', (value, at) => asArray(value, at, readHistoryEntry)),
    ...optional(object, path, 'comment', asString),
    ...optional(object, path, 'docker_version', asString),
    ...optional(object, path, 'container', asString),
  };
  return config;
}

/** The bytes of a new configuration: compact JSON, as Go would write it. Take the digest of these and store these. */
export function encodeImageConfig(config: ImageConfig): Uint8Array {
  return Buffer.from(JSON.stringify(config), 'utf8');
}

/** The platform a configuration is for; an empty architecture or os (as old images have) counts as linux/amd64. */
export function platformOfConfig(config: ImageConfig): Platform {
  return normalizePlatform({
    os: config.os === '' ? 'linux' : config.os,
    architecture: config.architecture === '' ? 'amd64' : config.architecture,
    ...(config.variant === undefined ? {} : { variant: config.variant }),
  });
}

function readRootfs(value: unknown, path: string): ImageConfig['rootfs'] {
  const object = asObject(value, path);
  if (object['type'] !== 'layers') return invalidDocument(`${path}.type`, 'must be "layers"');
  return { type: 'layers', diff_ids: asArray(object['diff_ids'] ?? [], `${path}.diff_ids`, (element, at) => parseDigest(asString(element, at))) };
}

/** Reads the `config` object: also what a commit or a build request carries. */
export function readContainerDefaults(value: unknown, path: string): ContainerDefaults {
  const object = asObject(value, path);
  return {
    ...optional(object, path, 'User', asString),
    ...optional(object, path, 'ExposedPorts', asSet),
    ...optional(object, path, 'Env', asStrings),
    ...optional(object, path, 'Entrypoint', asStrings),
    ...optional(object, path, 'Cmd', asStrings),
    ...optional(object, path, 'Volumes', asSet),
    ...optional(object, path, 'WorkingDir', asString),
    ...optional(object, path, 'Labels', asStringMap),
    ...optional(object, path, 'StopSignal', asString),
    ...optional(object, path, 'ArgsEscaped', asBoolean),
    ...optional(object, path, 'Healthcheck', readHealthConfig),
    ...optional(object, path, 'OnBuild', asStrings),
    ...optional(object, path, 'Shell', asStrings),
  };
}

function readHealthConfig(value: unknown, path: string): HealthConfig {
  const object = asObject(value, path);
  return {
    ...optional(object, path, 'Test', asStrings),
    ...optional(object, path, 'Interval', asInteger),
    ...optional(object, path, 'Timeout', asInteger),
    ...optional(object, path, 'StartPeriod', asInteger),
    ...optional(object, path, 'StartInterval', asInteger),
    ...optional(object, path, 'Retries', asInteger),
  };
}

function readHistoryEntry(value: unknown, path: string): HistoryEntry {
  const object = asObject(value, path);
  return {
    ...optional(object, path, 'created', asString),
    ...optional(object, path, 'created_by', asString),
    ...optional(object, path, 'author', asString),
    ...optional(object, path, 'comment', asString),
    ...optional(object, path, 'empty_layer', asBoolean),
  };
}
