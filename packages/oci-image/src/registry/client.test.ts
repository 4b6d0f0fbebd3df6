import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../digest.ts';
import type { Descriptor } from '../manifest.ts';
import { MEDIA_TYPE } from '../media-types.ts';
import { type ImageReference, parseReference } from '../reference.ts';
import { RegistryClient, type RegistryClientOptions } from './client.ts';
import { dockerPullFailure } from './docker-wording.ts';
import type { HttpResponse, Transport } from './transport.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let other: Server;
let handle: Handler;
let handleOther: Handler;
const clients: RegistryClient[] = [];

beforeEach(async () => {
  handle = handleOther = (_request, response) => response.writeHead(500).end();
  server = createServer((request, response) => { handle(request, response); });
  other = createServer((request, response) => { handleOther(request, response); });
  for (const one of [server, other]) await new Promise<void>((resolve) => one.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const one of [server, other]) {
    one.closeAllConnections();
    await new Promise((resolve) => one.close(resolve));
  }
});

const hostOf = (one: Server, name = '127.0.0.1'): string => `${name}:${(one.address() as AddressInfo).port}`;
const reference = (): ImageReference => parseReference(`${hostOf(server)}/a/b:tag`);
function client(options: RegistryClientOptions = {}): RegistryClient {
  const made = new RegistryClient({ retry: { delayMs: 1, sleep: async () => { await Promise.resolve(); } }, ...options });
  clients.push(made);
  return made;
}

const blob = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
const descriptor: Descriptor = { mediaType: MEDIA_TYPE.ociLayer, digest: digestOf(blob), size: blob.length };
const manifestBytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config: { ...descriptor, mediaType: MEDIA_TYPE.ociConfig }, layers: [descriptor] }));
const serveManifest: Handler = (request, response) => {
  response.writeHead(200, { 'content-type': MEDIA_TYPE.ociManifest, 'content-length': manifestBytes.length, 'docker-content-digest': digestOf(manifestBytes) });
  response.end(request.method === 'HEAD' ? undefined : manifestBytes);
};
function answer(status: number, headers: Readonly<Record<string, string>>, body: Uint8Array): HttpResponse {
  const chunks = async function* (): AsyncGenerator<Uint8Array, void, void> { yield await Promise.resolve(body); };
  return {
    status, body: chunks(), header: (name) => headers[name], headers: (name) => (headers[name] === undefined ? [] : [headers[name]]),
    bytes: async () => await Promise.resolve(body), text: async () => await Promise.resolve(Buffer.from(body).toString()), discard: async () => { await Promise.resolve(); },
  };
}

const collect = async (source: AsyncIterable<Uint8Array>): Promise<Buffer> => Buffer.concat(await Array.fromAsync(source));

describe('RegistryClient', () => {
  test('resolves a tag without fetching it, and fetches by digest', async () => {
    const seen: string[] = [];
    handle = (request, response) => { seen.push(`${request.method ?? ''} ${request.url ?? ''}`); serveManifest(request, response); };
    const one = client();
    const found = await one.resolve(reference());
    expect(found).toEqual({ mediaType: MEDIA_TYPE.ociManifest, digest: digestOf(manifestBytes), size: manifestBytes.length });
    expect(Buffer.from((await one.fetchManifest(reference(), { descriptor: found })).bytes)).toEqual(manifestBytes);
    expect(seen).toEqual(['HEAD /v2/a/b/manifests/tag', `GET /v2/a/b/manifests/${found.digest}`]);
  });

  test('computes the digest itself where a registry lies about it', async () => {
    handle = (_request, response) => response.writeHead(200, { 'content-type': MEDIA_TYPE.ociManifest, 'docker-content-digest': digestOf('lie') }).end(manifestBytes);
    expect((await client().fetchManifest(reference())).descriptor.digest).toBe(digestOf(manifestBytes));
    await expect(client().fetchManifest(parseReference(`${hostOf(server)}/a/b@${digestOf('wanted')}`))).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });

  test('gets an anonymous token and asks for it once', async () => {
    let tokens = 0;
    handle = (request, response) => {
      if (request.url?.startsWith('/token') === true) {
        tokens += 1;
        expect(new URL(request.url, 'http://x').searchParams.get('scope')).toBe('repository:a/b:pull');
        expect(request.headers.authorization).toBeUndefined();
        response.writeHead(200).end(JSON.stringify({ token: 'secret-token', expires_in: 300 }));
      } else if (request.headers.authorization === 'Bearer secret-token') serveManifest(request, response);
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${hostOf(server)}/token",service="s",scope="repository:a/b:pull"` }).end();
    };
    const one = client();
    await one.resolve(reference());
    await one.fetchManifest(reference());
    expect(tokens).toBe(1);
  });

  test('answers a Basic challenge with credentials, and stops when they are wrong', async () => {
    let requests = 0;
    handle = (request, response) => {
      requests += 1;
      if (request.headers.authorization === `Basic ${Buffer.from('u:right').toString('base64')}`) serveManifest(request, response);
      else response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    };
    const basic = (password: string): RegistryClientOptions => ({ credentials: async () => await Promise.resolve({ kind: 'basic', username: 'u', password }) });
    expect((await client(basic('right')).fetchManifest(reference())).bytes).toHaveLength(manifestBytes.length);
    requests = 0;
    await expect(client(basic('wrong')).fetchManifest(reference())).rejects.toMatchObject({ code: 'REGISTRY_UNAUTHORIZED', kind: 'unauthenticated' });
    expect(requests).toBe(2);
    await expect(client().fetchManifest(reference())).rejects.toThrow('no basic auth credentials');
  });

  test('sends no credentials to a token server on another host (CVE-2026-33540)', async () => {
    const seen: (string | undefined)[] = [];
    handleOther = (request, response) => { seen.push(request.headers.authorization, request.url); response.writeHead(401).end(); };
    handle = (_request, response) => response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${hostOf(other, 'localhost')}/token",service="s"` }).end();
    await expect(client({ credentials: async () => await Promise.resolve({ kind: 'basic', username: 'u', password: 'hunter2' }) }).fetchManifest(reference())).rejects.toMatchObject({ code: 'REGISTRY_UNAUTHORIZED' });
    expect(seen[0]).toBeUndefined();
    expect(seen[1]).not.toContain('account');
  });

  test('follows a redirect to another host without authorization', async () => {
    const seen: (string | undefined)[] = [];
    handleOther = (request, response) => { seen.push(request.headers.authorization); response.writeHead(200, { 'content-length': blob.length }).end(blob); };
    handle = (request, response) => {
      if (request.headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end();
      else response.writeHead(307, { location: `http://${hostOf(other)}/storage?signature=x` }).end();
    };
    const one = client({ credentials: async () => await Promise.resolve({ kind: 'basic', username: 'u', password: 'p' }) });
    expect((await collect(one.fetchBlob(reference(), descriptor))).equals(blob)).toBe(true);
    expect(seen).toEqual([undefined]);
  });

  test.each(['file:///etc/passwd', 'ftp://x/y', 'gopher://x'])('refuses a redirect to %s', async (location) => {
    handle = (_request, response) => response.writeHead(302, { location }).end();
    await expect(collect(client().fetchBlob(reference(), descriptor))).rejects.toMatchObject({ code: 'REGISTRY_PROTOCOL' });
  });

  test('ends a loop of redirects', async () => {
    let count = 0;
    handle = (_request, response) => { count += 1; response.writeHead(302, { location: '/v2/again' }).end(); };
    await expect(collect(client().fetchBlob(reference(), descriptor))).rejects.toMatchObject({ code: 'REGISTRY_PROTOCOL' });
    expect(count).toBe(6);
  });

  test('goes on by Range where a connection was cut, as often as there is progress', async () => {
    const ranges: (string | undefined)[] = [];
    handle = (request, response) => {
      ranges.push(request.headers.range);
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const rest = blob.subarray(start);
      response.writeHead(start === 0 ? 200 : 206, { 'content-length': rest.length, ...(start === 0 ? {} : { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` }) });
      if (rest.length <= 30_000) response.end(rest);
      else response.write(rest.subarray(0, 30_000), () => response.destroy());
    };
    expect((await collect(client().fetchBlob(reference(), descriptor))).equals(blob)).toBe(true);
    expect(ranges.length).toBeGreaterThan(5);
    expect(ranges.slice(1).every((range) => range !== undefined)).toBe(true);
  });

  test('reads again from the beginning where a registry has no Range', async () => {
    let count = 0;
    handle = (_request, response) => {
      count += 1;
      response.writeHead(200, { 'content-length': blob.length });
      if (count > 1) response.end(blob);
      else response.write(blob.subarray(0, 1000), () => response.destroy());
    };
    expect((await collect(client().fetchBlob(reference(), descriptor))).equals(blob)).toBe(true);
  });

  test('refuses an answer that is another part than asked for', async () => {
    handle = (_request, response) => response.writeHead(206, { 'content-range': `bytes 0-10/${blob.length}` }).end(blob);
    await expect(collect(client().fetchBlob(reference(), descriptor, { offset: 5 }))).rejects.toMatchObject({ code: 'REGISTRY_PROTOCOL' });
  });

  test('notices content that is wrong, too long or too short', async () => {
    handle = (_request, response) => response.writeHead(200).end(Buffer.alloc(blob.length));
    await expect(collect(client().fetchBlob(reference(), descriptor))).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    handle = (_request, response) => response.writeHead(200).end(Buffer.concat([blob, blob]));
    await expect(collect(client().fetchBlob(reference(), descriptor))).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    handle = (_request, response) => response.writeHead(200, { 'content-length': 0 }).end();
    await expect(collect(client().fetchBlob(reference(), descriptor))).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  test('repeats what was refused in passing, and waits as long as the registry says', async () => {
    const waits: number[] = [];
    let count = 0;
    handle = (request, response) => {
      count += 1;
      if (count === 1) response.writeHead(503).end();
      else if (count === 2) response.writeHead(429, { 'retry-after': '7' }).end();
      else serveManifest(request, response);
    };
    await client({ retry: { delayMs: 1, sleep: async (ms) => { waits.push(ms); await Promise.resolve(); } } }).fetchManifest(reference());
    expect(waits).toHaveLength(2);
    expect(waits[1]).toBe(7000);
  });

  test('gives up after its attempts and says what the registry said', async () => {
    let count = 0;
    handle = (_request, response) => { count += 1; response.writeHead(503).end('{"errors":[{"code":"UNAVAILABLE","message":"come\\u001b[31m back"}]}'); };
    await expect(client({ retry: { attemptsMax: 3, delayMs: 1 } }).fetchManifest(reference())).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE', status: 503, registryMessage: 'come [31m back' });
    expect(count).toBe(3);
  });

  test('takes HTML, garbage and oversized manifests as errors', async () => {
    handle = (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
    await expect(client().fetchManifest(reference())).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
    handle = (_request, response) => response.writeHead(200, { 'content-type': MEDIA_TYPE.ociManifest }).end(Buffer.alloc(5 * 1024 * 1024, 0x20));
    await expect(client().fetchManifest(reference())).rejects.toMatchObject({ code: 'DOCUMENT_TOO_LARGE' });
    handle = (_request, response) => response.writeHead(404).end('<html>');
    await expect(client().fetchManifest(reference())).rejects.toMatchObject({ code: 'MANIFEST_UNKNOWN' });
  });

  test('gives up on a registry that stalls', async () => {
    handle = (_request, response) => { response.writeHead(200, { 'content-length': blob.length }).write(blob.subarray(0, 10)); };
    await expect(collect(client({ http: { bodyTimeoutMs: 50 }, retry: { attemptsMax: 1 } }).fetchBlob(reference(), descriptor))).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  });

  test('stops at once when it is aborted, with the reason given', async () => {
    handle = () => { /* never answers */ };
    const reason = new Error('enough');
    await expect(client().fetchManifest(reference(), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const pending = client().fetchManifest(reference(), { signal: controller.signal });
    server.once('request', () => { controller.abort(reason); });
    await expect(pending).rejects.toBe(reason);
  });

  test('lists tags over pages and follows no link to another host', async () => {
    handle = (request, response) => {
      const isFirst = request.url === '/v2/a/b/tags/list?n=2';
      response.writeHead(200, isFirst ? { link: '</v2/a/b/tags/list?n=2&last=b>; rel="next"' } : { link: '<http://evil.example/v2/x>; rel="next"' });
      response.end(JSON.stringify({ name: 'a/b', tags: isFirst ? ['a', 'b'] : ['c'] }));
    };
    expect(await Array.fromAsync(client().listTags(reference(), { pageSize: 2 }))).toEqual(['a', 'b', 'c']);
  });

  test('goes to the upstream registry when a mirror fails, and sends mirrors no credentials', async () => {
    const seen: string[] = [];
    const transport: Transport = {
      request: async (request) => {
        const { host } = new URL(request.url);
        seen.push(`${host} ${request.headers?.['authorization'] ?? 'none'}`);
        const isServing = host !== 'mirror.example' && request.headers?.['authorization'] !== undefined;
        return await Promise.resolve(answer(isServing ? 200 : 401, isServing ? { 'content-type': MEDIA_TYPE.ociManifest } : { 'www-authenticate': 'Basic realm="r"' }, isServing ? manifestBytes : Buffer.alloc(0)));
      },
      close: async () => { await Promise.resolve(); },
      [Symbol.asyncDispose]: async () => { await Promise.resolve(); },
    };
    const one = client({ mirrors: ['https://mirror.example'], transport, credentials: async () => await Promise.resolve({ kind: 'basic', username: 'u', password: 'p' }) });
    await one.fetchManifest(parseReference('busybox'));
    const basic = `Basic ${Buffer.from('u:p').toString('base64')}`;
    expect(seen).toEqual(['mirror.example none', 'registry-1.docker.io none', `registry-1.docker.io ${basic}`]);
  });
});

describe('dockerPullFailure()', () => {
  const failure = async (): Promise<string> => {
    try {
      await client({ retry: { attemptsMax: 1 } }).fetchManifest(reference());
      return '';
    } catch (error) {
      return dockerPullFailure(error, parseReference('x:y')).message;
    }
  };

  test.each([
    [404, { code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }, {}, 'manifest for x:y not found: manifest unknown: manifest unknown'],
    [404, { code: 'NAME_UNKNOWN', message: 'repository name not known to registry' }, {}, 'repository x not found: name unknown: repository name not known to registry'],
    [403, { code: 'DENIED', message: 'requested access to the resource is denied' }, {}, "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"],
  ])('words status %i, %j as docker does', async (status, fault, headers, message) => {
    handle = (_request, response) => response.writeHead(status, headers).end(JSON.stringify({ errors: [fault] }));
    expect(await failure()).toBe(message);
  });

  test('words a token that is not enough as denied, as docker does', async () => {
    handle = (request, response) => {
      if (request.url?.startsWith('/token') === true) response.end('{"token":"t"}');
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${hostOf(server)}/token",error="insufficient_scope"` }).end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    };
    expect(await failure()).toBe("pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied");
  });

  test('words a refused connection as docker does', async () => {
    const host = hostOf(other);
    await new Promise((resolve) => other.close(resolve));
    try {
      await client({ retry: { attemptsMax: 1 } }).fetchManifest(parseReference(`${host}/x`));
      expect.unreachable();
    } catch (error) {
      expect(dockerPullFailure(error, parseReference(`${host}/x`)).message).toBe(`Get "http://${host}/v2/": dial tcp ${host}: connect: connection refused`);
    }
    other.listen(0, '127.0.0.1');
  });
});
