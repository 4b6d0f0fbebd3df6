import { type Digest, parseDigest } from './digest.ts';
import { OciImageError } from './errors.ts';

/** The registry that names without a host belong to. */
export const DEFAULT_DOMAIN = 'docker.io';
/** The tag that names without a tag mean. */
export const DEFAULT_TAG = 'latest';
/** Longest repository name, domain included. */
export const REPOSITORY_NAME_LENGTH_MAX = 255;

const LEGACY_DOMAIN = 'index.docker.io';
const OFFICIAL_PREFIX = 'library/';

const DOMAIN_COMPONENT = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${DOMAIN_COMPONENT}(?:\\.${DOMAIN_COMPONENT})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`;
const PATH_COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const NAME = new RegExp(`^(?:(${DOMAIN})/)?(${PATH_COMPONENT}(?:/${PATH_COMPONENT})*)$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const HEX_ID = /^[a-f0-9]{64}$/;

/** A normalised image name: always with a domain, with a tag, a digest, both or neither. */
export interface ImageReference {
  /** Registry host with optional port, as the user wrote it; `docker.io` for names without one. */
  readonly domain: string;
  /** Repository path within the registry, such as `library/busybox`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/**
 * Parses an image name and normalises it as docker does: `busybox` is `docker.io/library/busybox`. No default tag is added: see {@link withDefaultTag}.
 * @throws OciImageError `INVALID_REFERENCE`, worded as docker words it.
 */
export function parseReference(text: string): ImageReference {
  if (HEX_ID.test(text)) throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  const { domain, remainder } = splitDomain(text);
  const { name, tag, digest } = splitName(remainder);
  if (name !== name.toLowerCase()) throw invalid('invalid reference format: repository name must be lowercase');
  const match = NAME.exec(`${domain}/${name}`);
  if (match?.[1] !== domain || match[2] !== name) throw invalid('invalid reference format');
  if (domain.length + 1 + name.length > REPOSITORY_NAME_LENGTH_MAX) {
    throw invalid(`repository name must not be more than ${REPOSITORY_NAME_LENGTH_MAX} characters`);
  }
  if (tag !== undefined && !TAG.test(tag)) throw invalid('invalid reference format');
  return {
    domain,
    path: name,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest: referenceDigest(digest) }),
  };
}

/** Whether {@link parseReference} accepts `text`. */
export function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether `tag` is a valid tag. */
export function isTag(tag: string): boolean {
  return TAG.test(tag);
}

/** `reference` with the tag `latest` when it has neither tag nor digest. */
export function withDefaultTag(reference: ImageReference): ImageReference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: DEFAULT_TAG } : reference;
}

/** `reference` with `tag` and without a digest. @throws OciImageError `INVALID_REFERENCE` */
export function withTag(reference: ImageReference, tag: string): ImageReference {
  if (!TAG.test(tag)) throw invalid('invalid tag format');
  return { domain: reference.domain, path: reference.path, tag };
}

/** `reference` with `digest` and without a tag. */
export function withDigest(reference: ImageReference, digest: Digest): ImageReference {
  return { domain: reference.domain, path: reference.path, digest };
}

/** The full repository name, such as `docker.io/library/busybox`. */
export function canonicalName(reference: ImageReference): string {
  return `${reference.domain}/${reference.path}`;
}

/** The repository name as people write it, such as `busybox`. */
export function familiarName(reference: ImageReference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return canonicalName(reference);
  const rest = reference.path.slice(OFFICIAL_PREFIX.length);
  return reference.path.startsWith(OFFICIAL_PREFIX) && !rest.includes('/') ? rest : reference.path;
}

/** The whole reference in full, such as `docker.io/library/busybox:latest`: what containerd stores as an image name. */
export function canonicalReference(reference: ImageReference): string {
  return canonicalName(reference) + suffix(reference);
}

/** The whole reference as people write it, such as `busybox:latest`. */
export function familiarReference(reference: ImageReference): string {
  return familiarName(reference) + suffix(reference);
}

function suffix(reference: ImageReference): string {
  return (reference.tag === undefined ? '' : `:${reference.tag}`) + (reference.digest === undefined ? '' : `@${reference.digest}`);
}

/** The first component is a host if it has a dot, a colon or an upper-case letter, or is `localhost`. */
function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const hasDomain = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  let domain = hasDomain ? first : DEFAULT_DOMAIN;
  let remainder = hasDomain ? text.slice(slash + 1) : text;
  if (domain === LEGACY_DOMAIN) domain = DEFAULT_DOMAIN;
  if (domain === DEFAULT_DOMAIN && !remainder.includes('/')) remainder = OFFICIAL_PREFIX + remainder;
  return { domain, remainder };
}

function splitName(remainder: string): { name: string; tag?: string; digest?: string } {
  const at = remainder.indexOf('@');
  const tagged = at < 0 ? remainder : remainder.slice(0, at);
  const digest = at < 0 ? {} : { digest: remainder.slice(at + 1) };
  const colon = tagged.indexOf(':');
  return colon < 0 ? { name: tagged, ...digest } : { name: tagged.slice(0, colon), tag: tagged.slice(colon + 1), ...digest };
}

function referenceDigest(text: string): Digest {
  try {
    return parseDigest(text);
  } catch (error) {
    throw new OciImageError('INVALID_REFERENCE', 'invalid reference format', { cause: error });
  }
}

function invalid(message: string): OciImageError {
  return new OciImageError('INVALID_REFERENCE', message);
}
