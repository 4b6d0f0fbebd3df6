/** Starts the process that serves a group of containers. */
import { closeSync, constants, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Options } from '@dray/containerd-api/runc-options';
import { cgroupLayout, fchmodat, flock, spawn, unixListen } from '@dray/libcontainer';
import type { BootstrapInput } from '../bootstrap/wire.ts';
import type { ShimFlags } from './flags.ts';
import { isServed } from './is-served.ts';

const LOCK_EXCLUSIVE = 2;
const OOM_SCORE_ADJ_MAX = 1000;
/** One process serves all containers and mostly waits: it gives memory back instead of keeping it for bursts. */
const SERVER_NODE_OPTIONS: readonly string[] = ['--max-semi-space-size=1'];

/** What a new server is started with. */
export interface ServerStart {
  readonly socket: string;
  readonly flags: ShimFlags;
  readonly entry: string;
  readonly bundle: string;
  readonly options: BootstrapInput['options'];
}

/** Binds the socket and hands it to a new process. The lock keeps two calls from replacing each other's socket. */
export async function startServer({ socket, flags, entry, bundle, options }: ServerStart): Promise<void> {
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
  if (options !== undefined) moveToCgroup(pid, options);
  closeSync(folder);
}

function serverEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[0] !== 'NOTIFY_SOCKET'));
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
function moveToCgroup(pid: number, packed: NonNullable<BootstrapInput['options']>): void {
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
