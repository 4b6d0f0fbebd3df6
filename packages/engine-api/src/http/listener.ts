import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { EngineApiError, messageOf } from '../errors.ts';
import type { HttpApi } from './http-api.ts';

/** Certificates for a listener. */
export interface TlsSettings {
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
  /** Where given, clients must show a certificate that these authorities signed. */
  readonly clientAuthorities?: string | Buffer;
}

/** Where to listen. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string; readonly groupId?: number }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly tls?: TlsSettings }
  | { readonly kind: 'fd'; readonly fd: number };

/** An address that is served. */
export interface Listener extends AsyncDisposable {
  readonly address: ListenAddress;
  /** The port that was taken, of a tcp listener. */
  readonly port: number | undefined;
  /** Stops listening and ends idle connections; those with a request go on. */
  close(): Promise<void>;
  /** Ends every connection. */
  destroy(): void;
}

const TLS_HANDSHAKE_TIMEOUT_MS = 60_000;
const TLS_RECORD_HANDSHAKE = 0x16;

/** Serves the API on an address. @throws EngineApiError where the address cannot be listened on */
export async function listen(api: HttpApi, address: ListenAddress): Promise<Listener> {
  const server = address.kind === 'tcp' && address.tls !== undefined ? tlsServer(api, address.tls) : http.createServer(api.serverOptions());
  api.serve(server);
  const connections = trackConnections(server);
  if (address.kind === 'unix') await listenOnUnixSocket(server, address);
  else await bind(server, address.kind === 'fd' ? { fd: address.fd } as net.ListenOptions : { host: address.host, port: address.port }, describe(address));
  const bound = server.address();
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => closing ??= new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  return {
    address,
    port: typeof bound === 'object' && bound !== null && 'port' in bound ? bound.port : undefined,
    close,
    destroy: () => {
      for (const connection of connections) connection.destroy();
    },
    [Symbol.asyncDispose]: close,
  };
}

/** The connections that are open, those that were taken over by a handler included. */
function trackConnections(server: http.Server): Set<net.Socket> {
  const connections = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  return connections;
}

/** An address as users write it. */
export function describe(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix://${address.path}`;
  return address.kind === 'fd' ? `fd://${address.fd}` : `tcp://${address.host}:${address.port}`;
}

function tlsServer(api: HttpApi, tls: TlsSettings): https.Server {
  const server = https.createServer({
    ...api.serverOptions(),
    cert: tls.certificate,
    key: tls.key,
    ...tls.clientAuthorities === undefined ? {} : { ca: tls.clientAuthorities, requestCert: true, rejectUnauthorized: true },
    minVersion: 'TLSv1.2',
    handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS,
    ALPNProtocols: ['http/1.1'],
  });
  answerPlainHttp(server);
  return server;
}

/** Lets plain HTTP on a TLS port know what is wrong, as Go's servers do. */
function answerPlainHttp(server: https.Server): void {
  const startTls = server.listeners('connection') as ((socket: net.Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: net.Socket) => {
    const giveUp = (): void => void socket.destroy();
    socket.on('error', giveUp).setTimeout(TLS_HANDSHAKE_TIMEOUT_MS, giveUp);
    socket.once('data', (first: Buffer) => {
      socket.pause();
      socket.setTimeout(0).off('timeout', giveUp);
      if (first[0] !== TLS_RECORD_HANDSHAKE && /^[A-Z]+ /.test(first.toString('latin1', 0, 16))) {
        socket.end('HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n');
        return;
      }
      socket.off('error', giveUp);
      socket.unshift(first);
      for (const start of startTls) start.call(server, socket);
    });
  });
}

async function listenOnUnixSocket(server: http.Server, address: { path: string; groupId?: number }): Promise<void> {
  if (fs.existsSync(address.path)) {
    if (await isListening(address.path)) throw cannotListen(`unix://${address.path}`, `can't create unix socket ${address.path}: address already in use`);
    fs.rmSync(address.path);
  }
  fs.mkdirSync(parentOf(address.path), { recursive: true });
  const mask = process.umask(0o117);
  try {
    await bind(server, { path: address.path }, `unix://${address.path}`);
  } finally {
    process.umask(mask);
  }
  if (address.groupId !== undefined) fs.chownSync(address.path, 0, address.groupId);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function bind(server: http.Server, options: net.ListenOptions, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error & { code?: string }): void => {
      reject(cannotListen(name, error.code === 'EADDRINUSE' ? `listen ${name}: bind: address already in use` : `listen ${name}: ${messageOf(error)}`));
    };
    server.once('error', onError);
    server.listen(options, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

function cannotListen(address: string, reason: string): EngineApiError {
  return new EngineApiError('failed_precondition', 'CANNOT_LISTEN', `failed to load listeners: ${reason || address}`);
}
