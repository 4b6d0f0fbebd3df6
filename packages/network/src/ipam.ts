import { type Cidr, addressToBigInt, bigIntToAddress, contains, formatCidr, networkOf, overlaps, parseCidr, rangeOf } from './address.ts';
import { NetworkError } from './errors.ts';

/** The address pools Docker takes new networks from: 172.17-31/16, then 192.168/16 in pieces of /20. */
export const DEFAULT_POOLS: readonly Cidr[] = [
  ...Array.from({ length: 15 }, (_, index) => ({ address: `172.${17 + index}.0.0`, prefixLength: 16 })),
  ...Array.from({ length: 16 }, (_, index) => ({ address: `192.168.${index * 16}.0`, prefixLength: 20 })),
];

/**
 * The first default pool that overlaps nothing in `taken` (other networks, routes of the host).
 *
 * @throws NetworkError `POOL_EXHAUSTED`
 */
export function choosePool(taken: readonly Cidr[], pools: readonly Cidr[] = DEFAULT_POOLS): Cidr {
  const pool = pools.find((candidate) => !taken.some((other) => overlaps(candidate, other)));
  if (!pool) throw new NetworkError('resource_exhausted', 'POOL_EXHAUSTED', 'could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network');
  return pool;
}

/** One subnet's addresses: which are taken, and the next that is free. Addresses are given out in turn, so that one just released rests a while. */
export class AddressPool {
  readonly subnet: Cidr;
  readonly #range: { first: bigint; last: bigint };
  readonly #taken = new Set<bigint>();
  #next: bigint;

  constructor(options: { subnet: Cidr; ipRange?: Cidr }) {
    this.subnet = networkOf(options.subnet);
    const whole = rangeOf(this.subnet);
    // The network's own address and, in IPv4, the broadcast address are nobody's.
    this.#taken.add(whole.first);
    if (!this.subnet.address.includes(':') && this.subnet.prefixLength < 31) this.#taken.add(whole.last);
    this.#range = rangeOf(options.ipRange ?? this.subnet);
    this.#next = this.#range.first;
  }

  /**
   * Takes one certain address.
   *
   * @throws NetworkError `INVALID_ADDRESS` outside the subnet, `ADDRESS_IN_USE` when taken.
   */
  take(address: string): string {
    if (!contains(this.subnet, address)) throw new NetworkError('invalid_argument', 'INVALID_ADDRESS', `no configured subnet contains IP address ${address}`);
    const number = addressToBigInt(address);
    if (this.#taken.has(number)) throw new NetworkError('permission_denied', 'ADDRESS_IN_USE', 'Address already in use');
    this.#taken.add(number);
    return bigIntToAddress(number, this.subnet.address);
  }

  /**
   * Takes the next free address.
   *
   * @throws NetworkError `POOL_EXHAUSTED`
   */
  takeNext(): string {
    const { first, last } = this.#range;
    const size = last - first + 1n;
    for (let step = 0n; step < size && step <= BigInt(this.#taken.size); step++) {
      const candidate = first + ((this.#next - first + step) % size);
      if (this.#taken.has(candidate)) continue;
      this.#taken.add(candidate);
      this.#next = candidate + 1n;
      return bigIntToAddress(candidate, this.subnet.address);
    }
    throw new NetworkError('resource_exhausted', 'POOL_EXHAUSTED', `no available IPv4 addresses on this network's address pools: ${formatCidr(this.subnet)}`);
  }

  /** Gives an address back. Giving back what is not taken changes nothing. */
  release(address: string): void {
    if (contains(this.subnet, address)) this.#taken.delete(addressToBigInt(address));
  }
}

/** The gateway of a new subnet: what was asked for, or the first host address. */
export function gatewayOf(subnet: Cidr, asked?: string): string {
  if (asked !== undefined) {
    const gateway = asked.includes('/') ? parseCidr(asked).address : asked;
    if (!contains(subnet, gateway)) throw new NetworkError('invalid_argument', 'INVALID_ADDRESS', `no matching subnet for gateway ${asked}`);
    return gateway;
  }
  return bigIntToAddress(rangeOf(subnet).first + 1n, subnet.address);
}
