import fs from 'node:fs';
import { type HttpApi, type ListenAddress, type Listener, type Logger, type TlsSettings, describeAddress, listen } from '@dray/engine-api';
import { EngineError, messageOf, systemCode } from './errors.ts';
import type { Host } from './hosts.ts';
import { groupId } from './process-files.ts';
import type { Settings, TlsFiles } from './settings.ts';

/** The first descriptor that systemd hands over. */
const LISTEN_FD_FIRST = 3;

/** Serves the API on all hosts of the settings, or on none. @throws EngineError, EngineApiError */
export async function listenAll(api: HttpApi, settings: Settings, logger: Logger): Promise<Listener[]> {
  const addresses = listenAddresses(settings, logger);
  const listeners: Listener[] = [];
  try {
    for (const address of addresses) listeners.push(await listen(api, address));
  } catch (error) {
    for (const listener of listeners) await listener.close();
    throw error;
  }
  for (const { address } of listeners) logger.info({}, `API listen on ${address.kind === 'unix' ? address.path : describeAddress(address).replace('tcp://', '')}`);
  return listeners;
}

/** Turns hosts into addresses: reads certificates, looks up the group, warns of open ports. @throws EngineError TLS, CONFIG */
export function listenAddresses(settings: Settings, logger: Logger): ListenAddress[] {
  const tls = settings.tls === undefined ? undefined : readTls(settings.tls);
  return settings.hosts.flatMap((host) => addressesOf(host, settings, tls, logger));
}

function addressesOf(host: Host, settings: Settings, tls: TlsSettings | undefined, logger: Logger): ListenAddress[] {
  switch (host.kind) {
    case 'unix': {
      const group = groupId(settings.group.name);
      if (group === undefined && settings.group.isRequired) throw new EngineError('invalid_argument', 'CONFIG', `can't create unix socket ${host.path}: group ${settings.group.name} not found`);
      if (group === undefined) logger.warn({}, `could not change group ${host.path} to ${settings.group.name}: group ${settings.group.name} not found`);
      return [{ kind: 'unix', path: host.path, ...group === undefined ? {} : { groupId: group } }];
    }
    case 'fd': return socketsOfSystemd(host.name);
    case 'tcp':
      if (tls === undefined) warnOfOpenPort(host, logger);
      else if (tls.clientAuthorities === undefined) logger.warn({ host: `tcp://${host.host}:${host.port}` }, 'Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has access to your network.');
      return [{ kind: 'tcp', host: host.host, port: host.port, ...tls === undefined ? {} : { tls } }];
  }
}

function warnOfOpenPort(host: { host: string; port: number }, logger: Logger): void {
  const where = `tcp://${host.host}:${host.port}`;
  logger.warn({ host: where }, 'Binding to IP address without --tlsverify is insecure and gives root access on this machine to everyone who has access to your network.');
  logger.warn({ host: where }, 'Binding to an IP address, even on localhost, can also give access to scripts run in a browser. Be safe out there!');
}

function readTls(files: TlsFiles): TlsSettings {
  const certificate = readTlsFile(files.certificate, 'X509 key pair');
  const key = readTlsFile(files.key, 'X509 key pair');
  if (files.authority === undefined) return { certificate, key };
  return { certificate, key, clientAuthorities: readTlsFile(files.authority, 'CA certificate') };
}

function readTlsFile(file: string, what: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    const reason = systemCode(error) === 'ENOENT' ? `open ${file}: no such file or directory` : messageOf(error);
    throw new EngineError('invalid_argument', 'TLS', `invalid TLS configuration: could not read ${what}: ${reason}${what === 'X509 key pair' ? '. Make sure the key is not encrypted' : ''}`);
  }
}

/** Sockets that systemd has opened; `fd://` takes all, `fd://3` one. */
function socketsOfSystemd(name: string): ListenAddress[] {
  const count = Number(process.env['LISTEN_PID']) === process.pid ? Number(process.env['LISTEN_FDS'] ?? '0') : 0;
  if (count === 0) throw new EngineError('failed_precondition', 'CONFIG', 'failed to load listeners: no sockets found via socket activation: make sure the service was started by systemd');
  const all = Array.from({ length: count }, (_, index): ListenAddress => ({ kind: 'fd', fd: LISTEN_FD_FIRST + index }));
  if (name === '' || name === '*') return all;
  const wanted = all.find((address) => address.kind === 'fd' && address.fd === Number(name));
  if (wanted === undefined) throw new EngineError('invalid_argument', 'CONFIG', `failed to load listeners: failed to find fd ${name}`);
  return [wanted];
}
