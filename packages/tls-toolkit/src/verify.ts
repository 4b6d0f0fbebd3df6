import { createPrivateKey, X509Certificate } from 'node:crypto';
import net from 'node:net';
import { parseCertificate } from './authority.ts';
import { TlsError } from './errors.ts';

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const DAY_MS = 24 * 60 * 60 * 1000;

/** What a certificate is to be checked for. */
export interface VerifyOptions {
  readonly caPem: string;
  readonly certificatePem: string;
  readonly purpose: 'server' | 'client';
  /** Checked where given: the key must belong to the certificate. */
  readonly keyPem?: string;
  /** Checked where given: a host name or address that the daemon is reached by. */
  readonly name?: string;
  /** Default: now. */
  readonly now?: Date;
}

/**
 * Checks a certificate as the other side of a connection will.
 *
 * @throws TlsError `NOT_TRUSTED`, `EXPIRED`, `NOT_YET_VALID`, `WRONG_PURPOSE`, `WRONG_NAME`, `KEY_MISMATCH`, `UNREADABLE_CERTIFICATE`, `UNREADABLE_KEY`
 */
export function verifyCertificate(options: VerifyOptions): X509Certificate {
  const authority = parseCertificate(options.caPem);
  const certificate = parseCertificate(options.certificatePem);
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) throw new TlsError('NOT_TRUSTED', 'cannot trust the certificate: it was not issued by this authority');
  checkDates(certificate, options.now ?? new Date());
  checkDates(authority, options.now ?? new Date());
  const wanted = options.purpose === 'server' ? SERVER_AUTH : CLIENT_AUTH;
  if (!certificate.keyUsage.includes(wanted)) throw new TlsError('WRONG_PURPOSE', `cannot use the certificate as a ${options.purpose}'s: its extended key usage does not allow it`);
  if (options.name !== undefined && !(net.isIP(options.name) === 0 ? certificate.checkHost(options.name) : certificate.checkIP(options.name))) {
    throw new TlsError('WRONG_NAME', `cannot use the certificate for "${options.name}": it is for ${certificate.subjectAltName ?? 'no name'}`);
  }
  if (options.keyPem !== undefined) checkKey(certificate, options.keyPem);
  return certificate;
}

/** How long a certificate is still good, in whole days; negative when it has ended. */
export function daysLeft(certificatePem: string, now: Date = new Date()): number {
  return Math.floor((parseCertificate(certificatePem).validToDate.getTime() - now.getTime()) / DAY_MS);
}

function checkDates(certificate: X509Certificate, now: Date): void {
  const name = certificate.subject.replaceAll('\n', ', ');
  if (now < certificate.validFromDate) throw new TlsError('NOT_YET_VALID', `certificate of "${name}" is not valid before ${certificate.validFromDate.toISOString()}`);
  if (now > certificate.validToDate) throw new TlsError('EXPIRED', `certificate of "${name}" has expired on ${certificate.validToDate.toISOString()}`);
}

function checkKey(certificate: X509Certificate, keyPem: string): void {
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(keyPem));
  } catch (cause) {
    throw new TlsError('UNREADABLE_KEY', 'cannot read the key: it is no PEM private key', { cause });
  }
  if (!matches) throw new TlsError('KEY_MISMATCH', 'the key does not belong to the certificate');
}
