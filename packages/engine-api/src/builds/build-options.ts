import { canonicalReference, credentialKey, type CredentialSource, type Credentials, type ImageReference, parsePlatform, parseReference, parseRegistryAuth, withDefaultTag } from '@dray/oci-image';
import { invalid, messageOf, notImplemented } from '../errors.ts';
import type { Query } from '../http/query.ts';

/** What a build request asks for. */
export interface BuildQuery {
  /** Names for the image, each once. */
  readonly tags: readonly ImageReference[];
  readonly dockerfile: string;
  readonly remote: string;
  readonly isQuiet: boolean;
  readonly usesCache: boolean;
  readonly pulls: boolean;
  readonly removes: boolean;
  readonly alwaysRemoves: boolean;
  readonly target: string;
  readonly buildArguments: Readonly<Record<string, string | null>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly platform: string | undefined;
  /** By which `POST /build/cancel` finds it. */
  readonly buildId: string;
  /** The host configuration of the steps' containers. */
  readonly hostConfig: Readonly<Record<string, unknown>>;
}

/**
 * Reads the query of `POST /build`.
 *
 * @throws EngineApiError invalid_argument, and not_implemented for BuildKit
 */
export function parseBuildQuery(query: Query, { isExperimental }: { isExperimental: boolean }): BuildQuery {
  const version = query.get('version');
  if (version === '2') throw notImplemented('buildkit not supported by daemon', 'NO_BUILDKIT');
  if (version !== '' && version !== '1') throw invalid(`invalid version ${JSON.stringify(version)}`, 'INVALID_VERSION');
  if (query.bool('squash')) throw isExperimental ? notImplemented('squash is not implemented', 'NO_SQUASH') : invalid('squash is only supported with experimental mode', 'NO_SQUASH');
  if (query.get('outputs') !== '' && query.get('outputs') !== '[]' && query.get('outputs') !== 'null') throw invalid('custom outputs are only supported by BuildKit', 'NO_BUILDKIT');
  const hasRemoval = query.has('rm');
  return {
    tags: parseTags(query.getAll('t')),
    dockerfile: query.get('dockerfile'), remote: query.get('remote'), isQuiet: query.bool('q'), usesCache: !query.bool('nocache'), pulls: query.bool('pull'),
    removes: hasRemoval ? query.bool('rm') : true, alwaysRemoves: query.bool('forcerm'), target: query.get('target'),
    buildArguments: stringMap(query, 'buildargs', 'error reading build args', { allowsNull: true }),
    labels: stringMap(query, 'labels', 'error reading labels') as Record<string, string>,
    platform: readPlatform(query.get('platform')), buildId: query.get('buildid'), hostConfig: hostConfigOf(query),
  };
}

function parseTags(names: readonly string[]): ImageReference[] {
  const found = new Map<string, ImageReference>();
  for (const name of names.filter((text) => text !== '')) {
    const reference = parseTag(name);
    if (reference.digest !== undefined) throw invalid('build tag cannot contain a digest', 'INVALID_REFERENCE');
    found.set(canonicalReference(withDefaultTag(reference)), withDefaultTag(reference));
  }
  return [...found.values()];
}

function parseTag(name: string): ImageReference {
  try {
    return parseReference(name);
  } catch (error) {
    throw invalid(messageOf(error), 'INVALID_REFERENCE');
  }
}

function readPlatform(text: string): string | undefined {
  if (text === '') return undefined;
  try {
    parsePlatform(text.toLowerCase());
    return text.toLowerCase();
  } catch (error) {
    throw invalid(messageOf(error), 'INVALID_PLATFORM');
  }
}

function stringMap(query: Query, name: string, what: string, { allowsNull = false }: { allowsNull?: boolean } = {}): Record<string, string | null> {
  const value = jsonOf(query, name, what);
  if (value === null || value === undefined) return {};
  const isFitting = typeof value === 'object' && !Array.isArray(value) && Object.values(value).every((member) => typeof member === 'string' || (allowsNull && member === null));
  if (!isFitting) throw invalid(`${what}: json: cannot unmarshal ${Array.isArray(value) ? 'array' : typeof value} into Go value of type map[string]string`, 'INVALID_PARAMETER');
  return { ...value as Record<string, string | null> };
}

function jsonOf(query: Query, name: string, what: string): unknown {
  const text = query.get(name);
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`${what}: ${messageOf(error)}`, 'INVALID_PARAMETER');
  }
}

function hostConfigOf(query: Query): Record<string, unknown> {
  const number = (name: string): number => query.int(name) ?? 0;
  const ulimits = jsonOf(query, 'ulimits', 'error reading ulimit settings');
  const extraHosts = query.getAll('extrahosts');
  return {
    Memory: number('memory'), MemorySwap: number('memswap'), CpuShares: number('cpushares'), CpuPeriod: number('cpuperiod'), CpuQuota: number('cpuquota'), CpusetCpus: query.get('cpusetcpus'),
    CpusetMems: query.get('cpusetmems'), CgroupParent: query.get('cgroupparent'), ShmSize: number('shmsize'), LogConfig: { Type: 'none', Config: {} },
    ...query.get('networkmode') === '' ? {} : { NetworkMode: query.get('networkmode') },
    ...ulimits === undefined || ulimits === null ? {} : { Ulimits: ulimits },
    ...extraHosts.length === 0 ? {} : { ExtraHosts: extraHosts },
  };
}

/** Largest `X-Registry-Config` header that is read. */
const REGISTRY_CONFIG_BYTES_MAX = 64 * 1024;

/** The credentials in `X-Registry-Config`: base64url JSON of `{ server: AuthConfig }`. A header that cannot be read counts as none, as with pulls. */
export function registryCredentials(header: string): CredentialSource {
  const byServer = new Map<string, Credentials>();
  try {
    if (header !== '' && header.length <= REGISTRY_CONFIG_BYTES_MAX) {
      const document: unknown = JSON.parse(Buffer.from(header, 'base64url').toString());
      for (const [server, auth] of Object.entries(document ?? {})) {
        const credentials = parseRegistryAuth(Buffer.from(JSON.stringify(auth)).toString('base64url'));
        if (credentials !== undefined) byServer.set(server, credentials);
      }
    }
  } catch { /* see above */ }
  return (domain) => Promise.resolve(byServer.get(credentialKey(domain)) ?? byServer.get(domain) ?? byServer.get(`https://${domain}`));
}
