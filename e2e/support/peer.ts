import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Finished, run } from './command.ts';
import { dockerCli, get, until } from './engine.ts';

/** Why Debian's dockerd cannot be started, or undefined. */
export const missingForPeer: string | undefined = fs.existsSync('/usr/sbin/dockerd') || fs.existsSync('/usr/bin/dockerd') ? undefined : "Debian's docker.io is not installed";

/** Debian's dockerd with its containerd, on private folders: the original to compare with. */
export interface Peer extends AsyncDisposable {
  readonly folder: string;
  readonly host: string;
  docker(...args: string[]): Promise<Finished>;
  ok(...args: string[]): Promise<string>;
}

export async function startPeer(extraArgs: string[] = []): Promise<Peer> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'peer-'));
  const socket = path.join(folder, 'docker.sock');
  const log = path.join(folder, 'dockerd.log');
  const output = fs.openSync(log, 'a');
  // A bridge of its own, so that it lives beside any other engine; it is named by the peer's own folder.
  const bridge = `pr${path.basename(folder).slice(5, 12).toLowerCase()}`;
  await run('ip', ['link', 'add', bridge, 'type', 'bridge']);
  await run('ip', ['addr', 'add', '10.214.77.1/24', 'dev', bridge]);
  const daemon: ChildProcess = spawn('dockerd', ['--data-root', `${folder}/data`, '--exec-root', `${folder}/exec`, '-p', `${folder}/pid`, '-H', `unix://${socket}`, '--bridge', bridge, ...extraArgs], { stdio: ['ignore', output, output] });
  await until(async () => {
    if (daemon.exitCode !== null) throw new Error(`dockerd exited:\n${fs.readFileSync(log, 'utf8')}`);
    return (await get(socket, '/_ping').catch(() => undefined))?.status === 200;
  }, 'dockerd answers');
  const env = { ...process.env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: path.join(folder, 'client') };
  const peer: Peer = {
    folder, host: `unix://${socket}`,
    docker: (...args) => run(dockerCli, args, { env }),
    async ok(...args) {
      const finished = await peer.docker(...args);
      if (finished.code !== 0) throw new Error(`peer: docker ${args.join(' ')} exited ${String(finished.code)}: ${finished.stderr}`);
      return finished.stdout.trim();
    },
    async [Symbol.asyncDispose]() {
      const ids = (await peer.ok('ps', '-aq')).split('\n').filter(Boolean);
      if (ids.length > 0) await peer.docker('rm', '-f', ...ids);
      daemon.kill('SIGTERM');
      await until(() => daemon.exitCode !== null, 'dockerd ends').catch(() => daemon.kill('SIGKILL'));
      await run('ip', ['link', 'del', bridge]);
      await run('sh', ['-c', `grep ' ${folder}' /proc/self/mountinfo | cut -d' ' -f5 | sort -r | xargs -r umount -l`]);
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
  return peer;
}
