import dgram from 'node:dgram';
import fs from 'node:fs';
import net from 'node:net';
import { NetworkError } from './errors.ts';
import type { PortRequest, PublishedPort } from './sandbox.ts';

/** A port held open, so that no other program of this machine takes it. */
interface Reservation { close(): void }

/**
 * Gives out host ports. A port given out is kept bound by this process: a second taker of it, here or in another program, fails before anything starts.
 * Packets never reach that socket, because the kernel has rewritten them before.
 */
export class PortAllocator implements Disposable {
  readonly #held = new Map<string, Reservation>();

  /**
   * Reserves a host port for a request, the first free of its range.
   *
   * @throws NetworkError `PORT_IN_USE`
   */
  async allocate(request: PortRequest): Promise<PublishedPort> {
    const hostIp = request.hostIp ?? '0.0.0.0';
    const candidates = request.hostPort === 0 ? [0] : range(request.hostPort, request.hostPortLast ?? request.hostPort);
    let failure: unknown;
    for (const port of candidates) {
      const key = keyOf(request.protocol, hostIp, port);
      if (port !== 0 && this.#isHeld(request.protocol, hostIp, port)) continue;
      try {
        const { reservation, hostPort } = await reserve(request.protocol, hostIp, port);
        this.#held.set(port === 0 ? keyOf(request.protocol, hostIp, hostPort) : key, reservation);
        return { containerPort: request.containerPort, protocol: request.protocol, hostIp, hostPort };
      } catch (error) {
        failure = error;
      }
    }
    if (failure === undefined) throw new NetworkError('conflict', 'PORT_IN_USE', `Bind for ${hostIp}:${request.hostPort} failed: port is already allocated`);
    const reason = failure instanceof Error && 'code' in failure && failure.code === 'EADDRINUSE' ? 'address already in use' : failure instanceof Error ? failure.message : 'unknown';
    throw new NetworkError('conflict', 'PORT_IN_USE', `failed to bind host port for ${hostIp}:${request.hostPort}:${request.containerPort}/${request.protocol}: ${reason}`, { cause: failure });
  }

  /** Gives a port back; one that is not held is free already. */
  release(port: PublishedPort): void {
    const key = keyOf(port.protocol, port.hostIp, port.hostPort);
    this.#held.get(key)?.close();
    this.#held.delete(key);
  }

  [Symbol.dispose](): void {
    for (const reservation of this.#held.values()) reservation.close();
    this.#held.clear();
  }

  /** A port on all addresses collides with one on a certain address, and the other way round. */
  #isHeld(protocol: string, hostIp: string, port: number): boolean {
    if (hostIp === '0.0.0.0') return [...this.#held.keys()].some((key) => key.startsWith(`${protocol} `) && key.endsWith(` ${port}`));
    return this.#held.has(keyOf(protocol, hostIp, port)) || this.#held.has(keyOf(protocol, '0.0.0.0', port));
  }
}

const keyOf = (protocol: string, hostIp: string, port: number): string => `${protocol} ${hostIp} ${port}`;
const range = (first: number, last: number): number[] => Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);

async function reserve(protocol: PortRequest['protocol'], host: string, port: number): Promise<{ reservation: Reservation; hostPort: number }> {
  if (protocol === 'tcp') {
    const server = net.createServer((socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen({ host, port, exclusive: true }, resolve));
    server.unref();
    const address = server.address();
    return { reservation: server, hostPort: typeof address === 'object' && address !== null ? address.port : port };
  }
  if (protocol === 'udp') {
    const socket = dgram.createSocket('udp4');
    await new Promise<void>((resolve, reject) => socket.once('error', reject).bind({ port, address: host, exclusive: true }, resolve));
    socket.unref();
    return { reservation: socket, hostPort: socket.address().port };
  }
  // Node has no SCTP sockets: the port is only kept apart within this daemon.
  return { reservation: { close: () => undefined }, hostPort: port === 0 ? ephemeralPort() : port };
}

function ephemeralPort(): number {
  const [first = 32768, last = 60999] = fs.readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
  return first + Math.floor(Math.random() * (last - first + 1));
}
