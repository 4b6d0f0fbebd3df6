import type { Cidr } from '../address.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import type { NetlinkSocket } from '../netlink/socket.ts';
import {
  accept, addChain, addRule, addTable, batchBegin, batchEnd, deleteTable, destinationIn, drop, flushChain, fromInterface, masquerade, rewriteDestination, sourceIn, toInterface, toLocalAddress, toPort,
  type BaseChain, type Expression,
} from './codec.ts';

/** A bridge whose containers are to be let out and kept apart from those of other bridges. */
export interface BridgeRules { readonly bridge: string; readonly subnet: Cidr; readonly isInternal: boolean; readonly masquerade: boolean }

/** A port of this machine that leads to a container. */
export interface PortRules { readonly protocol: 'tcp' | 'udp' | 'sctp'; /** Undefined: every address of this machine. */ readonly hostIp?: string; readonly hostPort: number; readonly bridge: string; readonly containerIp: string; readonly containerPort: number }

const CHAINS: readonly BaseChain[] = [
  { name: 'prerouting', type: 'nat', hook: 'prerouting', priority: -100 },
  { name: 'output', type: 'nat', hook: 'output', priority: -100 },
  { name: 'postrouting', type: 'nat', hook: 'postrouting', priority: 100 },
  { name: 'forward', type: 'filter', hook: 'forward', priority: 0 },
];

/**
 * Puts all rules into the daemon's own table in one transaction: packets meet the old rules or the new ones, never a mixture. Tables of others are not
 * touched.
 */
export function applyRules(socket: NetlinkSocket, table: string, bridges: readonly BridgeRules[], ports: readonly PortRules[]): void {
  const rules: NetlinkRequest[] = [
    ...ports.flatMap((port) => portRules(table, port)),
    ...bridges.flatMap((bridge) => bridgeRules(table, bridge, bridges)),
  ];
  socket.sendBatch(`set the rules of table "${table}"`, batchBegin, [addTable(table), ...CHAINS.map((chain) => addChain(table, chain)), ...CHAINS.map((chain) => flushChain(table, chain.name)), ...rules], batchEnd);
}

/** Removes the daemon's table with all rules. */
export function removeRules(socket: NetlinkSocket, table: string): void {
  // Adding first makes the removal succeed whether or not the table is there.
  socket.sendBatch(`remove table "${table}"`, batchBegin, [addTable(table), deleteTable(table)], batchEnd);
}

function portRules(table: string, port: PortRules): NetlinkRequest[] {
  const destination: Expression[] = port.hostIp === undefined ? toLocalAddress() : destinationIn(port.hostIp, 32);
  const rewrite = [...destination, ...toPort(port.protocol, port.hostPort), ...rewriteDestination(port.containerIp, port.containerPort)];
  return [
    addRule(table, 'prerouting', rewrite),
    addRule(table, 'output', rewrite),
    // A container that reaches itself by its published port must see another source than its own, or it would answer itself directly.
    addRule(table, 'postrouting', [...sourceIn(port.containerIp, 32), ...destinationIn(port.containerIp, 32), ...toPort(port.protocol, port.containerPort), masquerade()]),
  ];
}

function bridgeRules(table: string, { bridge, subnet, isInternal, masquerade: masquerades }: BridgeRules, all: readonly BridgeRules[]): NetlinkRequest[] {
  const others = all.filter((other) => other.bridge !== bridge);
  return [
    ...(masquerades && !isInternal ? [addRule(table, 'postrouting', [...sourceIn(subnet.address, subnet.prefixLength), ...toInterface(bridge, 'neq'), masquerade()])] : []),
    // What comes from loopback gets an address that the container can answer to.
    addRule(table, 'postrouting', [...sourceIn('127.0.0.0', 8), ...toInterface(bridge), masquerade()]),
    addRule(table, 'forward', [...fromInterface(bridge), ...toInterface(bridge), accept()]),
    ...others.map((other) => addRule(table, 'forward', [...fromInterface(bridge), ...toInterface(other.bridge), drop()])),
    ...(isInternal ? [addRule(table, 'forward', [...fromInterface(bridge), drop()]), addRule(table, 'forward', [...toInterface(bridge), drop()])] : []),
  ];
}
