import { createHash, type Hash } from 'node:crypto';
import { OciImageError } from './errors.ts';

/** The hash algorithms this package verifies. */
export type DigestAlgorithm = 'sha256' | 'sha384' | 'sha512';

/** A content digest, `algorithm:hex`, checked by {@link parseDigest}. */
export type Digest = `${DigestAlgorithm}:${string}`;

const HEX_LENGTH: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha384: 96, sha512: 128 };
const GRAMMAR = /^([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)$/;

/**
 * Parses a digest strictly: known algorithm, lower-case hex of exactly its length, nothing else.
 * @throws OciImageError `INVALID_DIGEST`, worded as go-digest does.
 * @see image-spec descriptor.md, "Digests"
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  const algorithm = GRAMMAR.exec(text)?.[1];
  if (algorithm === undefined) throw invalid(text, 'invalid checksum digest format');
  if (!isAlgorithm(algorithm)) throw invalid(text, 'unsupported digest algorithm');
  throw invalid(text, text.length === algorithm.length + 1 + HEX_LENGTH[algorithm] ? 'invalid checksum digest format' : 'invalid checksum digest length');
}

/** Whether `text` is a digest {@link parseDigest} accepts. */
export function isDigest(text: string): text is Digest {
  const separator = text.indexOf(':');
  const algorithm = text.slice(0, separator);
  if (!isAlgorithm(algorithm)) return false;
  const encoded = text.slice(separator + 1);
  return encoded.length === HEX_LENGTH[algorithm] && /^[a-f0-9]+$/.test(encoded);
}

/** The algorithm part. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  const algorithm = digest.slice(0, digest.indexOf(':'));
  return isAlgorithm(algorithm) ? algorithm : 'sha256';
}

/** The hex part. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The digest of `data`. */
export function digestOf(data: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(data).digest('hex')}`;
}

/** Computes a digest over chunks. */
export class Digester {
  readonly #algorithm: DigestAlgorithm;
  readonly #hash: Hash;
  #size = 0;

  constructor(algorithm: DigestAlgorithm = 'sha256') {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** Bytes seen so far. */
  get size(): number {
    return this.#size;
  }

  update(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
    this.#hash.update(chunk);
  }

  /** The digest of what was seen; the digester can go on afterwards. */
  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.copy().digest('hex')}`;
  }
}

/**
 * The chain ids of a stack of layers, base first: what identifies the file system that each layer completes.
 * @see image-spec config.md, "Layer ChainID"
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : digestOf(`${parent} ${diffId}`));
  }
  return chain;
}

function isAlgorithm(text: string): text is DigestAlgorithm {
  return Object.hasOwn(HEX_LENGTH, text);
}

function invalid(text: string, reason: string): OciImageError {
  return new OciImageError('INVALID_DIGEST', `invalid digest ${JSON.stringify(text.slice(0, 200))}: ${reason}`);
}
