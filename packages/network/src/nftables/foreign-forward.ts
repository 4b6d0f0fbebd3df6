/**
 * Other programs (Docker's own daemon above all) set the policy of iptables' FORWARD chain to drop, which stops the packets of every bridge that is not
 * theirs; no rule in a table of ours can take a drop back. Where such a policy is found, a rule for each bridge of ours goes to the head of that
 * chain, marked so that it can be found and removed.
 */
import { bytes, decodeAttributes, text, type NetlinkRequest } from '../netlink/message.ts';
import type { NetlinkSocket } from '../netlink/socket.ts';
import { isNetworkError } from '../errors.ts';
import { accept, addRule, batchBegin, batchEnd, fromInterface, toInterface } from './codec.ts';

const SUBSYSTEM = 10 << 8;
const GETCHAIN = SUBSYSTEM | 4;
const GETRULE = SUBSYSTEM | 7;
const DELRULE = SUBSYSTEM | 8;
const NLM_F_APPEND = 0x800;
const HEADER = Buffer.from([2, 0, 0, 0]);
const HEADER_BYTES = HEADER.length;

const CHAIN_POLICY = 5;
const POLICY_DROP = 0;
const RULE_HANDLE = 3;
const RULE_USERDATA = 7;
const TABLE = 'filter';
const CHAIN = 'FORWARD';

/** Lets the packets of these bridges through another program's closed FORWARD chain, and takes back what was let through for bridges that are gone. `owner` marks the rules. */
export function openForeignForward(socket: NetlinkSocket, owner: string, bridges: readonly string[]): void {
  if (!isClosed(socket)) return;
  const stale = ownRules(socket, owner).map((handle): NetlinkRequest => ({ type: DELRULE, flags: 0, header: HEADER, attributes: [text(1, TABLE), text(2, CHAIN), bytes(RULE_HANDLE, handle)] }));
  const fresh = bridges.flatMap((bridge) => [fromInterface(bridge), toInterface(bridge)]).map((match) => {
    const rule = addRule(TABLE, CHAIN, [...match, accept()]);
    return { ...rule, flags: rule.flags & ~NLM_F_APPEND, attributes: [...rule.attributes, bytes(RULE_USERDATA, comment(owner))] };
  });
  if (stale.length + fresh.length > 0) socket.sendBatch(`let bridges through chain "${CHAIN}"`, batchBegin, [...stale, ...fresh], batchEnd);
}

function isClosed(socket: NetlinkSocket): boolean {
  try {
    const chain = socket.request(`get chain "${CHAIN}"`, { type: GETCHAIN, flags: 0, header: HEADER, attributes: [text(1, TABLE), text(3, CHAIN)] });
    return chain !== undefined && decodeAttributes(chain.payload.subarray(HEADER_BYTES)).get(CHAIN_POLICY)?.readUInt32BE(0) === POLICY_DROP;
  } catch (error) {
    if (isNetworkError(error) && error.kind === 'not_found') return false;
    throw error;
  }
}

function ownRules(socket: NetlinkSocket, owner: string): Buffer[] {
  const mark = comment(owner);
  return socket.dump(`list the rules of chain "${CHAIN}"`, { type: GETRULE, flags: 0, header: HEADER, attributes: [text(1, TABLE), text(2, CHAIN)] }).flatMap(({ payload }) => {
    const attributes = decodeAttributes(payload.subarray(HEADER_BYTES));
    const handle = attributes.get(RULE_HANDLE);
    return handle && attributes.get(RULE_USERDATA)?.equals(mark) ? [handle] : [];
  });
}

/** A comment as nft stores it: type 0, length, text with its NUL. */
function comment(owner: string): Buffer {
  const value = Buffer.from(`${owner}\0`);
  return Buffer.concat([Buffer.from([0, value.length]), value]);
}
