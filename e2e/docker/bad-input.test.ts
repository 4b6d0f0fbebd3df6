import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../support/command.ts';
import { repository } from '../support/engine.ts';
import { engineForFile, missing } from '../support/fixture.ts';

const drayd = path.join(repository, 'node_modules/.bin/drayd');

/** One request with any body, as no well-behaved client would send it. */
function request(socketPath: string, method: string, url: string, body = '', headers: Record<string, string> = {}): Promise<{ status: number; message: string; contentType: string }> {
  return new Promise((resolve, reject) => {
    http.request({ socketPath, method, path: url, headers: { 'Content-Type': 'application/json', ...headers }, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => {
        const parsed: unknown = text.startsWith('{') ? JSON.parse(text) : undefined;
        const message = typeof parsed === 'object' && parsed !== null && 'message' in parsed ? String(parsed.message) : text;
        resolve({ status: response.statusCode ?? 0, message, contentType: response.headers['content-type'] ?? '' });
      });
    }).on('error', reject).end(body);
  });
}

describe.skipIf(missing !== undefined)(`bad input${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const engine = engineForFile();
  const ask = (method: string, url: string, body?: string, headers?: Record<string, string>): ReturnType<typeof request> => request(engine.current.socket, method, url, body, headers);

  it.each([
    ['POST', '/v1.44/containers/create', '{', 400, /unexpected EOF|invalid JSON/],
    ['POST', '/v1.44/containers/create', '{"Image":"busybox"} trailing', 400, /unexpected content after JSON/],
    ['POST', '/v1.44/containers/create', '', 400, /EOF|config cannot be empty/],
    ['POST', '/v1.44/containers/create', '{"Image":7}', 400, /./],
    ['POST', '/v1.44/containers/create?name=bad/name', '{"Image":"busybox"}', 400, /Invalid container name \(bad\/name\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\]\+? are allowed/],
    ['POST', '/v1.44/containers/create', '{"Image":"absent"}', 404, /^No such image: absent:latest$/],
    ['POST', '/v1.44/containers/create', '{"Image":"busybox","HostConfig":{"Memory":1024}}', 400, /Minimum memory limit allowed is 6MB/],
    ['GET', '/v1.44/containers/nobody/json', '', 404, /^No such container: nobody$/],
    ['POST', '/v1.44/containers/nobody/start', '', 404, /^No such container: nobody$/],
    ['GET', '/v1.44/no/such/path', '', 404, /^page not found$/],
    ['DELETE', '/v1.44/containers/json', '', 404, /./],
    ['GET', '/v1.10/containers/json', '', 400, /client version 1\.10 is too old/],
    ['GET', '/v1.99/containers/json', '', 400, /client version 1\.99 is too new/],
    ['GET', '/v1.44/containers/json?filters=rubbish', '', 400, /./],
    ['GET', '/v1.44/containers/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D', '', 400, /invalid filter/],
    ['GET', '/v1.44/images/absent/json', '', 404, /No such image: absent/],
    ['GET', '/v1.44/networks/absent', '', 404, /network absent not found/],
    ['GET', '/v1.44/volumes/absent', '', 404, /no such volume/],
    ['POST', '/v1.44/swarm/leave', '', 503, /not part of a swarm/],
    ['GET', '/v1.44/services', '', 503, /not a swarm manager/],
  ])('%s %s with %j is answered with %i', async (method, url, body, status, message) => {
    const answer = await ask(method, url, body);
    expect(answer).toMatchObject({ status, contentType: 'application/json' });
    expect(answer.message).toMatch(message);
  });

  it('refuses a body that is no JSON by its type', async () => {
    expect((await ask('POST', '/v1.44/containers/create', 'x', { 'Content-Type': 'text/plain' })).status).toBe(400);
  });

  it('leaves no container behind after all that', async () => {
    expect(await engine.current.ok('ps', '-aq')).toBe('');
  });

  it('goes on after clients that break off in the middle of anything', async () => {
    for (const bytes of ['GET /v1.44/contai', 'POST /v1.44/containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"Image"', '\0\0\0garbage\r\n\r\n', 'GET /events HTTP/1.1\r\nHost: x\r\n\r\n']) {
      await new Promise<void>((resolve) => {
        const socket = net.connect(engine.current.socket, () => socket.write(bytes, () => setTimeout(() => socket.destroy(), 20)));
        socket.on('error', () => undefined).on('close', () => resolve());
      });
    }
    expect((await engine.current.get('/_ping')).status).toBe(200);
  });

  it('passes 127 and 126 on from exec as well', async () => {
    await engine.current.ok('run', '-d', '--name', 'box', 'busybox', 'sleep', '1000');
    expect((await engine.current.docker('exec', 'box', 'no-such-command')).code).toBe(127);
    expect((await engine.current.docker('exec', 'box', '/etc/not-executable')).code).toBe(126);
    expect((await engine.current.docker('exec', 'nobody', 'true')).stderr).toContain('No such container: nobody');
    await engine.current.ok('rm', '-f', 'box');
    expect((await engine.current.docker('exec', 'box', 'true')).code).toBe(1);
  });

  it('says which flag of the daemon is unknown', async () => {
    const finished = await run(drayd, ['--no-such-flag']);
    expect(finished.code).not.toBe(0);
    expect(finished.stderr).toContain('unknown flag: --no-such-flag');
  });

  it('says that the socket or the data root is in use, and disturbs nobody', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-second-'));
    const sameRoot = await run(drayd, ['--data-root', engine.current.dataRoot, '--exec-root', `${folder}/exec`, '--pidfile', `${folder}/pid`, '-H', `unix://${folder}/sock`]);
    expect(sameRoot.code).toBe(1);
    expect(sameRoot.stderr + sameRoot.stdout).toContain(engine.current.dataRoot);
    const sameSocket = await run(drayd, ['--data-root', `${folder}/data`, '--exec-root', `${folder}/exec`, '--pidfile', `${folder}/pid`, '-H', `unix://${engine.current.socket}`, '--bip', '10.211.250.1/24']);
    expect(sameSocket.code).toBe(1);
    expect(sameSocket.stderr + sameSocket.stdout).toMatch(/address already in use|in use/);
    fs.rmSync(folder, { recursive: true });
    expect((await engine.current.get('/_ping')).status).toBe(200);
  });

  it('refuses daemon.json files that make no sense', async () => {
    const file = path.join(engine.current.folder, 'daemon.json');
    for (const [content, message] of [['{', /unexpected|JSON/i], ['{"no-such-key": 1}', /don't match any configuration option: no-such-key/], ['{"debug": "yes"}', /debug/]] as const) {
      fs.writeFileSync(file, content);
      const finished = await run(drayd, ['--validate', '--config-file', file]);
      expect(finished.code).toBe(1);
      expect(finished.stderr + finished.stdout).toMatch(message);
    }
  });

  it('says in one line that root is needed', async () => {
    const finished = await run('setpriv', ['--reuid', '65534', '--clear-groups', process.execPath, '-e', `
      const { spawnSync } = require('node:child_process');
      const r = spawnSync(process.argv[1], ['--version'], { encoding: 'utf8' });
      process.stdout.write(String(r.status));`, drayd]);
    // Where the repository itself is out of an ordinary user's reach there is nothing to be seen.
    if (finished.code !== 0 || finished.stdout !== '0') return;
    const refused = await run('setpriv', ['--reuid', '65534', '--clear-groups', drayd, '-H', 'unix:///tmp/never.sock']);
    expect(refused.code).toBe(1);
    expect(refused.stderr + refused.stdout).toMatch(/root/);
  });

  it('runs by its own Node whatever the system\'s is, and says in one line when it is started by one that is too old', async () => {
    expect(await run(drayd, ['--version'], { env: { PATH: '/usr/bin:/bin' } })).toMatchObject({ code: 0, stderr: '' });
    const [major = 0] = execFileSync('/usr/bin/env', ['node', '-p', 'process.versions.node'], { encoding: 'utf8', env: { PATH: '/usr/bin:/bin:/usr/local/bin' } }).split('.').map(Number);
    if (major >= 24) return; // no older Node is at hand
    const refused = await run('/usr/bin/env', ['node', path.join(repository, 'packages/engine/bin/drayd.mjs'), '--version'], { env: { PATH: '/usr/bin:/bin:/usr/local/bin' } });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^drayd: needs Node 24\.11 or newer, this is [\d.]+\n$/) as string });
  });
});
