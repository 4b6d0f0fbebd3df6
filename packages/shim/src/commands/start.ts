/**
 * The `start` command. Most calls find the group's server running and only answer with its address, so this path loads next to nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { groupOf, socketPath } from '../bootstrap/address.ts';
import { encodeBootstrapResult, readBootstrapInput, type BootstrapInput } from '../bootstrap/wire.ts';
import type { ShimFlags } from './flags.ts';
import { isServed } from './is-served.ts';

/** What a containerd that understands it may do with this shim; others ignore it (docs/decisions/0003). */
const CAPABILITIES: readonly string[] = ['io.dray.shim.readopt', 'io.dray.shim.shared'];
/** containerd sends far less; a terminal is not read at all. */
const STDIN_BYTES_MAX = 1 << 20;

/**
 * Makes sure that the container's group has a server and prints its address in the form that the caller understands.
 * @param entry the script that the server is started with
 */
export async function start(flags: ShimFlags, entry: string): Promise<void> {
  if (flags.id === '') throw new Error('shim id cannot be empty');
  const input = readBootstrapInput(readStdin(), flags);
  const bundle = process.cwd();
  const socket = socketPath({ folder: input.socketFolder, grpcAddress: flags.address, namespace: flags.namespace, group: groupOf(bundle) });
  if (!(await isServed(socket))) {
    const { startServer } = await import('./start-server.ts');
    await startServer({ socket, flags, entry, bundle, options: input.options });
  }
  writeFileSync(path.join(bundle, 'address'), `unix://${socket}`);
  process.stdout.write(answer(`unix://${socket}`, input));
}

function readStdin(): Uint8Array {
  if (process.stdin.isTTY) return new Uint8Array();
  try {
    return readFileSync(0).subarray(0, STDIN_BYTES_MAX);
  } catch {
    // No standard input at all, or one that cannot be read: as good as empty.
    return new Uint8Array();
  }
}

/** containerd 2.3 reads protobuf, 2.0 JSON; 1.x reads JSON or a plain address, which all of them take for version 2. */
function answer(address: string, input: BootstrapInput): string | Uint8Array {
  if (!input.isBootstrapParams) return address;
  return encodeBootstrapResult({ version: 3, address, metadata: Object.fromEntries(CAPABILITIES.map((name) => [name, 'true'])) });
}
