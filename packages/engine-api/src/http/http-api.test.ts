import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { notFound } from '../errors.ts';
import { silentLogger } from '../logger.ts';
import { HttpApi } from './http-api.ts';
import { type Listener, listen } from './listener.ts';
import type { Route } from './route.ts';

let folder: string;
let listener: Listener;
let aborted: Promise<void>;
const hijacked: Duplex[] = [];

async function echo(socket: Duplex, greeting = ''): Promise<void> {
  hijacked.push(socket);
  socket.write(greeting);
  for await (const chunk of socket) socket.write(chunk as Buffer);
  socket.end('|end of input');
}

const routes = (): Route[] => {
  let onAbort: () => void;
  aborted = new Promise((resolve) => (onAbort = resolve));
  return [
    ...HttpApi.pingRoutes(),
    { method: 'GET', path: '/version', handle: (context) => context.sendJson(200, { spoken: context.version.toString() }) },
    { method: 'GET', path: '/images/json', handle: (context) => context.sendJson(200, []) },
    { method: 'GET', path: '/images/{name}/json', handle: (context) => context.sendJson(200, context.params) },
    { method: 'GET', path: '/missing', handle: () => { throw notFound('No such thing: x'); } },
    { method: 'GET', path: '/broken', handle: () => { throw new Error('it broke'); } },
    { method: 'POST', path: '/json', handle: async (context) => context.sendJson(200, { got: await context.readJson() ?? null }) },
    { method: 'GET', path: '/events', handle: (context) => {
      const stream = context.startStream();
      context.signal.addEventListener('abort', () => onAbort());
      stream.write('{"first":1}\n');
    } },
    { method: 'POST', path: '/containers/{id}/attach', hijack: true, handle: async (context) => {
      if (context.params['id'] === 'gone') throw notFound('No such container: gone');
      await echo(await context.hijack({ stream: 'multiplexed' }));
    } },
    { method: 'POST', path: '/exec/{id}/start', hijack: true, handle: async (context) => {
      const body = await context.readJson();
      await new Promise(setImmediate); // a handler looks things up between body and hijack
      await echo(await context.hijack({ stream: 'raw' }), JSON.stringify(body));
    } },
  ];
};

beforeEach(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-http-'));
  const api = new HttpApi({ routes: routes(), version: '9.9', experimental: false, logger: silentLogger });
  listener = await listen(api, { kind: 'unix', path: path.join(folder, 'api.sock') });
});

afterEach(async () => {
  for (const socket of hijacked.splice(0)) socket.destroy();
  listener.destroy();
  await listener.close();
  fs.rmSync(folder, { recursive: true });
});

function connect(): net.Socket {
  return net.connect({ path: path.join(folder, 'api.sock'), allowHalfOpen: true });
}

/** Sends text, half-closes, and gives all that comes back. */
async function exchange(text: string): Promise<string> {
  const socket = connect();
  socket.end(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

async function readUntil(socket: net.Socket, wanted: string): Promise<string> {
  let text = '';
  while (!text.includes(wanted)) {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) await once(socket, 'readable');
    else text += chunk.toString();
  }
  return text;
}

function request(method: string, url: string, options: { headers?: Record<string, string>; body?: string } = {}): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = http.request({ socketPath: path.join(folder, 'api.sock'), method, path: url, headers: options.headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk.toString())).on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    outgoing.on('error', reject).end(options.body);
  });
}

describe('HttpApi', () => {
  it('answers a ping with and without a version, with the headers that clients negotiate by', async () => {
    for (const url of ['/_ping', '/v1.44/_ping']) {
      const answer = await request('GET', url);
      expect(answer).toMatchObject({ status: 200, body: 'OK', headers: { 'api-version': '1.51', 'ostype': 'linux', 'server': 'Docker/9.9 (linux)', 'docker-experimental': 'false', 'cache-control': 'no-cache, no-store, must-revalidate', 'pragma': 'no-cache', 'swarm': 'inactive', 'content-type': 'text/plain; charset=utf-8' } });
      expect(await request('HEAD', url)).toMatchObject({ status: 200, body: '', headers: { 'content-length': '0' } });
    }
  });

  it('refuses versions that are too old and too new in dockerd\'s words', async () => {
    expect(await request('GET', '/v1.10/version')).toMatchObject({ status: 400, body: '{"message":"client version 1.10 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"}\n' });
    expect(await request('GET', '/v1.99/version')).toMatchObject({ status: 400, body: '{"message":"client version 1.99 is too new. Maximum supported API version is 1.51"}\n' });
    expect((await request('GET', '/v1.30/version')).body).toBe('{"spoken":"1.30"}\n');
  });

  it('says page not found for unknown paths and for wrong methods, in exactly application/json', async () => {
    for (const [method, url] of [['GET', '/nothing'], ['POST', '/version'], ['DELETE', '/v1.40/version'], ['GET', '/v1.10/nothing']] as const) {
      expect(await request(method, url)).toMatchObject({ status: 404, headers: { 'content-type': 'application/json' }, body: '{"message":"page not found"}\n' });
    }
    expect(await request('OPTIONS', '/anything')).toMatchObject({ status: 200, body: '' });
  });

  it('routes image names that hold slashes, colons and percent signs', async () => {
    expect((await request('GET', '/images/localhost:5000/a/b:tag/json')).body).toBe('{"name":"localhost:5000/a/b:tag"}\n');
    expect((await request('GET', '/images/a%2Fb/json')).body).toBe('{"name":"a/b"}\n');
    expect((await request('GET', '/images/json')).body).toBe('[]\n');
    expect((await request('GET', '/images/%zz/json')).status).toBe(400);
  });

  it('turns what a handler throws into the status of its kind', async () => {
    expect(await request('GET', '/missing')).toMatchObject({ status: 404, body: '{"message":"No such thing: x"}\n' });
    expect(await request('GET', '/broken')).toMatchObject({ status: 500, body: '{"message":"it broke"}\n' });
  });

  it('reads JSON bodies by Docker\'s rules', async () => {
    const json = { 'Content-Type': 'application/json' };
    expect((await request('POST', '/json')).body).toBe('{"got":null}\n');
    expect((await request('POST', '/json', { headers: json, body: '{"a":1}' })).body).toBe('{"got":{"a":1}}\n');
    expect(await request('POST', '/json', { headers: { 'Content-Type': 'text/plain' }, body: '{}' })).toMatchObject({ status: 400, body: '{"message":"unsupported Content-Type header (text/plain): must be \'application/json\'"}\n' });
    expect(await request('POST', '/json', { headers: json, body: '{"a":1} {"b":2}' })).toMatchObject({ status: 400, body: '{"message":"unexpected content after JSON"}\n' });
    expect(await request('POST', '/json', { headers: json, body: '   ' })).toMatchObject({ status: 400, body: '{"message":"invalid JSON: got EOF while reading request body"}\n' });
    expect((await request('POST', '/json', { headers: json, body: '{"a":' })).body).toMatch(/^\{"message":"invalid JSON: /);
  });

  it('takes request headers of half a mebibyte', async () => {
    expect((await request('GET', '/version', { headers: { 'X-Registry-Config': 'x'.repeat(512 * 1024) } })).status).toBe(200);
  });

  it('answers rubbish with 400 and closes', async () => {
    expect(await exchange('rubbish\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n.*400 Bad Request$/s);
  });

  it('sends a stream\'s headers and first line at once, and notices when the client leaves', async () => {
    const socket = connect();
    socket.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await readUntil(socket, '{"first":1}')).toContain('200 OK');
    socket.destroy();
    await aborted;
  });

  it('keeps a connection for the next request', async () => {
    const socket = connect();
    socket.write('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
    await readUntil(socket, 'OK');
    socket.write('GET /version HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await readUntil(socket, 'spoken')).toContain('200 OK');
    socket.destroy();
  });
});

describe('hijacked connections', () => {
  const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n';

  it('upgrade with 101 and carry bytes that were sent before the answer', async () => {
    const answer = await exchange(`POST /v1.44/containers/a/attach HTTP/1.1\r\n${upgrade}\r\nearly`);
    expect(answer).toMatch(/^HTTP\/1\.1 101 UPGRADED\r\n/);
    expect(answer).toContain('Content-Type: application/vnd.docker.multiplexed-stream\r\n');
    expect(answer).toMatch(/\r\n\r\nearly\|end of input$/);
  });

  it('name the raw stream to clients older than 1.42', async () => {
    expect(await exchange(`POST /v1.41/containers/a/attach HTTP/1.1\r\n${upgrade}\r\n`)).toContain('application/vnd.docker.raw-stream');
  });

  it('go on writing after the client has closed its half', async () => {
    const socket = connect();
    socket.write(`POST /containers/a/attach HTTP/1.1\r\n${upgrade}\r\n`);
    await readUntil(socket, '\r\n\r\n');
    socket.end('last words');
    expect(await readUntil(socket, 'end of input')).toBe('last words|end of input');
  });

  it('read the JSON body of an upgrade request first, whether counted or chunked, however it is cut', async () => {
    const body = '{"Detach":false}';
    const counted = `POST /exec/a/start HTTP/1.1\r\n${upgrade}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}stdin`;
    const chunked = `POST /exec/a/start HTTP/1.1\r\n${upgrade}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16)}\r\n${body.slice(5)}\r\n0\r\n\r\nstdin`;
    for (const text of [counted, chunked]) {
      expect(await exchange(text)).toMatch(/\{"Detach":false\}stdin\|end of input$/);
      const socket = connect();
      for (const at of [0, 1, 2, 3]) {
        const quarter = Math.ceil(text.length / 4);
        socket.write(text.slice(at * quarter, (at + 1) * quarter));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      socket.end();
      expect(await readUntil(socket, 'end of input')).toMatch(/\{"Detach":false\}stdin\|end of input$/);
    }
  });

  it('answer an error as JSON where the handler refuses before the upgrade', async () => {
    const answer = await exchange(`POST /containers/gone/attach HTTP/1.1\r\n${upgrade}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(answer).toMatch(/\{"message":"No such container: gone"\}\n$/);
  });

  it('leave an Upgrade header on other routes without effect', async () => {
    expect(await exchange(`GET /version HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it('work without an upgrade, with bytes in the same packet as the body and in later ones', async () => {
    const body = '{"Detach":false}';
    const socket = connect();
    socket.write(`POST /exec/a/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}early `);
    socket.write('and more ');
    const greeting = await readUntil(socket, body);
    expect(greeting).toMatch(/^HTTP\/1\.1 200 OK\r\nContent-Type: application\/vnd\.docker\.raw-stream\r\n\r\n/);
    socket.end('GET /later HTTP/1.1\r\n\r\n');
    const rest = greeting.slice(greeting.indexOf(body) + body.length) + await readUntil(socket, 'end of input');
    expect(rest).toBe('early and more GET /later HTTP/1.1\r\n\r\n|end of input');
  });

  it('work without an upgrade and without a body', async () => {
    const socket = connect();
    socket.write('POST /containers/a/attach HTTP/1.1\r\nHost: x\r\n\r\n');
    await readUntil(socket, '\r\n\r\n');
    socket.write('hello');
    expect(await readUntil(socket, 'hello')).toBe('hello');
    socket.end();
    expect(await readUntil(socket, 'end of input')).toBe('|end of input');
  });
});

describe('a hijacked connection whose input nobody reads', () => {
  it('is closed once the output has ended and the client is gone', async () => {
    const api = new HttpApi({ routes: [{ method: 'POST', path: '/deaf', hijack: true, handle: async (context) => {
      const socket = await context.hijack({ stream: 'raw' });
      hijacked.push(socket);
      socket.end('no thanks');
    } }], version: '1', experimental: false, logger: silentLogger });
    await using other = await listen(api, { kind: 'unix', path: path.join(folder, 'deaf.sock') });
    const socket = net.connect({ path: path.join(folder, 'deaf.sock'), allowHalfOpen: true });
    socket.write('POST /deaf HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    socket.write(Buffer.alloc(300_000));
    await readUntil(socket, 'no thanks');
    socket.destroy();
    await other.close(); // would wait for the connection for ever
    expect(hijacked.at(-1)?.destroyed).toBe(true);
  });
});

describe('listen()', () => {
  it('makes a unix socket that only its owner and group may use', () => {
    expect(fs.statSync(path.join(folder, 'api.sock')).mode & 0o777).toBe(0o660);
  });

  it('refuses a socket that another daemon listens on, and replaces one that nobody does', async () => {
    const api = new HttpApi({ routes: [], version: '1', experimental: false, logger: silentLogger });
    const socket = path.join(folder, 'api.sock');
    await expect(listen(api, { kind: 'unix', path: socket })).rejects.toThrow(`can't create unix socket ${socket}: address already in use`);
    expect((await request('GET', '/_ping')).status).toBe(200);
    const stale = path.join(folder, 'stale.sock');
    fs.writeFileSync(stale, '');
    await using other = await listen(api, { kind: 'unix', path: stale });
    expect(other.port).toBeUndefined();
  });

  it('names the address that is in use', async () => {
    const api = new HttpApi({ routes: [], version: '1', experimental: false, logger: silentLogger });
    await using first = await listen(api, { kind: 'tcp', host: '127.0.0.1', port: 0 });
    await expect(listen(api, { kind: 'tcp', host: '127.0.0.1', port: first.port ?? 0 })).rejects.toThrow(/bind: address already in use/);
  });
});
