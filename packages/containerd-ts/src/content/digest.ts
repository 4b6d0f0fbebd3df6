import { invalidArgument } from '../errors.ts';
import { quote } from '../quote.ts';

/** A digest taken apart. */
export interface Digest {
  readonly algorithm: 'sha256' | 'sha384' | 'sha512';
  /** Lower-case hexadecimal. */
  readonly hex: string;
}

const HEX_LENGTHS = { sha256: 64, sha384: 96, sha512: 128 } as const;

/**
 * Parses `sha256:…`. The result is safe to build a path of.
 *
 * @throws ContainerdError `invalid_argument`, `INVALID_DIGEST`
 */
export function parseDigest(text: string): Digest {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, Math.max(colon, 0));
  const hex = text.slice(colon + 1);
  if (colon <= 0 || !/^[a-z0-9+._-]+$/.test(algorithm)) throw invalid(text, 'invalid checksum digest format');
  if (algorithm !== 'sha256' && algorithm !== 'sha384' && algorithm !== 'sha512') throw invalid(text, 'unsupported digest algorithm');
  if (hex.length !== HEX_LENGTHS[algorithm]) throw invalid(text, 'invalid checksum digest length');
  if (!/^[0-9a-f]+$/.test(hex)) throw invalid(text, 'invalid checksum digest format');
  return { algorithm, hex };
}

function invalid(text: string, reason: string): Error {
  return invalidArgument('INVALID_DIGEST', `${quote(text.slice(0, 200))}: ${reason}`);
}
