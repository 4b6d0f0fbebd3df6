export {
  type AuthorityOptions, type CertificateAuthority, type ClientOptions, createCertificateAuthority, DAYS_DEFAULT, type IssuedCertificate, issueClientCertificate, issueServerCertificate,
  openCertificateAuthority, parseCertificate, type ServerOptions,
} from './authority.ts';
export { isTlsError, TlsError, type TlsErrorCode, type TlsErrorKind } from './errors.ts';
export { generateKey, KEY_BITS_DEFAULT, KEY_BITS_MIN, keyFromPem, keyToPem } from './keys.ts';
export { initLab, LAB_FILES, type LabOptions } from './lab.ts';
export { daysLeft, verifyCertificate, type VerifyOptions } from './verify.ts';
