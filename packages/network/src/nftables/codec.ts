/**
 * nftables requests as netlink messages: tables, base chains, rules and the expressions that rules are made of.
 *
 * @see include/uapi/linux/netfilter/nf_tables.h
 */
import { addressBytes } from '../address.ts';
import { bytes, nested, NLM_F_APPEND, NLM_F_CREATE, text, u32be, type Attribute, type NetlinkRequest } from '../netlink/message.ts';

const SUBSYSTEM = 10 << 8;
const NEWTABLE = SUBSYSTEM | 0;
const DELTABLE = SUBSYSTEM | 2;
const NEWCHAIN = SUBSYSTEM | 3;
const NEWRULE = SUBSYSTEM | 6;
const DELRULE = SUBSYSTEM | 8;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;

const NFPROTO_IPV4 = 2;
const REGISTER_VERDICT = 0;
const REGISTER_1 = 1;
const REGISTER_2 = 2;

/** Where a base chain hooks into the packet's way, with the number the kernel gives the place. */
export type Hook = 'prerouting' | 'forward' | 'output' | 'postrouting';
const HOOK_NUMBERS: Record<Hook, number> = { prerouting: 0, forward: 2, output: 3, postrouting: 4 };

/** A base chain. */
export interface BaseChain { readonly name: string; readonly type: 'nat' | 'filter'; readonly hook: Hook; readonly priority: number }

/** One expression of a rule, encoded. */
export type Expression = Attribute;

const familyHeader = (family: number, resource: number): Buffer => Buffer.from([family, 0, resource >> 8, resource & 0xff]);
const message = (type: number, flags: number, attributes: Attribute[]): NetlinkRequest => ({ type, flags, header: familyHeader(NFPROTO_IPV4, 0), attributes });

/** The messages that enclose a transaction. */
export const batchBegin: NetlinkRequest = { type: BATCH_BEGIN, flags: 0, header: familyHeader(0, 10), attributes: [] };
export const batchEnd: NetlinkRequest = { type: BATCH_END, flags: 0, header: familyHeader(0, 10), attributes: [] };

/** Creates a table; one that exists is kept. */
export const addTable = (table: string): NetlinkRequest => message(NEWTABLE, NLM_F_CREATE, [text(1, table)]);
/** Deletes a table with all it holds. */
export const deleteTable = (table: string): NetlinkRequest => message(DELTABLE, 0, [text(1, table)]);

/** Creates a base chain that lets pass what no rule decides; one that exists is kept. */
export const addChain = (table: string, chain: BaseChain): NetlinkRequest => message(NEWCHAIN, NLM_F_CREATE, [
  text(1, table), text(3, chain.name), nested(4, [u32be(1, HOOK_NUMBERS[chain.hook]), u32be(2, chain.priority)]), u32be(5, 1), text(7, chain.type),
]);

/** Deletes all rules of a chain. */
export const flushChain = (table: string, chain: string): NetlinkRequest => message(DELRULE, 0, [text(1, table), text(2, chain)]);

/** Appends a rule to a chain. */
export const addRule = (table: string, chain: string, expressions: readonly Expression[]): NetlinkRequest => message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, [
  text(1, table), text(2, chain), nested(4, expressions.map(({ value }) => (value instanceof Uint8Array ? bytes(1, value) : nested(1, value)))),
]);

const expression = (name: string, data: readonly Attribute[]): Expression => ({ type: 1, value: [text(1, name), nested(2, data)] });
const compare = (operator: 'eq' | 'neq', value: Uint8Array): Expression => expression('cmp', [u32be(1, REGISTER_1), u32be(2, operator === 'eq' ? 0 : 1), nested(3, [bytes(1, value)])]);
const meta = (key: number): Expression => expression('meta', [u32be(1, REGISTER_1), u32be(2, key)]);
const payload = (base: number, offset: number, length: number): Expression => expression('payload', [u32be(1, REGISTER_1), u32be(2, base), u32be(3, offset), u32be(4, length)]);

const META_IIFNAME = 6;
const META_OIFNAME = 7;
const META_L4PROTO = 16;
const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;
const IPV4_SOURCE_OFFSET = 12;
const IPV4_DESTINATION_OFFSET = 16;
const INTERFACE_NAME_BYTES = 16;

const interfaceName = (name: string): Buffer => Buffer.concat([Buffer.from(name), Buffer.alloc(INTERFACE_NAME_BYTES)]).subarray(0, INTERFACE_NAME_BYTES);

/** The packet came in by this interface (or by any other). */
export const fromInterface = (name: string, operator: 'eq' | 'neq' = 'eq'): Expression[] => [meta(META_IIFNAME), compare(operator, interfaceName(name))];
/** The packet goes out by this interface (or by any other). */
export const toInterface = (name: string, operator: 'eq' | 'neq' = 'eq'): Expression[] => [meta(META_OIFNAME), compare(operator, interfaceName(name))];

/** The packet's IPv4 source lies in the network. */
export const sourceIn = (address: string, prefixLength: number, operator: 'eq' | 'neq' = 'eq'): Expression[] => addressIn(IPV4_SOURCE_OFFSET, address, prefixLength, operator);
/** The packet's IPv4 destination lies in the network. */
export const destinationIn = (address: string, prefixLength: number, operator: 'eq' | 'neq' = 'eq'): Expression[] => addressIn(IPV4_DESTINATION_OFFSET, address, prefixLength, operator);

function addressIn(offset: number, address: string, prefixLength: number, operator: 'eq' | 'neq'): Expression[] {
  const mask = Buffer.alloc(4);
  mask.writeUInt32BE(prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0);
  const value = addressBytes(address).map((byte, index) => byte & (mask[index] ?? 0));
  return [
    payload(NETWORK_HEADER, offset, 4),
    expression('bitwise', [u32be(1, REGISTER_1), u32be(2, REGISTER_1), u32be(3, 4), nested(4, [bytes(1, mask)]), nested(5, [bytes(1, Buffer.alloc(4))])]),
    compare(operator, value),
  ];
}

const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;

/** The packet is of this protocol and goes to this port. */
export function toPort(protocol: keyof typeof PROTOCOL_NUMBERS, port: number): Expression[] {
  return [meta(META_L4PROTO), compare('eq', Uint8Array.of(PROTOCOL_NUMBERS[protocol])), payload(TRANSPORT_HEADER, 2, 2), compare('eq', Buffer.from([port >> 8, port & 0xff]))];
}

/** The destination is one of this machine's own addresses. */
export const toLocalAddress = (): Expression[] => {
  const RTN_LOCAL = 2;
  const local = Buffer.alloc(4);
  local.writeUInt32LE(RTN_LOCAL);
  return [expression('fib', [u32be(1, REGISTER_1), u32be(2, 3), u32be(3, 2)]), compare('eq', local)];
};

/** Rewrites the source to the address of the interface that the packet leaves by. */
export const masquerade = (): Expression => expression('masq', []);

/** Rewrites the destination. */
export const rewriteDestination = (address: string, port: number): Expression[] => [
  immediate(REGISTER_1, addressBytes(address)), immediate(REGISTER_2, Buffer.from([port >> 8, port & 0xff])),
  expression('nat', [u32be(1, 1), u32be(2, NFPROTO_IPV4), u32be(3, REGISTER_1), u32be(5, REGISTER_2)]),
];

/** Drops the packet. */
export const drop = (): Expression => verdict(0);
/** Lets the packet pass this chain. */
export const accept = (): Expression => verdict(1);

const immediate = (register: number, value: Uint8Array): Expression => expression('immediate', [u32be(1, register), nested(2, [bytes(1, value)])]);
const verdict = (code: number): Expression => expression('immediate', [u32be(1, REGISTER_VERDICT), nested(2, [nested(2, [u32be(1, code)])])]);
