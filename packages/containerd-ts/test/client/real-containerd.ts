/** Starts the original containerd with all its paths in a temporary folder. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why the original cannot run here, if it cannot. */
export function containerdMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  if (spawnSync('containerd', ['--version']).error !== undefined) return 'containerd is not installed';
  return undefined;
}

/** A running containerd. */
export interface ContainerdPeer extends AsyncDisposable {
  readonly directory: string;
  readonly address: string;
  readonly pid: number;
}

/** Resolves when its socket answers; disposal ends it and removes everything. */
export async function startContainerd(): Promise<ContainerdPeer> {
  const directory = await mkdtemp(join(tmpdir(), 'dray-client-'));
  const address = join(directory, 'c.sock');
  const config = `version = 2
root = "${directory}/root"
state = "${directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${address}"
[ttrpc]
  address = "${address}.ttrpc"
`;
  await writeFile(join(directory, 'config.toml'), config);
  const child = spawn('containerd', ['--config', join(directory, 'config.toml')], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise<void>((resolve) => child.once('exit', () => { resolve(); }));
  await new Promise<void>((resolve, reject) => {
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      if (log.includes('containerd successfully booted')) resolve();
    });
    child.once('exit', () => { reject(new Error(`containerd ended: ${log}`)); });
  });
  return {
    directory,
    address,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
