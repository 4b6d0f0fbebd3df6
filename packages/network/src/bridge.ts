import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { addressBytes, formatCidr, type Cidr } from './address.ts';
import { addAddress, createBridge, createVeth, deleteLink, findLink, listAddresses, setUp, addDefaultRoute } from './netlink/link.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './netlink/socket.ts';

/** A MAC address for an IPv4 address, as Docker makes them: 02:42 and the address. The same address always gets the same MAC, so neighbours' caches stay right. */
export function macForAddress(ipv4: string): string {
  return [0x02, 0x42, ...addressBytes(ipv4)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Makes sure the bridge exists, is up and has the gateway's address; returns its index. What is there already is kept. */
export function ensureBridge(socket: NetlinkSocket, options: { name: string; gateway: Cidr; mtu?: number }): number {
  if (!findLink(socket, options.name)) createBridge(socket, options.name, macForAddress(options.gateway.address), options.mtu);
  const index = findLink(socket, options.name)?.index ?? 0;
  const has = listAddresses(socket).some((entry) => entry.index === index && formatCidr(entry.address) === formatCidr(options.gateway));
  socket.send(`set bridge "${options.name}" up`, setUp(index), ...(has ? [] : [addAddress(index, options.gateway)]));
  prepareForwarding(options.name);
  return index;
}

/** Removes a bridge; one that is gone is removed already. */
export function removeBridge(socket: NetlinkSocket, name: string): void {
  const link = findLink(socket, name);
  if (link) deleteLink(socket, link.index);
}

/** What it takes to attach a namespace to a bridge. */
export interface AttachOptions {
  readonly bridgeIndex: number;
  readonly hostName: string;
  readonly namespacePath: string;
  readonly interfaceName: string;
  readonly mac: string;
  readonly address: Cidr;
  /** Undefined on internal networks and where another endpoint has the default route. */
  readonly defaultGateway?: string;
  readonly mtu?: number;
}

/** Connects a namespace with a bridge by a veth pair and gives it its address and default route. */
export function attachNamespace(socket: NetlinkSocket, options: AttachOptions): void {
  const fd = fs.openSync(options.namespacePath, 'r');
  try {
    createVeth(socket, {
      name: options.hostName, master: options.bridgeIndex, peerNetnsFd: fd, peerName: options.interfaceName, peerMac: options.mac,
      ...(options.mtu !== undefined && { mtu: options.mtu }),
    });
  } finally {
    fs.closeSync(fd);
  }
  using inside = NetlinkSocket.open(NETLINK_ROUTE, options.namespacePath);
  const index = findLink(inside, options.interfaceName)?.index ?? 0;
  inside.send(`give "${options.interfaceName}" its address ${formatCidr(options.address)}`, addAddress(index, options.address), setUp(index),
    ...(options.defaultGateway === undefined ? [] : [addDefaultRoute(index, options.defaultGateway)]));
}

/** A name for the near end of a veth pair: `veth` and 7 random hexadecimal digits, at most 15 characters as the kernel wants. */
export const vethName = (): string => `veth${randomBytes(4).toString('hex').slice(0, 7)}`;

/** Docker's way to name a user network's bridge: `br-` and the first 12 digits of the network's id. */
export const bridgeNameOf = (networkId: string): string => `br-${networkId.slice(0, 12)}`;

/** A table name that two daemons on one machine do not share. */
export const tableNameOf = (stateFolder: string): string => `dray-${createHash('sha256').update(stateFolder).digest('hex').slice(0, 8)}`;

/** Lets packets through this machine and from its loopback to the bridge; both are off by default in the kernel. */
function prepareForwarding(bridge: string): void {
  for (const [name, value] of Object.entries({ 'ip_forward': '1', [`conf/${bridge}/route_localnet`]: '1' })) {
    const file = `/proc/sys/net/ipv4/${name}`;
    if (fs.readFileSync(file, 'utf8').trim() !== value) fs.writeFileSync(file, value);
  }
}
