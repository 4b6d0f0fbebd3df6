import net from 'node:net';
import { NetworkError } from './errors.ts';

/** An address with the length of its network's prefix, `10.0.0.5/24`. */
export interface Cidr { readonly address: string; readonly prefixLength: number }

const AF_INET = 2;
const AF_INET6 = 10;

/**
 * Parses `address/length`.
 *
 * @throws NetworkError `INVALID_ADDRESS`
 */
export function parseCidr(value: string): Cidr {
  const match = /^([0-9a-fA-F:.]+)\/(\d{1,3})$/.exec(value);
  const address = match?.[1] ?? '';
  const family = net.isIP(address);
  const prefixLength = Number(match?.[2]);
  if (!match || family === 0 || prefixLength > (family === 4 ? 32 : 128)) throw new NetworkError('invalid_argument', 'INVALID_ADDRESS', `invalid CIDR address: ${value}`);
  return { address: formatAddress(addressBytes(address)), prefixLength };
}

/** `address/length` */
export const formatCidr = (cidr: Cidr): string => `${cidr.address}/${cidr.prefixLength}`;

/** The kernel's number for the address family. */
export const addressFamily = (address: string): number => (net.isIPv4(address) ? AF_INET : AF_INET6);

/**
 * An address as 4 or 16 bytes in network order.
 *
 * @throws NetworkError `INVALID_ADDRESS`
 */
export function addressBytes(address: string): Buffer {
  if (net.isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  if (!net.isIPv6(address) || address.includes('%')) throw new NetworkError('invalid_argument', 'INVALID_ADDRESS', `invalid IP address: ${address}`);
  const tail = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const plain = tail ? `${tail[1] ?? ''}${addressBytes(tail[2] ?? '').toString('hex').replace(/^(.{4})/, '$1:')}` : address;
  const [before = '', after] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const head = groups(before);
  const rest = after === undefined ? [] : groups(after);
  const middle = after === undefined ? [] : Array.from({ length: 8 - head.length - rest.length }, () => '0');
  return Buffer.from([...head, ...middle, ...rest].map((group) => group.padStart(4, '0')).join(''), 'hex');
}

/** 4 or 16 bytes as an address in its canonical text (RFC 5952). */
export function formatAddress(value: Uint8Array): string {
  if (value.length === 4) return value.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((value[index * 2] ?? 0) << 8) | (value[index * 2 + 1] ?? 0));
  const zeros = longestZeroRun(groups);
  const hex = (from: number, to: number): string => groups.slice(from, to).map((group) => group.toString(16)).join(':');
  return zeros.length < 2 ? hex(0, 8) : `${hex(0, zeros.start)}::${hex(zeros.start + zeros.length, 8)}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}

/** An address as a number, for arithmetic. */
export const addressToBigInt = (address: string): bigint => BigInt(`0x${addressBytes(address).toString('hex')}`);

/** The address that a number stands for, in the family of `like`. */
export function bigIntToAddress(value: bigint, like: string): string {
  const digits = net.isIPv4(like) ? 8 : 32;
  return formatAddress(Buffer.from(value.toString(16).padStart(digits, '0'), 'hex'));
}

/** The first and the last address of a network. */
export function rangeOf(cidr: Cidr): { first: bigint; last: bigint } {
  const bits = net.isIPv4(cidr.address) ? 32 : 128;
  const size = 1n << BigInt(bits - cidr.prefixLength);
  const first = (addressToBigInt(cidr.address) / size) * size;
  return { first, last: first + size - 1n };
}

/** The network that an address belongs to: its host bits cleared. */
export const networkOf = (cidr: Cidr): Cidr => ({ address: bigIntToAddress(rangeOf(cidr).first, cidr.address), prefixLength: cidr.prefixLength });

/** Whether two networks share an address. */
export function overlaps(a: Cidr, b: Cidr): boolean {
  if (addressFamily(a.address) !== addressFamily(b.address)) return false;
  const [x, y] = [rangeOf(a), rangeOf(b)];
  return x.first <= y.last && y.first <= x.last;
}

/** Whether `address` lies in `network`. */
export function contains(network: Cidr, address: string): boolean {
  return overlaps(network, { address, prefixLength: net.isIPv4(address) ? 32 : 128 });
}
