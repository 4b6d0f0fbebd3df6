import fs from 'node:fs';
import { getSystemErrorMap } from 'node:util';
import { socketInNetns } from '@dray/libcontainer';
import { NetworkError } from '../errors.ts';
import { decodeMessages, encodeMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, type NetlinkMessage, type NetlinkRequest } from './message.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

/** The kernel never sends a larger datagram: dumps come in pieces of at most 32 KiB. */
const RECEIVE_BYTES = 64 * 1024;

/**
 * A netlink socket of this or another network namespace. The kernel answers a request while it is being sent, so that calls are short and
 * synchronous: what is read has been queued already.
 */
export class NetlinkSocket implements Disposable {
  readonly #buffer = Buffer.alloc(RECEIVE_BYTES);
  #fd: number;
  #sequence = 1;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Opens a socket in the network namespace at `netnsPath`, or in the caller's own. */
  static open(protocol: number, netnsPath = '/proc/self/ns/net'): NetlinkSocket {
    return new NetlinkSocket(socketInNetns({ family: AF_NETLINK, type: SOCK_RAW, protocol, netnsPath }));
  }

  /**
   * Sends requests in one datagram; the kernel carries them out in order, each on its own.
   *
   * @throws NetworkError `NETLINK` with the `errno` of the first that failed, naming `what`; later ones have been tried all the same.
   */
  send(what: string, ...requests: NetlinkRequest[]): void {
    const first = this.#sequence;
    const datagram = Buffer.concat(requests.map((request) => encodeMessage({ ...request, flags: request.flags | NLM_F_REQUEST | NLM_F_ACK }, this.#sequence++)));
    fs.writeSync(this.#fd, datagram);
    const awaited = new Set(requests.map((_, index) => first + index));
    let failure: NetworkError | undefined;
    while (awaited.size > 0) {
      for (const message of this.#receive()) {
        if (message.type !== NLMSG_ERROR || !awaited.delete(message.sequence)) continue;
        failure ??= errorOf(message, what);
      }
    }
    if (failure) throw failure;
  }

  /**
   * Sends a batch (nftables): the messages between begin and end are one transaction. Only failures are answered, besides the acknowledgement that
   * `request.flags` ask for.
   */
  sendBatch(what: string, begin: NetlinkRequest, requests: readonly NetlinkRequest[], end: NetlinkRequest): void {
    const last = requests.length - 1;
    const all = [begin, ...requests.map((request, index) => (index === last ? { ...request, flags: request.flags | NLM_F_ACK } : request)), end];
    const sequences = all.map(() => this.#sequence++);
    fs.writeSync(this.#fd, Buffer.concat(all.map((request, index) => encodeMessage({ ...request, flags: request.flags | NLM_F_REQUEST }, sequences[index] ?? 0))));
    const acknowledged = sequences[last + 1];
    let failure: NetworkError | undefined;
    for (let done = false; !done;) {
      for (const message of this.#receive()) {
        if (message.type !== NLMSG_ERROR || !sequences.includes(message.sequence)) continue;
        failure ??= errorOf(message, what);
        done ||= message.sequence === acknowledged || failure !== undefined;
      }
    }
    if (failure) throw failure;
  }

  /** All messages the kernel answers to a dump request. */
  dump(what: string, request: NetlinkRequest): NetlinkMessage[] {
    const sequence = this.#sequence++;
    fs.writeSync(this.#fd, encodeMessage({ ...request, flags: request.flags | NLM_F_REQUEST | NLM_F_DUMP }, sequence));
    return this.#collect(what, sequence);
  }

  /** The one message the kernel answers to a request for one object. */
  request(what: string, request: NetlinkRequest): NetlinkMessage | undefined {
    const sequence = this.#sequence++;
    fs.writeSync(this.#fd, encodeMessage({ ...request, flags: request.flags | NLM_F_REQUEST | NLM_F_ACK }, sequence));
    return this.#collect(what, sequence)[0];
  }

  #collect(what: string, sequence: number): NetlinkMessage[] {
    const collected: NetlinkMessage[] = [];
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type === NLMSG_DONE) return collected;
        if (message.type === NLMSG_ERROR) {
          const failure = errorOf(message, what);
          if (failure) throw failure;
          return collected;
        }
        // The payload is copied: the receive buffer is used again.
        collected.push({ ...message, payload: Buffer.from(message.payload) });
      }
    }
  }

  #receive(): NetlinkMessage[] {
    return decodeMessages(this.#buffer.subarray(0, fs.readSync(this.#fd, this.#buffer)));
  }

  [Symbol.dispose](): void {
    if (this.#fd < 0) return;
    fs.closeSync(this.#fd);
    this.#fd = -1;
  }
}

function errorOf(message: NetlinkMessage, what: string): NetworkError | undefined {
  const errno = -message.payload.readInt32LE(0);
  if (errno === 0) return undefined;
  const [name, description] = getSystemErrorMap().get(-errno) ?? [String(errno), 'unknown error'];
  const kind = name === 'EEXIST' ? 'already_exists' : name === 'ENOENT' || name === 'ENODEV' || name === 'ESRCH' ? 'not_found' : name === 'EPERM' ? 'permission_denied' : 'internal';
  return new NetworkError(kind, 'NETLINK', `cannot ${what}: ${description}`, { errno });
}
