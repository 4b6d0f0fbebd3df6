import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { until } from './engine.ts';

/** Why no registry can be served, or undefined. */
export const missingForRegistry: string | undefined = ['/usr/bin/docker-registry', '/usr/bin/skopeo', '/usr/bin/umoci', '/usr/bin/setfattr'].every((file) => fs.existsSync(file))
  ? undefined : "Debian's docker-registry, skopeo, umoci or attr is not installed";

/** Debian's docker-registry on a free loopback port, with its storage below `folder`. */
export interface TestRegistry extends AsyncDisposable { readonly address: string; readonly storage: string }

export async function startRegistry(folder: string): Promise<TestRegistry> {
  const port = await freePort();
  const storage = path.join(folder, 'registry');
  const config = path.join(folder, 'registry.yml');
  fs.writeFileSync(config, `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${storage}}}\nhttp: {addr: "127.0.0.1:${String(port)}"}\n`);
  const child: ChildProcess = spawn('/usr/bin/docker-registry', ['serve', config], { stdio: 'ignore' });
  await until(() => new Promise((resolve) => {
    net.connect(port, '127.0.0.1').on('connect', function () { this.destroy(); resolve(true); }).on('error', () => resolve(false));
  }), 'docker-registry listens');
  return {
    address: `127.0.0.1:${String(port)}`, storage,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await until(() => child.exitCode !== null || child.signalCode !== null, 'docker-registry ends');
    },
  };
}

/** A TCP port nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject).listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
