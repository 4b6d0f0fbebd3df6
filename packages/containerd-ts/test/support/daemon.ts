import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why these tests cannot run here, or undefined. */
export const missing: string | undefined = findMissing();

function findMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  for (const [tool, path] of [['ctr and containerd-shim-runc-v2 of Debian\'s containerd', '/usr/bin/ctr'], ['runc', '/usr/sbin/runc'], ['busybox-static', '/bin/busybox']] as const) {
    if (!existsSync(path)) return `${tool} is not installed`;
  }
  return undefined;
}

/** What a command ended with. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A dray-containerd of its own, in a folder of its own. */
export class TestDaemon implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'dctd-'));
  readonly socket: string = join(this.folder, 'c.sock');
  #child: ChildProcess | undefined;

  /** Starts the daemon and waits until it serves. */
  static async start(): Promise<TestDaemon> {
    const daemon = new TestDaemon();
    await daemon.start();
    return daemon;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8');
  }

  async start(): Promise<void> {
    const child = this.spawn();
    this.#child = child;
    for await (const chunk of child.stderr ?? []) {
      writeFileSync(join(this.folder, 'log'), String(chunk), { flag: 'a' });
      if (String(chunk).includes('dray-containerd serves')) break;
    }
    if (child.exitCode !== null) throw new Error(`daemon ended: ${this.log}`);
  }

  /** Starts another process with this daemon's flags. */
  spawn(): ChildProcess {
    const main = join(import.meta.dirname, '../../src/main.ts');
    const script = `import(${JSON.stringify(main)}).then((m) => m.main(process.argv.slice(1))).then((code) => process.exit(code))`;
    const args = ['--conditions=@dray/source', '--disable-warning=ExperimentalWarning', '-e', script, '--'];
    const flags = ['--root', join(this.folder, 'root'), '--state', join(this.folder, 'state'), '--address', this.socket];
    return spawn(process.execPath, [...args, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  /** Ends the daemon and waits until it is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    child.kill(signal);
    return await exited;
  }

  /** Runs ctr against this daemon. */
  ctr(...args: string[]): Promise<Finished> {
    return run('ctr', ['-a', this.socket, ...args]);
  }

  /** Runs ctr and expects that it works. */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.ctr(...args);
    if (code !== 0) throw new Error(`ctr ${args.join(' ')} exited ${String(code)}: ${stderr}\n${this.log.slice(-2000)}`);
    return stdout.trim();
  }

  /** Starts ctr and hands out its lines. */
  follow(...args: string[]): { readonly lines: string[]; readonly child: ChildProcess } {
    const child = spawn('ctr', ['-a', this.socket, ...args], { stdio: ['ignore', 'pipe', 'ignore'], env: ctrEnvironment() });
    const lines: string[] = [];
    child.stdout.on('data', (chunk: Buffer) => lines.push(...chunk.toString().split('\n').filter((line) => line !== '')));
    return { lines, child };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) {
      for (const id of (await this.ctr('task', 'ls', '-q')).stdout.split('\n').filter((line) => line !== '')) await this.ctr('task', 'rm', '-f', id);
    }
    await this.end('SIGTERM');
    for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
      const path = line.split(' ')[1];
      if (path?.startsWith(this.folder) === true) execFileSync('umount', ['-l', path]);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function ctrEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS: '1' };
}

/** Runs a command to its end. */
export function run(file: string, args: readonly string[]): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(file, args, { env: ctrEnvironment(), timeout: 30_000 }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
    });
  });
}

/** Waits until something is so. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The name under which {@link makeImageArchive}'s image is imported. */
export const IMAGE = 'docker.io/library/dray-test:busybox';

/** Makes a docker archive of an image with busybox in it. Returns its path. */
export function makeImageArchive(folder: string): string {
  const rootfs = join(folder, 'rootfs');
  mkdirSync(join(rootfs, 'bin'), { recursive: true });
  for (const name of ['etc', 'tmp', 'proc', 'dev', 'sys']) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
  for (const applet of ['sh', 'echo', 'cat', 'sleep', 'true', 'ls', 'kill']) symlinkSync('busybox', join(rootfs, 'bin', applet));
  const image = join(folder, 'image');
  mkdirSync(image);
  execFileSync('tar', ['-C', rootfs, '--numeric-owner', '--owner=0', '--group=0', '-cf', join(image, 'layer.tar'), '.']);
  const diffId = `sha256:${createHash('sha256').update(readFileSync(join(image, 'layer.tar'))).digest('hex')}`;
  const config = { architecture: 'amd64', os: 'linux', config: { Env: ['PATH=/bin'], Cmd: ['sh'] }, rootfs: { type: 'layers', diff_ids: [diffId] }, history: [{ created: '2024-01-01T00:00:00Z' }] };
  writeFileSync(join(image, 'config.json'), JSON.stringify(config));
  writeFileSync(join(image, 'manifest.json'), JSON.stringify([{ Config: 'config.json', RepoTags: ['dray-test:busybox'], Layers: ['layer.tar'] }]));
  const archive = join(folder, 'image.tar');
  execFileSync('tar', ['-C', image, '-cf', archive, 'manifest.json', 'config.json', 'layer.tar']);
  return archive;
}
