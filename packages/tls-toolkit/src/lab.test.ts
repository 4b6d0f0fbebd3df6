import { execFileSync } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCertificateAuthority, issueClientCertificate, issueServerCertificate, openCertificateAuthority, parseCertificate } from './authority.ts';
import { main } from './command.ts';
import { isTlsError } from './errors.ts';
import { keyFromPem } from './keys.ts';
import { daysLeft, verifyCertificate } from './verify.ts';

// 2048 bits keep the tests quick; the default length is asserted by its constant's use in the command.
const bits = '2048';
let folder = '';
const read = (name: string): string => fs.readFileSync(path.join(folder, name), 'utf8');
const hasOpenssl = fs.existsSync('/usr/bin/openssl');

async function command(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const code = await main(args, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-tls-test-'));
  process.env['DRAY_TEST_PHRASE'] = 'a phrase';
  const { code, err } = await command('init', '--dir', folder, '--host', 'node3', '--host', 'node3.lab', '--ip', '10.0.0.12', '--client', 'node1', '--days', '20', '--bits', bits, '--passphrase-env', 'DRAY_TEST_PHRASE');
  expect(err).toBe('');
  expect(code).toBe(0);
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('dray-tls init', () => {
  it('leaves exactly seven files, keys for their owner only', () => {
    expect(fs.readdirSync(folder).sort()).toEqual(['ca-key.pem', 'ca.pem', 'ca.srl', 'client-cert.pem', 'client-key.pem', 'daemon-cert.pem', 'daemon-key.pem']);
    for (const name of ['ca-key.pem', 'daemon-key.pem', 'client-key.pem']) expect(fs.statSync(path.join(folder, name)).mode & 0o777).toBe(0o400);
    for (const name of ['ca.pem', 'daemon-cert.pem', 'client-cert.pem']) expect(fs.statSync(path.join(folder, name)).mode & 0o777).toBe(0o444);
  });

  it('never overwrites without --force', async () => {
    const before = read('ca-key.pem');
    const again = await command('init', '--dir', folder, '--host', 'x', '--client', 'y', '--bits', bits, '--passphrase-env', 'DRAY_TEST_PHRASE');
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('it exists') as string });
    expect(read('ca-key.pem')).toBe(before);
  });

  it.skipIf(!hasOpenssl)('makes what openssl accepts for each purpose, and for no other', () => {
    const verify = (purpose: string, name: string): string => execFileSync('openssl', ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', path.join(folder, 'ca.pem'), path.join(folder, name)], { encoding: 'utf8', stdio: 'pipe' });
    expect(verify('sslserver', 'daemon-cert.pem')).toContain('OK');
    expect(verify('sslclient', 'client-cert.pem')).toContain('OK');
    expect(() => verify('sslclient', 'daemon-cert.pem')).toThrow();
    expect(() => verify('sslserver', 'client-cert.pem')).toThrow();
    expect(execFileSync('openssl', ['x509', '-noout', '-ext', 'subjectAltName', '-in', path.join(folder, 'daemon-cert.pem')], { encoding: 'utf8' })).toContain('DNS:node3, DNS:node3.lab, IP Address:10.0.0.12');
  });

  it('encrypts the authority\'s key with the pass phrase', () => {
    expect(read('ca-key.pem')).toContain('ENCRYPTED');
    expect(createPrivateKey({ key: read('ca-key.pem'), passphrase: 'a phrase' }).asymmetricKeyType).toBe('rsa');
    expect(() => keyFromPem(read('ca-key.pem'), 'another')).toThrow('the pass phrase is wrong');
    expect(() => keyFromPem(read('ca-key.pem'))).toThrow('no pass phrase was given');
  });

  it('records the serial number that was issued last', () => {
    expect(BigInt(`0x${read('ca.srl').trim()}`)).toBe(BigInt(`0x${parseCertificate(read('client-cert.pem')).serialNumber}`));
  });
});

describe('verifyCertificate()', () => {
  const good = (): Parameters<typeof verifyCertificate>[0] => ({ caPem: read('ca.pem'), certificatePem: read('daemon-cert.pem'), keyPem: read('daemon-key.pem'), purpose: 'server', name: 'node3' });
  const code = (options: Partial<Parameters<typeof verifyCertificate>[0]>): string => {
    try {
      verifyCertificate({ ...good(), ...options });
      return 'good';
    } catch (error) {
      return isTlsError(error) ? error.code : 'other';
    }
  };

  it('accepts what init made', () => {
    expect(code({})).toBe('good');
    expect(code({ name: '10.0.0.12' })).toBe('good');
  });

  it('names each fault', async () => {
    const other = await createCertificateAuthority({ bits: 2048 });
    expect(code({ caPem: other.certificatePem })).toBe('NOT_TRUSTED');
    expect(code({ purpose: 'client' })).toBe('WRONG_PURPOSE');
    expect(code({ name: 'node9' })).toBe('WRONG_NAME');
    expect(code({ keyPem: read('client-key.pem') })).toBe('KEY_MISMATCH');
    expect(code({ keyPem: 'rubbish' })).toBe('UNREADABLE_KEY');
    expect(code({ certificatePem: 'rubbish' })).toBe('UNREADABLE_CERTIFICATE');
    expect(code({ now: new Date(Date.now() + 30 * 86_400_000) })).toBe('EXPIRED');
    expect(code({ now: new Date(0) })).toBe('NOT_YET_VALID');
  });
});

describe('an authority made by openssl', () => {
  it.skipIf(!hasOpenssl).each([['PKCS#8', []], ['PKCS#1', ['-traditional']]])('with an encrypted key in %s issues certificates', async (_name, extra) => {
    const lab = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-tls-openssl-'));
    const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: lab, stdio: 'pipe' });
    openssl('genrsa', ...extra, '-aes256', '-passout', 'pass:secret', '-out', 'ca-key.pem', '2048');
    openssl('req', '-new', '-x509', '-days', '5', '-key', 'ca-key.pem', '-passin', 'pass:secret', '-sha256', '-out', 'ca.pem', '-subj', '/CN=their ca');
    const ca = openCertificateAuthority({ keyPem: fs.readFileSync(`${lab}/ca-key.pem`, 'utf8'), certificatePem: fs.readFileSync(`${lab}/ca.pem`, 'utf8'), passphrase: 'secret' });
    const server = await issueServerCertificate(ca, { hosts: ['node3'], bits: 2048 });
    const client = await issueClientCertificate(ca, { name: 'node1', bits: 2048 });
    fs.writeFileSync(`${lab}/server.pem`, server.certificatePem);
    openssl('verify', '-purpose', 'sslserver', '-CAfile', 'ca.pem', 'server.pem');
    expect(new X509Certificate(client.certificatePem).subject).toBe('CN=node1');
    fs.rmSync(lab, { recursive: true });
  });
});

describe('dray-tls', () => {
  it('verifies, inspects and warns of the end', async () => {
    expect(await command('verify', '--dir', folder, '--name', 'node3.lab')).toMatchObject({ code: 0 });
    expect((await command('inspect', path.join(folder, 'daemon-cert.pem'))).out).toContain('DNS:node3');
    expect(daysLeft(read('ca.pem'))).toBe(19);
    expect(await command('check', '--days', '10', path.join(folder, 'ca.pem'))).toMatchObject({ code: 0 });
    expect(await command('check', '--days', '30', path.join(folder, 'ca.pem'))).toMatchObject({ code: 1 });
  });

  it.each([
    [[], 'no command given'], [['frob'], 'unknown command "frob"'], [['init', '--nope'], "Unknown option '--nope'"], [['init', '--dir', '/tmp/x', '--client', 'c'], '--passphrase-env or --passphrase-file is needed'],
    [['inspect', '/nowhere'], 'cannot read "/nowhere"'], [['check', '--days', 'x', 'y'], '--days wants a whole number'],
    [['init', '--dir', '/tmp/dray-none', '--ip', '1.2.3', '--client', 'c', '--bits', '2048', '--passphrase-env', 'DRAY_TEST_PHRASE'], '"1.2.3" is no IP address'],
    [['init', '--dir', '/tmp/dray-none', '--host', 'h', '--client', 'c', '--bits', '1024', '--passphrase-env', 'DRAY_TEST_PHRASE'], 'at least 2048 are needed'],
  ])('answers %j with one clear line', async (args, message) => {
    const { code, err } = await command(...args);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
    expect(fs.existsSync('/tmp/dray-none')).toBe(false);
  });

  it('reads any PEM text without another error than its own', () => {
    fc.assert(fc.property(fc.string(), (pem) => {
      for (const parse of [() => parseCertificate(pem), () => keyFromPem(pem, 'x')]) {
        try {
          parse();
        } catch (error) {
          expect(isTlsError(error)).toBe(true);
        }
      }
    }));
  });
});
