/**
 * A daemon for tests, as a process that may be killed: `node container-daemon.ts <folder> <containerd address> <runtime shim> <logger>`.
 * Its kernel port runs the usual commands; a real composition takes system calls.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { connectContainerd } from '@dray/containerd-api';
import { NetworkController } from '@dray/network';
import { createContainerService } from '../src/containers/index.ts';
import { createDaemon, listen, type DaemonConfig, type KernelPort, type Logger } from '../src/index.ts';

const [folder = '', address = '', shim = '', loggerPath = ''] = process.argv.slice(2);
const command = promisify(execFile);

const kernel: KernelPort = {
  mount: async (mount, target) => void await command('mount', ['-t', mount.type, '-o', mount.options.join(',') || 'defaults', mount.source, target]),
  unmount: async (target, options = {}) => {
    const isMounted = fs.readFileSync('/proc/self/mounts', 'utf8').split('\n').some((line) => line.split(' ')[1] === target);
    if (isMounted) await command('umount', [...(options.detach === true ? ['-l'] : []), target]);
  },
  makeFifo: async (target, mode) => void await command('mkfifo', ['-m', mode.toString(8), target]),
  makeNode: () => Promise.reject(new Error('not used in these tests')),
  copyExtendedAttributes: () => Promise.resolve(),
};

const config: DaemonConfig = {
  version: '0.1.0', gitCommit: 'test', buildTime: '2026-01-01T00:00:00Z', debug: false, experimental: false, dataRoot: path.join(folder, 'data'),
  execRoot: path.join(folder, 'exec'), containerdNamespace: 'moby', containerdAddress: address, snapshotter: 'overlayfs',
  runtimes: { test: { shim } }, defaultRuntime: 'test', loggerPath, ...(fs.existsSync('/usr/bin/docker-init') ? { initPath: '/usr/bin/docker-init' } : {}),
  liveRestore: true, logDriver: 'json-file', logOptions: {}, cgroupDriver: 'cgroupfs', cgroupParent: `/dray-test-${path.basename(folder)}`, defaultUlimits: [],
  shmSizeBytes: 64 << 20, shutdownTimeoutSeconds: 15, labels: [], registryMirrors: [], insecureRegistries: [], maxConcurrentDownloads: 3, maxConcurrentUploads: 5,
  maxDownloadAttempts: 2, network: { iptables: true, ipForward: true, ipMasquerade: true, dns: [], dnsOptions: [], dnsSearch: [] },
};

const write = (level: string) => (fields: object, message: string): void => {
  const plain = Object.fromEntries(Object.entries(fields).map(([key, value]: [string, unknown]) => [key, value instanceof Error ? value.stack : value]));
  process.stderr.write(`${JSON.stringify({ level, message, ...plain })}\n`);
};
const logger: Logger = { debug: () => undefined, info: write('info'), warn: write('warn'), error: write('error') };

const containerd = await connectContainerd(address, { namespace: config.containerdNamespace });
await containerd.waitUntilReady({ signal: AbortSignal.timeout(20_000) });
const networks = await NetworkController.open({
  stateFolder: path.join(folder, 'data/network'), runtimeFolder: path.join(folder, 'exec/network'), bridge: { name: `dt${createHash('sha256').update(folder).digest('hex').slice(0, 8)}` },
});
const daemon = await createDaemon({ config, containerd, kernel, networks, logger, createContainers: createContainerService, components: () => Promise.resolve([]) });
const listener = await listen(daemon.api, { kind: 'unix', path: path.join(folder, 'api.sock') });
process.stdout.write('ready\n');

process.once('SIGTERM', () => {
  void (async () => {
    await listener.close();
    await daemon.shutdown();
    networks.removeIdleLinks();
    await networks[Symbol.asyncDispose]();
    await containerd.close();
    process.exit(0);
  })();
});
