import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openLoggerOutput } from './output-source.ts';
import { StreamSession, type SessionOptions } from './stream-session.ts';

let folder = '';
let client: Socket;
let daemonSide: Socket;
let servers: Server[] = [];

async function serve(name: string): Promise<{ path: string; accepted: Promise<Socket> }> {
  const path = join(folder, name);
  const server = createServer({ allowHalfOpen: true }).listen(path);
  servers.push(server);
  await once(server, 'listening');
  return { path, accepted: once(server, 'connection').then(([socket]) => socket as Socket) };
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dray-session-'));
  servers = [];
  const { path, accepted } = await serve('client');
  client = connect({ path, allowHalfOpen: true });
  daemonSide = await accepted;
});
afterEach(async () => {
  client.destroy();
  daemonSide.destroy();
  for (const server of servers) server.close();
  await rm(folder, { recursive: true });
});

/** A logger that has answered the greeting. */
async function logger(): Promise<{ path: string; greeted: Promise<{ socket: Socket; hello: Buffer }> }> {
  const { path, accepted } = await serve('attach');
  const greeted = accepted.then(async (socket) => {
    const [hello] = (await once(socket, 'data')) as [Buffer];
    socket.write('K');
    return { socket, hello };
  });
  return { path, greeted };
}

const base: SessionOptions = { output: { stdout: true, stderr: true, isFramed: true }, hasStdin: false, closesStdin: true, detachKeys: undefined };
const hasFifos = existsSync('/usr/bin/mkfifo') || existsSync('/bin/mkfifo');

async function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function fifo(): string {
  const path = join(folder, 'stdin');
  execFileSync('mkfifo', [path]);
  return path;
}

describe('StreamSession', () => {
  it('says what it wants, passes output on and closes the client after the last byte', async () => {
    const { path, greeted } = await logger();
    const session = new StreamSession(daemonSide, base);
    const connecting = session.connect({ openOutput: (selection) => openLoggerOutput(path, selection), stdinFifo: undefined, started: Promise.resolve(), closeStdin: () => Promise.resolve() });
    const { socket, hello } = await greeted;
    await connecting;
    expect(hello.toString('latin1')).toBe('DRAYATT1\x03\x01\0\0\0\0\0\0');
    const all = received(client);
    socket.write('first ');
    socket.end('last');
    expect(await all).toBe('first last');
    expect(await session.ended).toBe('output-ended');
  });

  it('closes the client only after what was asked for before the end', async () => {
    const { path, greeted } = await logger();
    const gate = Promise.withResolvers<undefined>();
    const session = new StreamSession(daemonSide, { ...base, beforeEnd: () => gate.promise });
    await Promise.all([session.connect({ openOutput: (selection) => openLoggerOutput(path, selection), stdinFifo: undefined, started: Promise.resolve(), closeStdin: () => Promise.resolve() }), greeted]);
    let hasEnded = false;
    client.on('end', () => { hasEnded = true; }).resume();
    (await greeted).socket.end();
    await new Promise((resolve) => { setImmediate(resolve); });
    expect(hasEnded).toBe(false);
    gate.resolve(undefined);
    await session.ended;
    await once(client, 'end');
  });

  it('rejects an attach socket that is no logger', async () => {
    const { path, accepted } = await serve('attach');
    void accepted.then((socket) => socket.end('X'));
    await expect(openLoggerOutput(path, { stdout: true, stderr: true, isFramed: false })).rejects.toMatchObject({ kind: 'unavailable', code: 'ATTACH_FAILED' });
    await expect(openLoggerOutput(join(folder, 'none'), { stdout: true, stderr: true, isFramed: false })).rejects.toMatchObject({ code: 'ATTACH_FAILED' });
  });

  it.skipIf(!hasFifos)('writes all input before it tells the end of it, and not before the process runs', async () => {
    const path = fifo();
    const reader = await open(path, 'r+');
    const started = Promise.withResolvers<undefined>();
    const told = Promise.withResolvers<undefined>();
    let isTold = false;
    const session = new StreamSession(daemonSide, { ...base, output: undefined, hasStdin: true });
    await session.connect({ openOutput: () => Promise.reject(new Error('unused')), stdinFifo: path, started: started.promise, closeStdin: () => { isTold = true; told.resolve(undefined); return Promise.resolve(); } });
    client.end('input');
    const { bytesRead, buffer } = await reader.read(Buffer.alloc(16));
    expect(buffer.subarray(0, bytesRead).toString()).toBe('input');
    expect(isTold).toBe(false);
    started.resolve(undefined);
    await told.promise;
    await reader.close();
    session.processGone();
    expect(await session.ended).toBe('process-gone');
  });

  it.skipIf(!hasFifos)('reads from a client that was paused before', async () => {
    const path = fifo();
    const reader = await open(path, 'r+');
    daemonSide.pause();
    const session = new StreamSession(daemonSide, { ...base, output: undefined, hasStdin: true });
    await session.connect({ openOutput: () => Promise.reject(new Error('unused')), stdinFifo: path, started: Promise.resolve(), closeStdin: () => Promise.resolve() });
    client.write('x');
    expect((await reader.read(Buffer.alloc(4))).bytesRead).toBe(1);
    await reader.close();
    session.processGone();
  });

  it.skipIf(!hasFifos)('ends on the detach keys and keeps them from the process', async () => {
    const path = fifo();
    const reader = await open(path, 'r+');
    const session = new StreamSession(daemonSide, { ...base, output: undefined, hasStdin: true, closesStdin: false, detachKeys: Buffer.of(16, 17) });
    await session.connect({ openOutput: () => Promise.reject(new Error('unused')), stdinFifo: path, started: Promise.resolve(), closeStdin: () => Promise.reject(new Error('must not be told')) });
    client.write('ab\x10\x11');
    expect(await session.ended).toBe('detached');
    const { bytesRead, buffer } = await reader.read(Buffer.alloc(16));
    expect(buffer.subarray(0, bytesRead).toString()).toBe('ab');
    await reader.close();
  });

  it('tells a failure in a frame and ends', async () => {
    const session = new StreamSession(daemonSide, base);
    const all = received(client);
    session.fail('no\r\n', true);
    expect(await all).toBe('\x01\0\0\0\0\0\0\x04no\r\n');
    expect(await session.ended).toBe('process-gone');
  });

  it('notices a client that goes away', async () => {
    const session = new StreamSession(daemonSide, base);
    client.destroy();
    daemonSide.resume();
    daemonSide.once('end', () => daemonSide.destroy());
    expect(await session.ended).toBe('client-gone');
  });
});
