import { createHash, createPublicKey, randomBytes, type KeyObject, X509Certificate } from 'node:crypto';
import net from 'node:net';
import forge from 'node-forge';
import { TlsError } from './errors.ts';
import { forgeKey, generateKey, KEY_BITS_DEFAULT, keyFromPem, keyToPem } from './keys.ts';

/** Days that a certificate is valid unless asked otherwise. */
export const DAYS_DEFAULT = 365;
/** Beyond this, clients refuse to believe a certificate, and 32-bit times end. */
const DAYS_MAX = 3650;
/** A certificate is valid from a little before it is made, so that hosts with a slow clock accept it. */
const CLOCK_SKEW_MS = 5 * 60 * 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

/** A certificate authority: a key that signs, and the certificate that others trust. */
export interface CertificateAuthority {
  readonly certificatePem: string;
  readonly key: KeyObject;
  /** The serial number of the last certificate issued, hexadecimal. It changes with each one. */
  serial: string;
}

/** A key with its certificate, both PEM; the key is not encrypted, as daemon and client read it unattended. */
export interface IssuedCertificate { readonly keyPem: string; readonly certificatePem: string }

/** How to make an authority. */
export interface AuthorityOptions { readonly commonName?: string; readonly days?: number; readonly bits?: number }

/** What a daemon's certificate is for. At least one name or address. */
export interface ServerOptions { readonly hosts?: readonly string[]; readonly addresses?: readonly string[]; readonly days?: number; readonly bits?: number }

/** What a client's certificate is for. */
export interface ClientOptions { readonly name: string; readonly days?: number; readonly bits?: number }

/**
 * Makes a new certificate authority.
 *
 * @throws TlsError `INVALID_OPTION`, `WEAK_KEY`
 * @example
 * const ca = await createCertificateAuthority({ commonName: 'my lab' });
 * const server = await issueServerCertificate(ca, { hosts: ['node3'], addresses: ['10.0.0.12'] });
 */
export async function createCertificateAuthority(options: AuthorityOptions = {}): Promise<CertificateAuthority> {
  const days = checkDays(options.days ?? DAYS_DEFAULT);
  const commonName = checkName(options.commonName ?? 'Dray CA');
  const key = await generateKey(options.bits ?? KEY_BITS_DEFAULT);
  const serial = randomSerial();
  const certificatePem = sign({ subject: commonName, issuer: commonName, publicKey: key, signer: key, days, serial, extensions: [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  ] });
  return { certificatePem, key, serial };
}

/**
 * Opens an authority that was made before, here or by openssl.
 *
 * @throws TlsError `BAD_PASSPHRASE`, `UNREADABLE_KEY`, `UNREADABLE_CERTIFICATE`, `WRONG_PURPOSE`, `KEY_MISMATCH`
 */
export function openCertificateAuthority(options: { certificatePem: string; keyPem: string; passphrase?: string; serial?: string }): CertificateAuthority {
  const key = keyFromPem(options.keyPem, options.passphrase);
  const certificate = parseCertificate(options.certificatePem);
  if (!certificate.ca) throw new TlsError('WRONG_PURPOSE', 'cannot open the authority: its certificate is not that of a certificate authority');
  if (!certificate.checkPrivateKey(key)) throw new TlsError('KEY_MISMATCH', 'cannot open the authority: the key does not belong to the certificate');
  return { certificatePem: options.certificatePem, key, serial: options.serial ?? randomSerial() };
}

/**
 * Issues a certificate for a daemon, good for `serverAuth` under the names and addresses given.
 *
 * @throws TlsError `INVALID_OPTION`, `WEAK_KEY`
 */
export async function issueServerCertificate(ca: CertificateAuthority, options: ServerOptions): Promise<IssuedCertificate> {
  const hosts = (options.hosts ?? []).map(checkName);
  const addresses = options.addresses ?? [];
  const wrong = addresses.find((address) => net.isIP(address) === 0);
  if (wrong !== undefined) throw new TlsError('INVALID_OPTION', `cannot issue a daemon certificate: "${wrong}" is no IP address`);
  const subject = hosts[0] ?? addresses[0];
  if (subject === undefined) throw new TlsError('INVALID_OPTION', 'cannot issue a daemon certificate: neither a host name nor an address was given');
  return issue(ca, subject, options, [
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: [...hosts.map((value) => ({ type: 2, value })), ...addresses.map((ip) => ({ type: 7, ip }))] },
  ]);
}

/**
 * Issues a certificate for a client, good for `clientAuth` only.
 *
 * @throws TlsError `INVALID_OPTION`, `WEAK_KEY`
 */
export async function issueClientCertificate(ca: CertificateAuthority, options: ClientOptions): Promise<IssuedCertificate> {
  return issue(ca, checkName(options.name), options, [{ name: 'extKeyUsage', clientAuth: true }]);
}

/**
 * Reads one PEM certificate.
 *
 * @throws TlsError `UNREADABLE_CERTIFICATE`
 */
export function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw new TlsError('UNREADABLE_CERTIFICATE', 'cannot read the certificate: it is no PEM certificate', { cause });
  }
}

type Extension = Record<string, unknown> & { name: string };

async function issue(ca: CertificateAuthority, subject: string, options: { days?: number; bits?: number }, extensions: readonly Extension[]): Promise<IssuedCertificate> {
  const days = checkDays(options.days ?? DAYS_DEFAULT);
  const issuer = forge.pki.certificateFromPem(ca.certificatePem);
  const key = await generateKey(options.bits ?? KEY_BITS_DEFAULT);
  ca.serial = nextSerial(ca.serial);
  const certificatePem = sign({ subject, issuer, publicKey: key, signer: ca.key, days, serial: ca.serial, extensions: [
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    ...extensions,
    { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifier(ca.key) },
  ] });
  return { keyPem: keyToPem(key), certificatePem };
}

interface ToSign {
  readonly subject: string;
  /** Another certificate, or the common name of one that signs itself. */
  readonly issuer: forge.pki.Certificate | string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly days: number;
  readonly serial: string;
  readonly extensions: readonly Extension[];
}

function sign(what: ToSign): string {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(createPublicKey(what.publicKey).export({ type: 'spki', format: 'pem' }).toString());
  certificate.serialNumber = what.serial;
  const now = Date.now();
  certificate.validity.notBefore = new Date(now - CLOCK_SKEW_MS);
  certificate.validity.notAfter = new Date(now + what.days * DAY_MS);
  certificate.setSubject([{ name: 'commonName', value: what.subject }]);
  certificate.setIssuer(typeof what.issuer === 'string' ? [{ name: 'commonName', value: what.issuer }] : what.issuer.subject.attributes);
  certificate.setExtensions([...what.extensions, { name: 'subjectKeyIdentifier', subjectKeyIdentifier: Buffer.from(keyIdentifier(what.publicKey), 'latin1').toString('hex') }]);
  certificate.sign(forgeKey(what.signer), forge.md.sha256.create());
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}

/** RFC 5280 section 4.2.1.2, method 1: the SHA-1 of the public key, as a binary string. */
function keyIdentifier(key: KeyObject): string {
  const spki = createPublicKey(key).export({ type: 'pkcs1', format: 'der' });
  return createHash('sha1').update(spki).digest().toString('latin1');
}

/** A positive serial number of 20 bytes, as openssl makes them. */
function randomSerial(): string {
  const bytes = randomBytes(20);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x10;
  return bytes.toString('hex').toUpperCase();
}

function nextSerial(serial: string): string {
  if (!/^[0-9a-fA-F]{1,40}$/.test(serial)) throw new TlsError('INVALID_OPTION', `cannot use serial number "${serial}": it is not hexadecimal`);
  return (BigInt(`0x${serial}`) + 1n).toString(16).toUpperCase().padStart(serial.length, '0');
}

function checkDays(days: number): number {
  if (!Number.isInteger(days) || days < 1 || days > DAYS_MAX) throw new TlsError('INVALID_OPTION', `cannot make a certificate for ${days} days: want 1 to ${DAYS_MAX}`);
  return days;
}

function checkName(name: string): string {
  if (name === '' || name.length > 64 || /[\u0000-\u001f\u007f]/.test(name)) throw new TlsError('INVALID_OPTION', `cannot use the name ${JSON.stringify(name)}: want 1 to 64 printable characters`);
  return name;
}
