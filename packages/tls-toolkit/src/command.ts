import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseCertificate } from './authority.ts';
import { isTlsError, TlsError } from './errors.ts';
import { initLab, LAB_FILES } from './lab.ts';
import { daysLeft, verifyCertificate } from './verify.ts';

const USAGE = `Usage: dray-tls COMMAND

  init --dir DIR --host NAME... --ip ADDRESS... --client NAME [--days N] [--bits N] [--force]
       (--passphrase-env VARIABLE | --passphrase-file FILE)
                          make an authority, a daemon's and a client's certificate
  verify --dir DIR [--name NAME]
                          check the files of init as the two sides of a connection will
  inspect FILE            show a certificate
  check [--days N] FILE... exit 1 when a certificate ends within N days (default 30)
`;

const WARNING_DAYS_DEFAULT = 30;

/** Runs `dray-tls`. Returns the exit code; failures are one line on standard error. */
export async function main(argv: readonly string[], output: { out: (text: string) => void; err: (text: string) => void }): Promise<number> {
  const [command = '', ...rest] = argv;
  try {
    switch (command) {
      case 'init': return await init(rest);
      case 'verify': return verify(rest, output.out);
      case 'inspect': return inspect(rest, output.out);
      case 'check': return check(rest, output.out);
      case '--help': case '-h': case 'help': output.out(USAGE); return 0;
      default: throw new TlsError('INVALID_OPTION', command === '' ? 'no command given, see dray-tls --help' : `unknown command "${command}", see dray-tls --help`);
    }
  } catch (error) {
    if (!isTlsError(error) && !isUsageError(error)) throw error;
    output.err(`dray-tls: ${error.message}\n`);
    return 1;
  }
}

async function init(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: {
    dir: { type: 'string' }, host: { type: 'string', multiple: true, default: [] }, ip: { type: 'string', multiple: true, default: [] }, client: { type: 'string' }, days: { type: 'string' },
    bits: { type: 'string' }, 'passphrase-env': { type: 'string' }, 'passphrase-file': { type: 'string' }, force: { type: 'boolean', default: false },
  } });
  await initLab({
    folder: required(values.dir, '--dir'), hosts: values.host, addresses: values.ip, clientName: required(values.client, '--client'), passphrase: passphraseOf(values), force: values.force,
    ...(values.days !== undefined && { days: wholeNumber(values.days, '--days') }), ...(values.bits !== undefined && { bits: wholeNumber(values.bits, '--bits') }),
  });
  return 0;
}

function verify(args: string[], out: (text: string) => void): number {
  const { values } = parseArgs({ args, options: { dir: { type: 'string' }, name: { type: 'string' } } });
  const read = (name: string): string => readFile(path.join(required(values.dir, '--dir'), name));
  const caPem = read(LAB_FILES.ca);
  verifyCertificate({ caPem, certificatePem: read(LAB_FILES.daemonCertificate), keyPem: read(LAB_FILES.daemonKey), purpose: 'server', ...(values.name !== undefined && { name: values.name }) });
  verifyCertificate({ caPem, certificatePem: read(LAB_FILES.clientCertificate), keyPem: read(LAB_FILES.clientKey), purpose: 'client' });
  out('daemon and client certificates are good\n');
  return 0;
}

function inspect(args: string[], out: (text: string) => void): number {
  const { positionals } = parseArgs({ args, allowPositionals: true });
  const certificate = parseCertificate(readFile(required(positionals[0], 'FILE')));
  out([`Subject: ${certificate.subject}`, `Issuer: ${certificate.issuer}`, `Serial: ${certificate.serialNumber}`, `Valid: ${certificate.validFrom} to ${certificate.validTo}`,
    `Authority: ${certificate.ca ? 'yes' : 'no'}`, `Names: ${certificate.subjectAltName ?? 'none'}`, `Fingerprint: ${certificate.fingerprint256}`, ''].join('\n'));
  return 0;
}

function check(args: string[], out: (text: string) => void): number {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { days: { type: 'string' } } });
  const limit = values.days === undefined ? WARNING_DAYS_DEFAULT : wholeNumber(values.days, '--days');
  required(positionals[0], 'FILE');
  const left = positionals.map((file) => ({ file, days: daysLeft(readFile(file)) }));
  for (const { file, days } of left) out(`${file}: ${days < 0 ? `ended ${-days} days ago` : `${days} days left`}\n`);
  return left.some(({ days }) => days < limit) ? 1 : 0;
}

function passphraseOf(values: { 'passphrase-env'?: string | undefined; 'passphrase-file'?: string | undefined }): string {
  const variable = values['passphrase-env'];
  if (variable !== undefined) return required(process.env[variable], `the environment variable ${variable}`);
  return readFile(required(values['passphrase-file'], '--passphrase-env or --passphrase-file')).replace(/\r?\n$/, '');
}

function required(value: string | undefined, what: string): string {
  if (value === undefined || value === '') throw new TlsError('INVALID_OPTION', `${what} is needed`);
  return value;
}

function wholeNumber(value: string, what: string): number {
  if (!/^\d{1,6}$/.test(value)) throw new TlsError('INVALID_OPTION', `${what} wants a whole number, got "${value}"`);
  return Number(value);
}

function readFile(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw new TlsError('FILE_MISSING', `cannot read "${file}": ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function isUsageError(error: unknown): error is Error {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
