/**
 * Links, addresses and routes over rtnetlink.
 *
 * @see rtnetlink(7), include/uapi/linux/if_link.h
 */
import { addressBytes, addressFamily, formatAddress, type Cidr } from '../address.ts';
import { bytes, decodeAttributes, decodeText, encodeAttributes, nested, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, text, u32, type Attribute, type NetlinkRequest } from './message.ts';
import type { NetlinkSocket } from './socket.ts';

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
/** The address is usable at once, without duplicate address detection. */
const IFA_F_NODAD = 0x02;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RTN_UNICAST = 1;

const IFF_UP = 0x1;

/** A network link as the kernel shows it. */
export interface Link { readonly index: number; readonly name: string; readonly isUp: boolean; readonly mac: string; readonly master: number; readonly mtu: number; readonly kind?: string }

/** A veth pair to create: one end stays here, in a bridge; the other is born in another network namespace. */
export interface VethOptions {
  readonly name: string;
  /** Index of the bridge that gets the near end. */
  readonly master: number;
  /** Open descriptor of the namespace that gets the far end. */
  readonly peerNetnsFd: number;
  readonly peerName: string;
  readonly peerMac: string;
  readonly mtu?: number;
}

/** Creates a bridge. The MAC address is fixed so that it does not change with the ports that come and go. */
export function createBridge(socket: NetlinkSocket, name: string, mac: string, mtu?: number): void {
  socket.send(`create bridge "${name}"`, {
    type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, header: linkHeader(0, IFF_UP, IFF_UP),
    attributes: [text(IFLA_IFNAME, name), bytes(IFLA_ADDRESS, macBytes(mac)), ...(mtu === undefined ? [] : [u32(IFLA_MTU, mtu)]), nested(IFLA_LINKINFO, [text(IFLA_INFO_KIND, 'bridge')])],
  });
}

/** Creates a veth pair in one request: the near end is up and in its bridge, the far end is in its namespace and down (the kernel brings no end up before it knows both). */
export function createVeth(socket: NetlinkSocket, options: VethOptions): void {
  const mtu: Attribute[] = options.mtu === undefined ? [] : [u32(IFLA_MTU, options.mtu)];
  const peer = Buffer.concat([linkHeader(0, 0, 0), encodeAttributes([text(IFLA_IFNAME, options.peerName), bytes(IFLA_ADDRESS, macBytes(options.peerMac)), u32(IFLA_NET_NS_FD, options.peerNetnsFd), ...mtu])]);
  socket.send(`create veth "${options.name}"`, {
    type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, header: linkHeader(0, IFF_UP, IFF_UP),
    attributes: [text(IFLA_IFNAME, options.name), u32(IFLA_MASTER, options.master), ...mtu,
      nested(IFLA_LINKINFO, [text(IFLA_INFO_KIND, 'veth'), nested(IFLA_INFO_DATA, [bytes(VETH_INFO_PEER | 0x8000, peer)])])],
  });
}

/** Removes a link by its index; the far end of a veth goes with it. */
export function deleteLink(socket: NetlinkSocket, index: number): void {
  socket.send(`delete link ${index}`, { type: RTM_DELLINK, flags: 0, header: linkHeader(index, 0, 0), attributes: [] });
}

/** The link of that name, or undefined. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    const message = socket.request(`get link "${name}"`, { type: RTM_GETLINK, flags: 0, header: linkHeader(0, 0, 0), attributes: [text(IFLA_IFNAME, name)] });
    return message && decodeLink(message.payload);
  } catch (error) {
    if (error instanceof Error && 'kind' in error && error.kind === 'not_found') return undefined;
    throw error;
  }
}

/** All links of the namespace. */
export function listLinks(socket: NetlinkSocket): Link[] {
  return socket.dump('list links', { type: RTM_GETLINK, flags: 0, header: linkHeader(0, 0, 0), attributes: [] }).map((message) => decodeLink(message.payload));
}

/** The request that sets a link up; to be sent together with others. */
export const setUp = (index: number): NetlinkRequest => ({ type: RTM_NEWLINK, flags: 0, header: linkHeader(index, IFF_UP, IFF_UP), attributes: [] });

/** The request that adds an address to a link. */
export function addAddress(index: number, address: Cidr): NetlinkRequest {
  return {
    type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_REPLACE, header: addressHeader(address, index),
    attributes: [bytes(IFA_LOCAL, addressBytes(address.address)), bytes(IFA_ADDRESS, addressBytes(address.address)), u32(IFA_FLAGS, IFA_F_NODAD)],
  };
}

/** The request that removes an address from a link. */
export function removeAddress(index: number, address: Cidr): NetlinkRequest {
  return { type: RTM_DELADDR, flags: 0, header: addressHeader(address, index), attributes: [bytes(IFA_LOCAL, addressBytes(address.address))] };
}

/** The addresses of the namespace's links, with the index of each link. */
export function listAddresses(socket: NetlinkSocket): { index: number; address: Cidr }[] {
  return socket.dump('list addresses', { type: RTM_GETADDR, flags: 0, header: Buffer.alloc(8), attributes: [] }).flatMap(({ payload }) => {
    const attributes = decodeAttributes(payload.subarray(8));
    const raw = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
    return raw ? [{ index: payload.readUInt32LE(4), address: { address: formatAddress(raw), prefixLength: payload[1] ?? 0 } }] : [];
  });
}

/** The request that adds the default route by way of `gateway`. */
export function addDefaultRoute(index: number, gateway: string): NetlinkRequest {
  return { type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_REPLACE, header: routeHeader(addressFamily(gateway), 0), attributes: [bytes(RTA_GATEWAY, addressBytes(gateway)), u32(RTA_OIF, index)] };
}

/** The destinations of the main table's routes, the default route left out. */
export function listRoutes(socket: NetlinkSocket): Cidr[] {
  return socket.dump('list routes', { type: RTM_GETROUTE, flags: 0, header: routeHeader(0, 0), attributes: [] }).flatMap(({ payload }) => {
    const destination = decodeAttributes(payload.subarray(12)).get(RTA_DST);
    return destination && payload[4] === RT_TABLE_MAIN ? [{ address: formatAddress(destination), prefixLength: payload[1] ?? 0 }] : [];
  });
}

function linkHeader(index: number, flags: number, change: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(change, 12);
  return header;
}

function addressHeader(address: Cidr, index: number): Buffer {
  const header = Buffer.alloc(8);
  header[0] = addressFamily(address.address);
  header[1] = address.prefixLength;
  header.writeUInt32LE(index, 4);
  return header;
}

function routeHeader(family: number, prefixLength: number): Buffer {
  return Buffer.from([family, prefixLength, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, 0, RTN_UNICAST, 0, 0, 0, 0]);
}

function decodeLink(payload: Buffer): Link {
  const attributes = decodeAttributes(payload.subarray(16));
  const info = attributes.get(IFLA_LINKINFO);
  const kind = info && decodeAttributes(info).get(IFLA_INFO_KIND);
  const mac = attributes.get(IFLA_ADDRESS);
  return {
    index: payload.readInt32LE(4),
    name: decodeText(attributes.get(IFLA_IFNAME) ?? Buffer.alloc(0)),
    isUp: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    mac: mac ? [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':') : '',
    master: attributes.get(IFLA_MASTER)?.readUInt32LE(0) ?? 0,
    mtu: attributes.get(IFLA_MTU)?.readUInt32LE(0) ?? 0,
    ...(kind && { kind: decodeText(kind) }),
  };
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

