import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import forge from 'node-forge';
import { TlsError } from './errors.ts';

/** The length of an RSA key in bits unless asked otherwise, as in Docker's own instructions. */
export const KEY_BITS_DEFAULT = 4096;
/** Shorter keys are refused: OpenSSL's default security level rejects them as well. */
export const KEY_BITS_MIN = 2048;

const PUBLIC_EXPONENT = 65537;

/** Makes an RSA key off the main thread. */
export async function generateKey(bits: number = KEY_BITS_DEFAULT): Promise<KeyObject> {
  if (!Number.isInteger(bits) || bits < KEY_BITS_MIN) throw new TlsError('WEAK_KEY', `cannot make a key of ${bits} bits: at least ${KEY_BITS_MIN} are needed`);
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: bits, publicExponent: PUBLIC_EXPONENT });
  return privateKey;
}

/** A key as PEM: PKCS#8, encrypted by AES-256 where a pass phrase is given. */
export function keyToPem(key: KeyObject, passphrase?: string): string {
  return key.export({ type: 'pkcs8', format: 'pem', ...(passphrase !== undefined && { cipher: 'aes-256-cbc', passphrase }) }).toString();
}

/**
 * Reads a private key: PKCS#1 or PKCS#8, plain or encrypted, as openssl writes them.
 *
 * @throws TlsError `BAD_PASSPHRASE`, `UNREADABLE_KEY`, or `WEAK_KEY`
 */
export function keyFromPem(pem: string, passphrase?: string): KeyObject {
  const key = readKey(pem, passphrase);
  if (key.asymmetricKeyType !== 'rsa') throw new TlsError('UNREADABLE_KEY', `cannot use the key: its type is ${key.asymmetricKeyType ?? 'unknown'}, want rsa`);
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bits < KEY_BITS_MIN) throw new TlsError('WEAK_KEY', `cannot use the key: it has ${bits} bits, want at least ${KEY_BITS_MIN}`);
  return key;
}

function readKey(pem: string, passphrase: string | undefined): KeyObject {
  const isEncrypted = pem.includes('ENCRYPTED');
  if (isEncrypted && passphrase === undefined) throw new TlsError('BAD_PASSPHRASE', 'cannot read the key: it is encrypted and no pass phrase was given');
  try {
    return createPrivateKey({ key: pem, format: 'pem', ...(passphrase !== undefined && { passphrase }) });
  } catch (cause) {
    throw isEncrypted ? new TlsError('BAD_PASSPHRASE', 'cannot read the key: the pass phrase is wrong', { cause }) : new TlsError('UNREADABLE_KEY', 'cannot read the key: it is no PEM private key', { cause });
  }
}

/** The key in node-forge's form, for signing. */
export function forgeKey(key: KeyObject): forge.pki.rsa.PrivateKey {
  return forge.pki.privateKeyFromPem(key.export({ type: 'pkcs1', format: 'pem' }).toString());
}
