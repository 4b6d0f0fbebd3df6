/**
 * The `start` command. Most calls find the group's server running and only answer with its address, so this path loads next to nothing.
 */
import { closeSync, constants, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { groupOf, socketPath } from '../bootstrap/address.ts';
import { encodeBootstrapResult, readBootstrapInput, type BootstrapInput } from '../bootstrap/wire.ts';
import type { ShimFlags } from './flags.ts';

/** What a containerd that understands it may do with this shim; others ignore it (docs/decisions/0003). */
const CAPABILITIES: readonly string[] = ['io.dray.shim.readopt', 'io.dray.shim.shared'];
/** containerd sends far less; a terminal is not read at all. */
const STDIN_BYTES_MAX = 1 << 20;
const LOCK_EXCLUSIVE = 2;
const OOM_SCORE_ADJ_MAX = 1000;
/** One process serves all containers and mostly waits: it gives memory back instead of keeping it for bursts. */
const SERVER_NODE_OPTIONS: readonly string[] = ['--max-semi-space-size=1'];

/**
 * Makes sure that the container's group has a server and prints its address in the form that the caller understands.
 * @param entry the script that the server is started with
 */
export async function start(flags: ShimFlags, entry: string): Promise<void> {
  if (flags.id === '') throw new Error('shim id cannot be empty');
  const input = readBootstrapInput(readStdin(), flags);
  const bundle = process.cwd();
  const socket = socketPath({ folder: input.socketFolder, grpcAddress: flags.address, namespace: flags.namespace, group: groupOf(bundle) });
  if (!(await isServed(socket))) await startServer({ socket, flags, entry, bundle, options: input.options });
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

/** Whether somebody listens there, even if he has not accepted yet. */
function isServed(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => { resolve(false); });
  });
}

interface ServerStart {
  readonly socket: string;
  readonly flags: ShimFlags;
  readonly entry: string;
  readonly bundle: string;
  readonly options: BootstrapInput['options'];
}

/** Binds the socket and hands it to a new process. The lock keeps two calls from replacing each other's socket. */
async function startServer({ socket, flags, entry, bundle, options }: ServerStart): Promise<void> {
  const { fchmodat, flock, spawn, unixListen } = await import('@dray/libcontainer');
  mkdirSync(path.dirname(socket), { recursive: true, mode: 0o700 });
  const folder = openSync(path.dirname(socket), constants.O_RDONLY | constants.O_DIRECTORY);
  flock(folder, LOCK_EXCLUSIVE);
  if (await isServed(socket)) return;
  rmSync(socket, { force: true });
  const listener = unixListen(socket, { backlog: 128 });
  fchmodat(folder, path.basename(socket), 0o600);
  const nothing = openSync('/dev/null', constants.O_RDWR);
  const { pid } = spawn({
    file: process.execPath,
    argv: ['containerd-shim-dray-v2', ...process.execArgv, ...SERVER_NODE_OPTIONS, entry, '-namespace', flags.namespace, '-id', flags.id, '-address', flags.address, '-socket', socket, '-bundle', bundle, ...(flags.isDebug ? ['-debug'] : [])],
    env: serverEnvironment(),
    fds: [nothing, nothing, nothing, listener],
    cwd: '/',
    setsid: true,
  });
  adjustOomScore(pid);
  if (options !== undefined) await moveToCgroup(pid, options);
  closeSync(folder);
}

function serverEnvironment(): Record<string, string> {
  const { NOTIFY_SOCKET: _, ...environment } = process.env;
  return Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** One more than containerd's own, as the original has it. */
function adjustOomScore(pid: number): void {
  try {
    const parent = Number(readFileSync(`/proc/${process.ppid}/oom_score_adj`, 'utf8'));
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(Math.min(parent + 1, OOM_SCORE_ADJ_MAX)));
  } catch {
    // The parent may be gone or the kernel may refuse to lower it: the score that was inherited stays.
  }
}

/** Obeys `shim_cgroup` of the runtime options. */
async function moveToCgroup(pid: number, packed: NonNullable<BootstrapInput['options']>): Promise<void> {
  const [{ Options }, { cgroupLayout }] = await Promise.all([import('@dray/containerd-api/runc-options'), import('@dray/libcontainer')]);
  if (!packed.typeUrl.endsWith(Options.$type)) return;
  const { shimCgroup } = Options.decode(packed.value);
  if (shimCgroup === '') return;
  const layout = cgroupLayout();
  const mountpoints = layout.mode === 'v2' && layout.unified !== undefined ? [layout.unified.mountpoint] : layout.hierarchies.map(({ mountpoint }) => mountpoint);
  for (const mountpoint of mountpoints) {
    const folder = path.join(mountpoint, shimCgroup);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'cgroup.procs'), String(pid));
  }
}
