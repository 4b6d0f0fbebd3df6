import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digestOf, MEDIA_TYPE, parseReference, RegistryClient } from '../src/index.ts';
import { createHttpTransport } from '../src/registry/transport.ts';
import { missing, scratchFolder, suiteName } from './support/tools.ts';

const reason = missing('openssl');
const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [] }));

describe.skipIf(reason !== '')(suiteName('a registry with TLS', reason), () => {
  let server: Server;
  let certificate = '';
  const port = (): number => (server.address() as AddressInfo).port;

  beforeAll(async () => {
    await using scratch = await scratchFolder();
    const [key, cert] = [join(scratch.path, 'key.pem'), join(scratch.path, 'cert.pem')];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'ignore' });
    certificate = readFileSync(cert, 'utf8');
    server = createServer({ key: readFileSync(key), cert: certificate }, (_request, response) => { response.writeHead(200, { 'content-type': MEDIA_TYPE.ociIndex }).end(manifest); });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('is spoken to by HTTPS where it is insecure too, whatever its certificate', async () => {
    await using client = new RegistryClient({ retry: { attemptsMax: 1 } });
    expect((await client.fetchManifest(parseReference(`127.0.0.1:${port()}/a:b`))).descriptor.digest).toBe(digestOf(manifest));
  });

  test('must have a certificate of a known authority where it is not insecure', async () => {
    const request = { method: 'GET', url: `https://127.0.0.1:${port()}/v2/`, isInsecure: false } as const;
    await using strict = createHttpTransport();
    await expect(strict.request(request)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE', message: expect.stringContaining('self-signed certificate') as string });
    await using knowing = createHttpTransport({ ca: [certificate] });
    const response = await knowing.request(request);
    expect(response.status).toBe(200);
    await response.discard();
  });
});
