import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectContainerd } from '@dray/containerd-api';
import { type ContainerService, type Daemon, type DaemonConfig, type KernelPort, type NetworkBackend, createDaemon, listen, silentLogger } from '../src/index.ts';
import type { ContainerReference } from '../src/containers/container-service.ts';

/** Why the tests against Debian's containerd cannot run, or undefined. */
export const missing: string | undefined = process.getuid?.() !== 0 ? 'not root' : ['/usr/bin/containerd', '/bin/busybox', '/usr/bin/docker-registry'].find((file) => !fs.existsSync(file));

/** The docker CLI. */
export const docker: string = ['/usr/local/bin/docker', '/usr/bin/docker'].find((file) => fs.existsSync(file)) ?? 'docker';

/** What a command printed and how it ended. */
export interface Finished { readonly code: number; readonly stdout: string; readonly stderr: string; readonly bytes: Buffer }

/** Runs a command with `input`. */
export function run(file: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv; input?: Buffer | string } = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: options.env ?? process.env, stdio: ['pipe', 'pipe', 'pipe'] });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined); // a command may end before it has read its input
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 255, bytes: Buffer.concat(out), stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }));
    child.stdin.end(options.input ?? '');
  });
}

/** A daemon on Debian's containerd without containers, in a temporary folder. */
export interface TestDaemon extends AsyncDisposable {
  readonly folder: string;
  readonly daemon: Daemon;
  readonly containerdAddress: string;
  readonly references: ContainerReference[];
  docker(...args: string[]): Promise<Finished>;
  dockerWithInput(input: Buffer | string, ...args: string[]): Promise<Finished>;
  /** Runs docker and fails unless it exits 0. */
  ok(...args: string[]): Promise<string>;
}

/** Starts Debian's containerd and a daemon on it. */
export async function startTestDaemon(): Promise<TestDaemon> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-api-'));
  const containerdAddress = path.join(folder, 'containerd.sock');
  fs.writeFileSync(path.join(folder, 'containerd.toml'), `version = 2\nroot = "${folder}/root"\nstate = "${folder}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "${containerdAddress}"\n`);
  const log = fs.openSync(path.join(folder, 'containerd.log'), 'w');
  const containerdProcess = spawn('/usr/bin/containerd', ['--config', path.join(folder, 'containerd.toml')], { stdio: ['ignore', log, log] });
  fs.closeSync(log);
  const containerd = await connectContainerd(containerdAddress, { namespace: 'moby' });
  await containerd.waitUntilReady({ signal: AbortSignal.timeout(20_000) });
  const references: ContainerReference[] = [];
  const config = testConfig(folder, containerdAddress);
  const daemon = await createDaemon({
    config, containerd, kernel: testKernel, networks: noNetworks, logger: silentLogger, createContainers: async () => containersOf(references),
    components: async () => [{ name: 'runc', version: '1', gitCommit: '' }, { name: 'docker-init', version: '', gitCommit: '' }],
  });
  const socket = path.join(folder, 'api.sock');
  const listener = await listen(daemon.api, { kind: 'unix', path: socket });
  const env = { ...process.env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: path.join(folder, 'client'), DOCKER_CLI_HINTS: 'false' };
  return {
    folder, daemon, containerdAddress, references,
    docker: (...args) => run(docker, args, { env }),
    dockerWithInput: (input, ...args) => run(docker, args, { env, input }),
    async ok(...args) {
      const finished = await run(docker, args, { env });
      if (finished.code !== 0) throw new Error(`docker ${args.join(' ')}: ${finished.stderr}${finished.stdout}`);
      return finished.stdout.trim();
    },
    async [Symbol.asyncDispose]() {
      listener.destroy();
      await listener.close();
      await containerd.close();
      await endProcess(containerdProcess);
      for (const line of fs.readFileSync('/proc/self/mounts', 'utf8').split('\n').reverse()) {
        const target = line.split(' ')[1] ?? '';
        if (target.startsWith(folder)) execFileSync('umount', ['-l', target]);
      }
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}

/** A registry of Debian's on a free port. */
export async function startRegistry(folder: string): Promise<AsyncDisposable & { address: string }> {
  const port = 20_000 + Math.trunc(Math.random() * 20_000);
  fs.writeFileSync(path.join(folder, 'registry.yml'), `version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ${folder}/registry\nhttp:\n  addr: 127.0.0.1:${port}\n`);
  const child = spawn('/usr/bin/docker-registry', ['serve', path.join(folder, 'registry.yml')], { stdio: 'ignore' });
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const isUp = await fetch(`http://127.0.0.1:${port}/v2/`).then((response) => response.ok, () => false);
    if (isUp) break;
    await sleep(50);
  }
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: () => endProcess(child) };
}

function testConfig(folder: string, containerdAddress: string): DaemonConfig {
  return {
    version: '1.2.3', gitCommit: 'abc', buildTime: '2026-01-01T00:00:00Z', debug: false, experimental: false, dataRoot: path.join(folder, 'data'), execRoot: path.join(folder, 'exec'),
    containerdNamespace: 'moby', containerdAddress, snapshotter: 'overlayfs', runtimes: { runc: { shim: 'io.containerd.runc.v2' } }, defaultRuntime: 'runc', loggerPath: '/bin/false',
    liveRestore: false, logDriver: 'json-file', logOptions: {}, cgroupDriver: 'cgroupfs', defaultUlimits: [], shmSizeBytes: 64 << 20, shutdownTimeoutSeconds: 15, labels: [], registryMirrors: [],
    insecureRegistries: [], maxConcurrentDownloads: 3, maxConcurrentUploads: 5, maxDownloadAttempts: 2,
    network: { iptables: true, ipForward: true, ipMasquerade: true, dns: [], dnsOptions: [], dnsSearch: [] },
  };
}

const unused = async (): Promise<never> => { throw new Error('not used in these tests'); };
const testKernel: KernelPort = { mount: unused, unmount: async () => undefined, makeFifo: unused, makeNode: unused, copyExtendedAttributes: async () => undefined };
const noNetworks: NetworkBackend = {
  list: () => [], get: () => { throw new Error('no networks'); }, endpoints: () => [], create: () => { throw new Error('no networks'); }, remove: () => { throw new Error('no networks'); },
  prepareSandbox: unused, sandbox: () => undefined, releaseSandbox: async () => undefined, connect: () => { throw new Error('no networks'); }, disconnect: () => { throw new Error('no networks'); }, rename: () => undefined,
};

function containersOf(references: ContainerReference[]): ContainerService {
  return { routes: [], steps: { create: unused, run: unused, remove: unused, layers: unused, withMounts: unused }, references: () => references, usage: async () => [], find: () => { throw new Error('no containers'); }, connectNetwork: unused, disconnectNetwork: unused, shutdown: async () => undefined };
}

/** A `docker save` archive of a small image, made by tar alone. */
export async function busyboxArchive(folder: string, tag = 'busybox:latest'): Promise<string> {
  const { createHash } = await import('node:crypto');
  const work = fs.mkdtempSync(path.join(folder, 'image-'));
  fs.mkdirSync(path.join(work, 'rootfs/bin'), { recursive: true });
  fs.copyFileSync('/bin/busybox', path.join(work, 'rootfs/bin/busybox'));
  fs.symlinkSync('busybox', path.join(work, 'rootfs/bin/sh'));
  execFileSync('tar', ['--sort=name', '--numeric-owner', '--owner=0', '--group=0', '--mtime=@1700000000', '-C', path.join(work, 'rootfs'), '-cf', path.join(work, 'layer.tar'), '.']);
  const diffId = `sha256:${createHash('sha256').update(fs.readFileSync(path.join(work, 'layer.tar'))).digest('hex')}`;
  const config = JSON.stringify({ architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux', created: '2023-11-14T22:13:20Z', config: { Cmd: ['sh'], Labels: { who: 'test' } }, rootfs: { type: 'layers', diff_ids: [diffId] }, history: [{ created: '2023-11-14T22:13:20Z', created_by: 'fixture' }] });
  const name = `${createHash('sha256').update(config).digest('hex')}.json`;
  fs.writeFileSync(path.join(work, name), config);
  fs.writeFileSync(path.join(work, 'manifest.json'), JSON.stringify([{ Config: name, RepoTags: [tag], Layers: ['layer.tar'] }]));
  const archive = path.join(folder, `${tag.replaceAll(/\W/g, '-')}.tar`);
  execFileSync('tar', ['-C', work, '-cf', archive, 'manifest.json', name, 'layer.tar']);
  return archive;
}
