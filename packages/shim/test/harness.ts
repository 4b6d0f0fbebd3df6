/** Stands in for containerd: makes bundles, starts the shim, receives its events. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BootstrapParams, BootstrapResult } from '@dray/containerd-api/bootstrap';
import { TaskCreate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskExit, TaskOOM, TaskPaused, TaskResumed, TaskStart } from '@dray/containerd-api/events';
import { Options } from '@dray/containerd-api/runc-options';
import { DeleteResponse, TaskV2Definition, TaskV3Definition } from '@dray/containerd-api/task';
import { EventsDefinition } from '@dray/containerd-api/ttrpc-events';
import { packAny, typeNameOf } from '@dray/containerd-api';
import type { Any } from '@dray/containerd-api/types';
import { createTtrpcClient, TtrpcClient, TtrpcServer, type TtrpcServiceClient } from '@dray/ttrpc';

export const shimBinary: string = path.join(import.meta.dirname, '../bin/containerd-shim-dray-v2.mjs');
const NAMESPACE = 'test';
const applets = ['sh', 'cat', 'echo', 'sleep', 'true', 'false', 'ls', 'stty', 'head', 'seq', 'wc', 'kill', 'id', 'env', 'tail', 'dd', 'ps', 'readlink'];

function missing(): string {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync('/bin/busybox')) return 'needs busybox-static';
  if (!existsSync(path.join(import.meta.dirname, '../../libcontainer-native/build/bin/dray-monitor'))) return 'needs the native build';
  return '';
}

/** Why the suites cannot run here; for their names. Empty when they can. */
export const skipReason: string = missing() === '' ? '' : ` (skipped: ${missing()})`;
export const runcBinary: string | undefined = ['/usr/sbin/runc', '/usr/bin/runc'].find((file) => existsSync(file));

const eventTypes = { TaskCreate, TaskStart, TaskExit, TaskDelete, TaskExecAdded, TaskExecStarted, TaskOOM, TaskPaused, TaskResumed };

export interface ReceivedEvent {
  readonly topic: string;
  readonly body: Readonly<Record<string, unknown>>;
}

function unpack(event: Any | undefined): Readonly<Record<string, unknown>> {
  if (event === undefined) return {};
  const type = Object.values(eventTypes).find(({ $type }) => $type === typeNameOf(event));
  if (type === undefined) throw new Error(`unknown event ${event.typeUrl}`);
  return { ...type.decode(event.value) };
}

export interface BundleOptions {
  readonly args: readonly string[];
  readonly terminal?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: Readonly<Record<string, unknown>>;
  readonly namespaces?: readonly string[];
}

export type TaskClient = TtrpcServiceClient<typeof TaskV2Definition>;

/** One "containerd": a state folder, an events server, any number of shims. */
export class Harness implements AsyncDisposable {
  readonly folder: string;
  readonly events: ReceivedEvent[] = [];
  readonly #server = new TtrpcServer();
  readonly #clients: TtrpcClient[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #sockets = new Set<string>();
  readonly binaryName: string;
  isDeaf = false;

  private constructor(binaryName: string) {
    this.binaryName = binaryName;
    this.folder = mkdtempSync(path.join(tmpdir(), 'dray-shim-'));
  }

  /** `binaryName` is the runtime: empty for the built-in one. */
  static async open({ binaryName = '' }: { readonly binaryName?: string } = {}): Promise<Harness> {
    const harness = new Harness(binaryName);
    mkdirSync(path.join(harness.folder, 'ns'), { mode: 0o711 });
    harness.#server.register(EventsDefinition, {
      forward: ({ envelope }) => {
        if (harness.isDeaf) throw new Error('not now');
        harness.events.push({ topic: envelope?.topic ?? '', body: unpack(envelope?.event) });
        for (const wake of harness.#waiting) wake();
        return {};
      },
    });
    await harness.#server.listen({ path: harness.ttrpcAddress });
    return harness;
  }

  get ttrpcAddress(): string {
    return path.join(this.folder, 'events.sock');
  }

  get grpcAddress(): string {
    return path.join(this.folder, 'containerd.sock');
  }

  bundle(id: string): string {
    return path.join(this.folder, 'ns', id);
  }

  makeBundle(id: string, { args, terminal = false, annotations = {}, linux = {}, namespaces = ['pid', 'mount', 'ipc', 'uts'] }: BundleOptions): string {
    const bundle = this.bundle(id);
    for (const folder of ['bin', 'proc', 'dev', 'sys', 'tmp', 'etc']) mkdirSync(path.join(bundle, 'rootfs', folder), { recursive: true });
    cpSync('/bin/busybox', path.join(bundle, 'rootfs/bin/busybox'));
    for (const applet of applets) symlinkSync('busybox', path.join(bundle, 'rootfs/bin', applet));
    const capabilities = ['CAP_KILL', 'CAP_CHOWN', 'CAP_SETUID', 'CAP_SETGID'];
    const spec = {
      ociVersion: '1.0.2',
      process: {
        terminal, user: { uid: 0, gid: 0 }, args, env: ['PATH=/bin', 'TERM=xterm'], cwd: '/',
        capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities }, noNewPrivileges: true,
      },
      root: { path: 'rootfs', readonly: false },
      hostname: id,
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
        { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'] },
      ],
      annotations,
      linux: { cgroupsPath: `/${path.basename(this.folder)}/${id}`, namespaces: namespaces.map((type) => ({ type })), ...linux },
    };
    writeFileSync(path.join(bundle, 'config.json'), JSON.stringify(spec));
    return bundle;
  }

  options(): Any {
    return packAny(Options, { binaryName: this.binaryName, root: path.join(this.folder, 'runtime') });
  }

  #arguments(id: string): string[] {
    return ['-namespace', NAMESPACE, '-address', this.grpcAddress, '-publish-binary', '/bin/false', '-id', id];
  }

  /** Runs the `start` command; `input` is its standard input. @returns what it printed, stdout and stderr together */
  async startCommand(id: string, input: Uint8Array = new Uint8Array(), extraEnv: Readonly<Record<string, string>> = {}): Promise<Buffer> {
    const child = spawn(shimBinary, [...this.#arguments(id), 'start'], { cwd: this.bundle(id), env: { ...process.env, TTRPC_ADDRESS: this.ttrpcAddress, GRPC_ADDRESS: this.grpcAddress, NAMESPACE, MAX_SHIM_VERSION: '2', ...extraEnv } });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    await once(child, 'close');
    if (child.exitCode !== 0) throw new Error(`start exited ${child.exitCode}: ${Buffer.concat(chunks).toString()}`);
    return Buffer.concat(chunks);
  }

  /** Runs the `delete` command. */
  async deleteCommand(id: string): Promise<DeleteResponse> {
    const child = spawn(shimBinary, [...this.#arguments(id), '-bundle', this.bundle(id), 'delete'], { cwd: this.bundle(id), stdio: ['ignore', 'pipe', 'inherit'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(child, 'close');
    if (child.exitCode !== 0) throw new Error(`delete exited ${child.exitCode}`);
    return DeleteResponse.decode(Buffer.concat(chunks));
  }

  bootstrapParams(id: string): Uint8Array {
    return BootstrapParams.encode(BootstrapParams.fromPartial({ instanceId: id, namespace: NAMESPACE, containerdVersion: '2.3.0', extensions: [{ value: this.options() }] })).finish();
  }

  decodeAnswer(bytes: Uint8Array): BootstrapResult {
    return BootstrapResult.decode(bytes);
  }

  /** Starts the shim for a container and connects as containerd 1.x would. */
  async connect(id: string): Promise<TaskClient> {
    const answer = (await this.startCommand(id)).toString();
    return this.dial(answer);
  }

  async dial(address: string): Promise<TaskClient> {
    this.#sockets.add(address.replace('unix://', ''));
    const client = await TtrpcClient.connect(address.replace('unix://', ''));
    this.#clients.push(client);
    return createTtrpcClient(TaskV2Definition, client);
  }

  async dialV3(address: string): Promise<TtrpcServiceClient<typeof TaskV3Definition>> {
    const client = await TtrpcClient.connect(address.replace('unix://', ''));
    this.#clients.push(client);
    return createTtrpcClient(TaskV3Definition, client);
  }

  /** Waits for an event. */
  async event(topic: string, matches: (body: Readonly<Record<string, unknown>>) => boolean = () => true): Promise<ReceivedEvent> {
    for (;;) {
      const found = this.events.find((event) => event.topic === topic && matches(event.body));
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  topics(containerId: string): string[] {
    return this.events.filter(({ body }) => body['containerId'] === containerId).map(({ topic, body }) => (topic === '/tasks/exit' && body['id'] !== containerId ? '/tasks/exit(exec)' : topic));
  }

  /** Kills the serving process as a crash would, and waits for its connections to break. */
  async crash(task: TaskClient): Promise<void> {
    const { shimPid } = await task.connect({ id: '' });
    const broken = Promise.all(this.#clients.map(({ closed }) => closed));
    process.kill(shimPid, 'SIGKILL');
    await broken;
    this.#clients.length = 0;
  }

  fifo(name: string): string {
    const file = path.join(this.folder, name);
    execFileSync('mkfifo', [file]);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pids = new Set<number>();
    for (const client of this.#clients) {
      await createTtrpcClient(TaskV2Definition, client).connect({ id: '' }, { timeoutMs: 2000 }).then(({ shimPid }) => pids.add(shimPid), () => undefined);
      await client.close().catch(() => undefined);
    }
    for (const id of existsSync(path.join(this.folder, 'ns')) ? execFileSync('ls', [path.join(this.folder, 'ns')], { encoding: 'utf8' }).split('\n').filter((name) => name !== '') : []) {
      if (existsSync(path.join(this.bundle(id), 'dray-task.json'))) await this.deleteCommand(id).catch((error: unknown) => { console.error(error); });
    }
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch { /* it has ended */ }
    }
    for (const socket of this.#sockets) rmSync(socket, { force: true });
    await this.#server.close();
    for (const controller of ['cpu', 'cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids', 'systemd', 'unified', '']) {
      try {
        execFileSync('find', [path.join('/sys/fs/cgroup', controller, path.basename(this.folder)), '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';'], { stdio: 'ignore' });
      } catch { /* there is none */ }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function readAll(file: string): string {
  return readFileSync(file, 'utf8');
}

/** The command lines of this folder's monitors that are alive. */
export function monitorsOf(folder: string): string[] {
  return execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).split('\n').filter((line) => line.startsWith('dray-monitor') && line.includes(`${folder}/`));
}
