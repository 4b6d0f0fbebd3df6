import fs from 'node:fs';
import os from 'node:os';
import { messageOf } from './errors.ts';
import { programs } from './programs.ts';

/** One thing the engine needs of the machine. */
export interface Finding { readonly name: string; readonly isFine: boolean; readonly detail: string }

/** Oldest kernel the engine is meant for: openat2 came with 5.6, mount_setattr with 5.12. */
const KERNEL_MIN = [5, 12] as const;

/** Looks at what the engine needs of this machine. */
export async function examine(): Promise<Finding[]> {
  return [
    { name: 'root', isFine: process.getuid?.() === 0, detail: process.getuid?.() === 0 ? 'yes' : 'the engine needs root' },
    kernelVersion(),
    fileSystem('overlay'),
    ...['mnt', 'pid', 'net', 'uts', 'ipc', 'cgroup'].map((name) => fileExists(`namespace ${name}`, `/proc/self/ns/${name}`)),
    cgroups(),
    fileExists('seccomp', '/proc/sys/kernel/seccomp/actions_avail'),
    await nativePart(),
    ...(['logger', 'containerd', 'shim'] as const).map((name) => fileExists(`program ${name}`, programs()[name])),
  ];
}

function kernelVersion(): Finding {
  const [major = 0, minor = 0] = os.release().split('.').map(Number);
  const isFine = major > KERNEL_MIN[0] || (major === KERNEL_MIN[0] && minor >= KERNEL_MIN[1]);
  return { name: 'kernel', isFine, detail: isFine ? os.release() : `${os.release()}, want ${KERNEL_MIN.join('.')} or newer` };
}

function fileSystem(name: string): Finding {
  const isFine = fs.readFileSync('/proc/filesystems', 'utf8').split('\n').some((line) => line.trim().split(/\s+/).at(-1) === name);
  return { name: `file system ${name}`, isFine, detail: isFine ? 'known' : 'unknown to the kernel; load its module' };
}

function cgroups(): Finding {
  const mounts = fs.readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[2]);
  const versions = [...mounts.includes('cgroup') ? ['v1'] : [], ...mounts.includes('cgroup2') ? ['v2'] : []];
  return { name: 'cgroups', isFine: versions.length > 0, detail: versions.length > 0 ? versions.join(' and ') : 'no cgroup file system is mounted' };
}

function fileExists(name: string, file: string): Finding {
  const isFine = fs.existsSync(file);
  return { name, isFine, detail: isFine ? 'there' : `${file} is missing` };
}

async function nativePart(): Promise<Finding> {
  try {
    const { tryNative } = await import('./try-native.ts');
    tryNative();
    return { name: 'native part', isFine: true, detail: 'loads' };
  } catch (error) {
    return { name: 'native part', isFine: false, detail: messageOf(error) };
  }
}
