import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { createCertificateAuthority, issueClientCertificate, issueServerCertificate } from './authority.ts';
import { TlsError } from './errors.ts';
import { keyToPem } from './keys.ts';

/** The file names of Docker's own instructions. */
export const LAB_FILES = {
  caKey: 'ca-key.pem', ca: 'ca.pem', caSerial: 'ca.srl', daemonKey: 'daemon-key.pem', daemonCertificate: 'daemon-cert.pem', clientKey: 'client-key.pem', clientCertificate: 'client-cert.pem',
} as const;

/** Keys are for their owner's eyes; certificates are public. */
const KEY_MODE = 0o400;
const CERTIFICATE_MODE = 0o444;

/** What {@link initLab} makes. */
export interface LabOptions {
  /** The folder for the seven files; it is made where it is missing. */
  readonly folder: string;
  readonly hosts: readonly string[];
  readonly addresses: readonly string[];
  readonly clientName: string;
  readonly days?: number;
  readonly bits?: number;
  /** Encrypts the authority's key. */
  readonly passphrase: string;
  /** Replace files that are there. Default: they are kept and the call fails before anything is made. */
  readonly force?: boolean;
}

/**
 * Does the whole lab: an authority, a daemon's and a client's certificate, as exactly seven files.
 *
 * @throws TlsError `FILE_EXISTS` without `force`, `INVALID_OPTION`, `WEAK_KEY`. Nothing is written then.
 */
export async function initLab(options: LabOptions): Promise<void> {
  if (options.passphrase === '') throw new TlsError('INVALID_OPTION', 'cannot make an authority: the pass phrase is empty');
  if (options.force !== true) refuseExisting(options.folder);
  const common = { ...(options.days !== undefined && { days: options.days }), ...(options.bits !== undefined && { bits: options.bits }) };
  const ca = await createCertificateAuthority({ ...common, commonName: 'Dray CA' });
  const daemon = await issueServerCertificate(ca, { ...common, hosts: options.hosts, addresses: options.addresses });
  const client = await issueClientCertificate(ca, { ...common, name: options.clientName });
  writeFiles(options.folder, [
    [LAB_FILES.caKey, keyToPem(ca.key, options.passphrase), KEY_MODE], [LAB_FILES.ca, ca.certificatePem, CERTIFICATE_MODE], [LAB_FILES.caSerial, `${ca.serial}\n`, 0o644],
    [LAB_FILES.daemonKey, daemon.keyPem, KEY_MODE], [LAB_FILES.daemonCertificate, daemon.certificatePem, CERTIFICATE_MODE],
    [LAB_FILES.clientKey, client.keyPem, KEY_MODE], [LAB_FILES.clientCertificate, client.certificatePem, CERTIFICATE_MODE],
  ]);
}

function refuseExisting(folder: string): void {
  const existing = Object.values(LAB_FILES).find((name) => fs.existsSync(path.join(folder, name)));
  if (existing !== undefined) throw new TlsError('FILE_EXISTS', `cannot write "${path.join(folder, existing)}": it exists (--force replaces it)`);
}

/** Writes every file beside its place first, so that a full disk leaves the old set whole; then renames them all. */
function writeFiles(folder: string, files: readonly (readonly [name: string, content: string, mode: number])[]): void {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const suffix = `.${randomBytes(4).toString('hex')}.tmp`;
  const temporary = (name: string): string => path.join(folder, `.${name}${suffix}`);
  try {
    for (const [name, content, mode] of files) writeDurably(temporary(name), content, mode);
    for (const [name] of files) fs.renameSync(temporary(name), path.join(folder, name));
  } finally {
    for (const [name] of files) fs.rmSync(temporary(name), { force: true });
  }
}

function writeDurably(file: string, content: string, mode: number): void {
  const fd = fs.openSync(file, 'wx', mode);
  try {
    fs.fchmodSync(fd, mode);
    fs.writeSync(fd, content);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
