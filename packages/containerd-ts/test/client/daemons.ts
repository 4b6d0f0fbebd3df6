/** Starts a containerd, the original or Dray's, with all its paths in a temporary folder. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectContainerd } from '@dray/containerd-api';

/** Whose daemon. */
export type DaemonName = 'containerd' | 'dray-containerd';

const COMMANDS: Readonly<Record<DaemonName, readonly string[]>> = {
  containerd: ['containerd'],
  'dray-containerd': [process.execPath, join(import.meta.dirname, '../../bin/dray-containerd.mjs')],
};

/** Why the tests cannot run here, if they cannot. */
export function missingFor(daemon: DaemonName): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  const tools = [...(daemon === 'containerd' ? ['containerd'] : []), 'containerd-shim-runc-v2', 'runc', 'busybox'];
  return tools.find((tool) => spawnSync('which', [tool]).status !== 0)?.concat(' is not installed');
}

/** A running daemon. */
export interface RunningDaemon extends AsyncDisposable {
  readonly directory: string;
  readonly address: string;
}

/** Resolves when it answers; disposal ends it and removes everything. */
export async function startDaemon(daemon: DaemonName): Promise<RunningDaemon> {
  const directory = await mkdtemp(join(tmpdir(), 'dray-client-'));
  const address = join(directory, 'c.sock');
  const config = join(directory, 'config.toml');
  await writeFile(
    config,
    `version = 2\nroot = "${directory}/root"\nstate = "${directory}/state"\n` +
      'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n' +
      `[grpc]\naddress = "${address}"\n[ttrpc]\naddress = "${address}.ttrpc"\n`,
  );
  const [command = '', ...args] = COMMANDS[daemon];
  const child = spawn(command, [...args, '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const ended = new AbortController();
  const exited = new Promise<void>((resolve) =>
    child.once('exit', () => {
      ended.abort(new Error(`${daemon} ended: ${log}`));
      resolve();
    }),
  );
  await using connection = await connectContainerd(address);
  await connection.waitUntilReady({ signal: ended.signal });
  return {
    directory,
    address,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
