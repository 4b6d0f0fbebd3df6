import { readFileSync, writeFileSync } from 'node:fs';
import { BootstrapParams, BootstrapResult } from '@dray/containerd-api/bootstrap';
import type { Any } from '../any.ts';
import { ContainerdError } from '../errors.ts';
import type { Bundle } from './bundle.ts';

/** A shim as its `start` command describes it. */
export interface ShimAddress {
  /** The version of the task service: 2 or 3. */
  readonly version: number;
  /** `unix://…`; without a scheme an abstract socket. */
  readonly address: string;
  readonly protocol: string;
  /** What the shim can do beyond the contract: the keys of the answer's metadata. */
  readonly capabilities: readonly string[];
}

/** After a crash, `start` with the same id and bundle takes the running container over again. */
export const CAPABILITY_READOPT = 'io.dray.shim.readopt';
/** The address serves every container of the namespace: no further `start` is needed. */
export const CAPABILITY_SHARED = 'io.dray.shim.shared';

/** What goes to the standard input of `start`. */
export interface BootstrapInput {
  readonly id: string;
  readonly namespace: string;
  readonly isDebug: boolean;
  readonly version: string;
  readonly ttrpcAddress: string;
  readonly grpcAddress: string;
  readonly binary: string;
  readonly options: Any | undefined;
}

const LOG_LEVEL_DEBUG = -4;
const LOG_LEVEL_INFO = 0;

/** Encodes the parameters of `start` as containerd 2.3 sends them. */
export function encodeBootstrap(input: BootstrapInput): Uint8Array {
  const params = BootstrapParams.fromPartial({
    instanceId: input.id,
    namespace: input.namespace,
    logLevel: input.isDebug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
    containerdVersion: input.version,
    containerdTtrpcAddress: input.ttrpcAddress,
    containerdGrpcAddress: input.grpcAddress,
    containerdBinary: input.binary,
    extensions: input.options === undefined ? [] : [{ value: { ...input.options } }],
  });
  return BootstrapParams.encode(params).finish();
}

/**
 * Reads what `start` printed: a BootstrapResult (2.3 and later), JSON (2.0), or a plain address (1.x).
 *
 * @throws ContainerdError `unknown`, `SHIM_ANSWER`
 */
export function parseShimAnswer(output: Uint8Array): ShimAddress {
  const answer = parseProto(output) ?? parseJson(output) ?? parsePlain(output);
  if (answer === undefined) throw new ContainerdError(`shim answered ${JSON.stringify(Buffer.from(output).toString('utf8').slice(0, 500))} instead of its address`, { kind: 'unknown', code: 'SHIM_ANSWER' });
  if (answer.version < 2 || answer.version > 3) throw new ContainerdError(`unsupported shim version (${String(answer.version)})`, { kind: 'not_implemented', code: 'SHIM_VERSION' });
  if (answer.protocol !== 'ttrpc') throw new ContainerdError(`unsupported shim protocol ${JSON.stringify(answer.protocol)}`, { kind: 'not_implemented', code: 'SHIM_PROTOCOL' });
  return answer;
}

/** The path of a unix socket for Node; a leading NUL stands for an abstract one. */
export function socketPathOf(address: string): string {
  return address.startsWith('unix://') ? address.slice('unix://'.length) : `\0${address}`;
}

/** Keeps the answer in the bundle for the next daemon, in containerd's own file. */
export function writeBootstrapFile(bundle: Bundle, address: ShimAddress): void {
  writeFileSync(bundle.file('bootstrap.json'), JSON.stringify(address), { mode: 0o600 });
}

/** Reads the file back; the `address` file of an older shim serves too. Undefined when there is neither. */
export function readBootstrapFile(bundle: Bundle): ShimAddress | undefined {
  const stored = readIfThere(bundle.file('bootstrap.json'));
  if (stored !== undefined) return parseJson(stored) ?? parsePlain(stored);
  const address = readIfThere(bundle.file('address'));
  return address === undefined ? undefined : parsePlain(address);
}

function parseProto(output: Uint8Array): ShimAddress | undefined {
  try {
    const { version, address, protocol, metadata } = BootstrapResult.decode(output);
    if (version < 2 || !hasScheme(address)) return undefined;
    return { version, address, protocol: protocol === '' ? 'ttrpc' : protocol, capabilities: Object.keys(metadata).filter((key) => metadata[key] !== 'false') };
  } catch {
    // Text is no message: another form of the answer is tried.
    return undefined;
  }
}

function parseJson(output: Uint8Array): ShimAddress | undefined {
  const text = Buffer.from(output).toString('utf8').trim();
  if (!text.startsWith('{')) return undefined;
  const parsed = parseObject(text);
  const { version, address, protocol, capabilities } = parsed;
  if (typeof version !== 'number' || typeof address !== 'string' || address === '') return undefined;
  return {
    version,
    address,
    protocol: typeof protocol === 'string' && protocol !== '' ? protocol : 'ttrpc',
    capabilities: Array.isArray(capabilities) ? capabilities.filter((one): one is string => typeof one === 'string') : [],
  };
}

function parseObject(text: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** A line that is an address: with a scheme, or an abstract socket's name. */
function parsePlain(output: Uint8Array): ShimAddress | undefined {
  const text = Buffer.from(output).toString('utf8').trim();
  if (!/^[\x21-\x7e]+$/.test(text)) return undefined;
  if (!hasScheme(text) && !text.startsWith('/')) return undefined;
  return { version: 2, address: text, protocol: 'ttrpc', capabilities: [] };
}

function hasScheme(address: string): boolean {
  return address.startsWith('unix://');
}

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    // Missing and unreadable are one: the shim cannot be reached by this file.
    return undefined;
  }
}
