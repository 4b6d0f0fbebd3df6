/** What the tests with real containers share: a root file system of Debian's static busybox, a plan for it, and a way to run one. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { DEFAULT_DEVICES, DEFAULT_LINKS, MS, closeFd, memfdCreate, spawnInit, type ExitStatus, type InitPlan, type InitWarning, type MountOperation, type PlanProcess, type SpawnInitOptions } from '../../src/index.ts';

const BUSYBOX = '/bin/busybox';

/** Why tests with containers cannot run here; undefined when they can. */
export function whyNoContainers(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  return fs.existsSync(BUSYBOX) ? undefined : 'Debian package busybox-static is missing';
}

/** A temporary rootfs; removed at the end of the scope. */
export function createRootfs(): Disposable & { readonly path: string } {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-rootfs-'));
  fs.chmodSync(directory, 0o755);
  for (const name of ['bin', 'etc', 'tmp']) fs.mkdirSync(path.join(directory, name));
  fs.copyFileSync(BUSYBOX, path.join(directory, 'bin/busybox'));
  for (const applet of ['sh', 'ls', 'cat', 'ps', 'id', 'hostname', 'sleep', 'true', 'tty', 'stty', 'mkdir', 'readlink', 'stat', 'touch', 'echo', 'grep', 'mount', 'ip', 'kill', 'env', 'test', 'chmod', 'dd', 'date']) {
    fs.symlinkSync('busybox', path.join(directory, 'bin', applet));
  }
  fs.writeFileSync(path.join(directory, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n');
  return { path: directory, [Symbol.dispose]: () => { fs.rmSync(directory, { recursive: true }); } };
}

export const BASIC_MOUNTS: readonly MountOperation[] = [
  { target: '/proc', fstype: 'proc', source: 'proc', flags: MS.NOSUID | MS.NODEV | MS.NOEXEC },
  { target: '/dev', fstype: 'tmpfs', source: 'tmpfs', flags: MS.NOSUID | MS.STRICTATIME, data: 'mode=755,size=65536k' },
  { target: '/dev/pts', fstype: 'devpts', source: 'devpts', flags: MS.NOSUID | MS.NOEXEC, data: 'newinstance,ptmxmode=0666,mode=0620' },
];

/** A container with everything new but the user namespace. */
export function createPlan(rootfs: string, args: readonly string[], { process, ...rest }: Partial<Omit<InitPlan, 'process'>> & { readonly process?: Partial<PlanProcess> } = {}): InitPlan {
  return {
    kind: 'create',
    namespaces: { create: ['pid', 'mount', 'network', 'ipc', 'uts', 'cgroup'] },
    loopbackUp: true,
    rootfs: { path: rootfs },
    mounts: BASIC_MOUNTS,
    devices: DEFAULT_DEVICES,
    links: DEFAULT_LINKS,
    ...rest,
    process: { args, env: ['PATH=/bin'], ...process },
  };
}

export interface Outcome {
  readonly status: ExitStatus;
  readonly stdout: string;
  readonly stderr: string;
  readonly warnings: readonly InitWarning[];
}

/** Runs a plan to its end. Output goes to memory files, so that nothing can block. */
export async function runPlan(plan: InitPlan, options: Partial<SpawnInitOptions> = {}): Promise<Outcome> {
  const stdin = fs.openSync('/dev/null', 'r');
  const stdout = memfdCreate('stdout');
  const stderr = memfdCreate('stderr');
  const warnings: InitWarning[] = [];
  try {
    const init = await spawnInit({ plan, stdio: [stdin, stdout, stderr], onWarning: (warning) => warnings.push(warning), ...options });
    try {
      await init.ready;
      const status = await init.wait();
      return { status, stdout: readMemfd(stdout), stderr: readMemfd(stderr), warnings };
    } finally {
      init.close();
    }
  } finally {
    [stdin, stdout, stderr].forEach(closeFd);
  }
}

export function readMemfd(fd: number): string {
  const { size } = fs.fstatSync(fd);
  const buffer = Buffer.alloc(size);
  fs.readSync(fd, buffer, 0, size, 0);
  return buffer.toString();
}

/** The mounts of the test's own mount namespace at or below any of the folders; other programs may mount elsewhere meanwhile. */
export function mountsBelow(...folders: readonly string[]): string[] {
  return fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => folders.some((folder) => line.split(' ')[4]?.startsWith(folder) === true));
}

/** The numbers of the descriptors that this process has open. */
export function openDescriptors(): string[] {
  return fs.readdirSync('/proc/self/fd').map((name) => {
    try {
      return `${name} ${fs.readlinkSync(`/proc/self/fd/${name}`)}`;
    } catch {
      return ''; // The descriptor by which the directory was read.
    }
  }).filter((entry) => entry !== '');
}
