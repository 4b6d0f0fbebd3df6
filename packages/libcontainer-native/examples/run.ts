// Runs a program in a container of its own, on a root file system in a folder:  run.ts ROOTFS PROGRAM [ARGUMENT…]
import { DEFAULT_DEVICES, DEFAULT_LINKS, MS, spawnInit, type InitPlan } from '@dray/libcontainer';

const [rootfs, ...args] = process.argv.slice(2);
if (rootfs === undefined || args.length === 0) throw new Error('usage: run.ts ROOTFS PROGRAM [ARGUMENT…]');

const plan: InitPlan = {
  kind: 'create',
  namespaces: { create: ['pid', 'mount', 'network', 'ipc', 'uts'] },
  loopbackUp: true,
  hostname: 'example',
  rootfs: { path: rootfs },
  mounts: [
    { target: '/proc', fstype: 'proc', flags: MS.NOSUID | MS.NODEV | MS.NOEXEC },
    { target: '/dev', fstype: 'tmpfs', flags: MS.NOSUID, data: 'mode=755' },
  ],
  devices: DEFAULT_DEVICES,
  links: DEFAULT_LINKS,
  maskedPaths: ['/proc/kcore', '/proc/keys'],
  readonlyPaths: ['/proc/sys'],
  process: { args, env: ['PATH=/usr/bin:/bin'], noNewPrivileges: true },
};

const init = await spawnInit({ plan, stdio: [0, 1, 2], onWarning: ({ message }) => { console.error(`warning: ${message}`); } });
try {
  await init.ready;
  const { code, signal } = await init.wait();
  process.exitCode = code ?? 128 + signal;
} finally {
  init.close();
}
