import { asObject, asString, asStrings, optional } from './document.ts';
import { OciImageError } from './errors.ts';

/** The platform an image is for, in Go's names. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}

const COMPONENT = /^[A-Za-z0-9_.-]+$/;

const ARCHITECTURE_ALIAS: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  'i386': ['386'], 'i486': ['386'], 'i586': ['386'], 'i686': ['386'], 'x86_64': ['amd64'], 'x86-64': ['amd64'],
  'aarch64': ['arm64'], 'armhf': ['arm', 'v7'], 'armel': ['arm', 'v6'],
};
const OS_ALIAS: Readonly<Record<string, string>> = { macos: 'darwin' };
const KNOWN_OS: ReadonlySet<string> = new Set(['aix', 'android', 'darwin', 'dragonfly', 'freebsd', 'illumos', 'ios', 'js', 'linux', 'netbsd', 'openbsd', 'plan9', 'solaris', 'wasip1', 'windows', 'zos']);
const NODE_ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', arm64: 'arm64', arm: 'arm', ppc64: 'ppc64le', s390x: 's390x', riscv64: 'riscv64', loong64: 'loong64', mips: 'mips', mipsel: 'mipsle' };

/** The platform of this machine, for Linux containers. */
export function hostPlatform(): Platform {
  return normalizePlatform({ os: 'linux', architecture: NODE_ARCHITECTURE[process.arch] ?? process.arch });
}

/**
 * Parses `os`, `arch`, `os/arch` or `os/arch/variant`, as `--platform` takes it.
 * @throws OciImageError `INVALID_PLATFORM`
 */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.split('/');
  const bad = parts.find((part) => !COMPONENT.test(part));
  if (bad !== undefined) {
    throw new OciImageError('INVALID_PLATFORM', `${JSON.stringify(bad)} is an invalid component of ${JSON.stringify(text)}: platform specifier component must match "^[A-Za-z0-9_-]+$"`);
  }
  const [first = '', second, variant, ...rest] = parts;
  if (rest.length > 0) throw new OciImageError('INVALID_PLATFORM', `${JSON.stringify(text)}: cannot parse platform specifier`);
  if (second !== undefined) return normalizePlatform({ os: first, architecture: second, ...(variant === undefined ? {} : { variant }) });
  const os = OS_ALIAS[first.toLowerCase()] ?? first.toLowerCase();
  if (KNOWN_OS.has(os)) return normalizePlatform({ ...host, os });
  return normalizePlatform({ os: host.os, architecture: first });
}

/** `os/arch[/variant]`. */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, ...(platform.variant === undefined ? [] : [platform.variant])].join('/');
}

/** Go's names, aliases resolved; the variant that an architecture implies is dropped (`arm64` is v8, `amd64` is v1) or added (`arm` is v7). */
export function normalizePlatform(platform: Platform): Platform {
  const alias = ARCHITECTURE_ALIAS[platform.architecture.toLowerCase()];
  const architecture = alias?.[0] ?? platform.architecture.toLowerCase();
  const os = OS_ALIAS[platform.os.toLowerCase()] ?? platform.os.toLowerCase();
  const variant = normalizeVariant(architecture, (platform.variant ?? alias?.[1] ?? '').toLowerCase());
  const { variant: _variant, ...rest } = platform;
  return { ...rest, os, architecture, ...(variant === '' ? {} : { variant }) };
}

function normalizeVariant(architecture: string, variant: string): string {
  const prefixed = /^[0-9]+$/.test(variant) ? `v${variant}` : variant;
  if (architecture === 'arm64') return prefixed === 'v8' || prefixed === 'v8.0' ? '' : prefixed;
  if (architecture === 'amd64') return prefixed === 'v1' ? '' : prefixed;
  if (architecture === 'arm') return prefixed === '' ? 'v7' : prefixed;
  return prefixed;
}

/** The platforms that a machine of `platform` runs, the best first: arm v7 also runs v6 and v5, amd64 v3 also v2 and v1. */
export function compatiblePlatforms(platform: Platform): Platform[] {
  const wanted = normalizePlatform(platform);
  const { variant, ...bare } = wanted;
  const generation = /^v([0-9]+)$/.exec(variant ?? '')?.[1];
  if (wanted.architecture === 'arm' && generation !== undefined) {
    const lowest = 5;
    return range(Number(generation), lowest).map((value) => ({ ...bare, variant: `v${value}` }));
  }
  if (wanted.architecture === 'arm64') return [wanted, ...(variant === undefined ? [] : [bare]), ...compatiblePlatforms({ ...bare, architecture: 'arm', variant: 'v8' })];
  if (wanted.architecture === 'amd64' && generation !== undefined) return [...range(Number(generation), 2).map((value) => ({ ...bare, variant: `v${value}` })), bare];
  return [wanted];
}

/**
 * Chooses the entry for `wanted`: the best compatible platform wins, among equals the first. Entries without a platform match nothing here.
 * @returns its index, or -1
 */
export function choosePlatform(candidates: readonly (Platform | undefined)[], wanted: Platform): number {
  for (const compatible of compatiblePlatforms(wanted)) {
    const index = candidates.findIndex((candidate) => candidate !== undefined && isSamePlatform(normalizePlatform(candidate), compatible));
    if (index >= 0) return index;
  }
  return -1;
}

/** Whether a machine of platform `wanted` can run images for `candidate`. */
export function isPlatformCompatible(candidate: Platform, wanted: Platform): boolean {
  return choosePlatform([candidate], wanted) === 0;
}

/** Reads a platform object of an index or a configuration. */
export function readPlatform(value: unknown, path: string): Platform {
  const object = asObject(value, path);
  return {
    architecture: asString(object['architecture'] ?? '', `${path}.architecture`),
    os: asString(object['os'] ?? '', `${path}.os`),
    ...optional(object, path, 'variant', asString),
    ...optional(object, path, 'os.version', asString),
    ...optional(object, path, 'os.features', asStrings),
  };
}

function isSamePlatform(a: Platform, b: Platform): boolean {
  return a.os === b.os && a.architecture === b.architecture && (a.variant ?? '') === (b.variant ?? '');
}

/** Counts down from `from` to `to`, both included; a silly `from` is cut. */
function range(from: number, to: number): number[] {
  const highest = 16;
  const values: number[] = [];
  for (let value = Math.min(from, highest); value >= to; value -= 1) values.push(value);
  return values;
}
