import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Finished, run } from '../support/command.ts';
import { dockerCli, repository, startEngine, type TestEngine } from '../support/engine.ts';
import { missing } from '../support/fixture.ts';
import { freePort } from '../support/registry.ts';

describe.skipIf(missing !== undefined)(`mutual TLS${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let engine: TestEngine;
  let certificates = '';
  let port = 0;
  const docker = (folder: string, ...args: string[]): Promise<Finished> => run(dockerCli, [
    '-H', `tcp://localhost:${String(port)}`, '--tlsverify', '--tlscacert', `${folder}/ca.pem`, '--tlscert', `${folder}/client-cert.pem`, '--tlskey', `${folder}/client-key.pem`, ...args,
  ]);

  beforeAll(async () => {
    if (missing !== undefined) return;
    certificates = fs.mkdtempSync('/tmp/dray-tls-');
    init(certificates);
    port = await freePort();
    engine = await startEngine(['-H', `tcp://127.0.0.1:${String(port)}`, '--tlsverify', '--tlscacert', `${certificates}/ca.pem`, '--tlscert', `${certificates}/daemon-cert.pem`, '--tlskey', `${certificates}/daemon-key.pem`]);
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    fs.rmSync(certificates, { recursive: true, force: true });
  });
  const init = (folder: string): void => void execFileSync(path.join(repository, 'node_modules/.bin/dray-tls'),
    ['init', '--dir', folder, '--host', 'localhost', '--ip', '127.0.0.1', '--client', 'node1', '--days', '30', '--passphrase-env', 'PHRASE'], { env: { ...process.env, PHRASE: 'secret phrase' } });

  it('is set up by one command that leaves exactly the seven files of the lab', () => {
    expect(fs.readdirSync(certificates).sort()).toEqual(['ca-key.pem', 'ca.pem', 'ca.srl', 'client-cert.pem', 'client-key.pem', 'daemon-cert.pem', 'daemon-key.pem']);
    expect(fs.statSync(`${certificates}/daemon-key.pem`).mode & 0o777).toBe(0o400);
    execFileSync('openssl', ['verify', '-purpose', 'sslserver', '-CAfile', `${certificates}/ca.pem`, `${certificates}/daemon-cert.pem`]);
    execFileSync('openssl', ['verify', '-purpose', 'sslclient', '-CAfile', `${certificates}/ca.pem`, `${certificates}/client-cert.pem`]);
  });

  it('serves the unmodified docker CLI that has a certificate', async () => {
    const finished = await docker(certificates, 'version', '--format', '{{.Server.Os}}');
    expect(finished).toMatchObject({ code: 0, stdout: 'linux\n' });
  });

  it('refuses a client without a certificate, and one of another authority', async () => {
    const without = await run('curl', ['-s', '-S', '--cacert', `${certificates}/ca.pem`, `https://localhost:${String(port)}/_ping`]);
    expect(without.code).not.toBe(0);
    expect(without.stderr).toMatch(/certificate required|bad certificate|handshake/);
    const other = fs.mkdtempSync('/tmp/dray-tls-other-');
    init(other);
    fs.copyFileSync(`${certificates}/ca.pem`, `${other}/ca-ours.pem`);
    fs.rmSync(`${other}/ca.pem`);
    fs.renameSync(`${other}/ca-ours.pem`, `${other}/ca.pem`);
    const finished = await docker(other, 'version');
    fs.rmSync(other, { recursive: true });
    expect(finished.code).toBe(1);
    expect(finished.stderr).toContain('error during connect');
  });

  it('tells a client that speaks plain HTTP what to do', async () => {
    const finished = await run('curl', ['-s', '-i', `http://127.0.0.1:${String(port)}/_ping`]);
    expect(finished.stdout).toContain('400');
    expect(finished.stdout).toContain('Client sent an HTTP request to an HTTPS server');
  });
});
