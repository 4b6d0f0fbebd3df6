import { describe, expect, it } from 'vitest';
import { CgroupV2 } from './cgroup-v2.ts';
import { DEFAULT_DEVICE_RULES } from './device-rules.ts';
import { type FakeKernel, fakeKernel } from './testing/fake-kernel.ts';

const ROOT = '/sys/fs/cgroup';
const LEAF = `${ROOT}/dray/box`;
const CONTROLLERS = 'cpuset cpu io memory pids\n';

describe('CgroupV2', () => {
  it('makes its directories and hands all controllers down', () => {
    const kernel = freshTree();
    open(kernel).create();
    expect(kernel.folders.has(LEAF)).toBe(true);
    expect(kernel.writes).toEqual([`${ROOT}/cgroup.subtree_control=+cpuset +cpu +io +memory +pids`, `${ROOT}/dray/cgroup.subtree_control=+cpuset +cpu +io +memory +pids`]);
  });

  it('needs no write where the parents hand everything down already', () => {
    const kernel = freshTree();
    open(kernel).create();
    kernel.writes.length = 0;
    open(kernel, `${ROOT}/dray/other`).create();
    expect(kernel.writes).toEqual([]);
  });

  it('enables what it can when one controller is refused', () => {
    const kernel = freshTree();
    kernel.refuse = (path, value) => (path.endsWith('subtree_control') && value.includes('+cpu ') ? 'EINVAL' : undefined);
    open(kernel).create();
    expect(kernel.writes).toContain(`${ROOT}/cgroup.subtree_control=+memory`);
  });

  it('refuses a directory that holds processes', () => {
    const kernel = freshTree();
    open(kernel).create();
    kernel.files.set(`${LEAF}/cgroup.procs`, '12\n13\n');
    expect(() => { open(kernel).create(); }).toThrow(expect.objectContaining({ code: 'CGROUP_NOT_EMPTY', message: "container's cgroup is not empty: 2 process(es) found" }));
  });

  it('makes a group threaded below threads, and refuses memory limits there', () => {
    const kernel = freshTree();
    const cgroup = open(kernel);
    const normal = kernel.newFiles;
    kernel.newFiles = (directory) => ({ ...normal(directory), 'cgroup.type': 'domain invalid\n', 'cgroup.controllers': 'cpu\n' });
    cgroup.create();
    expect(kernel.writes).toContain(`${LEAF}/cgroup.type=threaded`);
    expect(() => { cgroup.apply({ memory: { limit: 1 } }); }).toThrow('with domain controllers -- it is in threaded mode');
  });

  it('forgives a missing right only when it is rootless, and only until a limit needs it', () => {
    const kernel = freshTree();
    kernel.refuse = (path) => (path.startsWith(ROOT) ? 'EACCES' : undefined);
    expect(() => { open(kernel).create(); }).toThrow('EACCES');
    const soft = new CgroupV2({ kernel, mountpoint: ROOT, directory: LEAF, soft: true, devices: { replace: () => undefined } });
    soft.create();
    expect(() => { soft.apply({ pids: { limit: 1 } }); }).toThrow('ENOENT');
  });

  it('forgives a missing swap file where the limit says nothing', () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    kernel.files.delete(`${LEAF}/memory.swap.max`);
    cgroup.apply({ memory: { limit: 100, swap: 100 } });
    expect(() => { cgroup.apply({ memory: { limit: 100, swap: 150 } }); }).toThrow('ENOENT');
  });

  it('names the controller that a unified setting misses', () => {
    const cgroup = created(freshTree());
    expect(() => { cgroup.apply({ unified: { 'hugetlb.2MB.max': '1' } }); }).toThrow('unified resource "hugetlb.2MB.max" can\'t be set: controller "hugetlb" not available');
  });

  it('refuses a limit below what is in use when asked to look', () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    kernel.files.set(`${LEAF}/memory.current`, '500\n');
    expect(() => { cgroup.apply({ memory: { limit: 400, checkBeforeUpdate: true } }); }).toThrow('rejecting memory limit 400 <= usage 500');
  });

  it('replaces the device program only when rules are given', () => {
    const replaced: string[] = [];
    const kernel = freshTree();
    const cgroup = new CgroupV2({ kernel, mountpoint: ROOT, directory: LEAF, soft: false, devices: { replace: (directory) => replaced.push(directory) } });
    cgroup.create();
    cgroup.apply({ pids: { limit: 5 } });
    expect(replaced).toEqual([]);
    cgroup.apply({ devices: DEFAULT_DEVICE_RULES });
    expect(replaced).toEqual([LEAF]);
  });

  it('freezes until the kernel says so, and thaws when it never does', async () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    kernel.react = (path, value) => { if (path.endsWith('cgroup.freeze')) kernel.files.set(`${LEAF}/cgroup.events`, `populated 1\nfrozen ${value}\n`); };
    await cgroup.freeze();
    expect(cgroup.isFrozen()).toBe(true);
    await cgroup.thaw();
    expect(cgroup.isFrozen()).toBe(false);
    kernel.react = () => undefined;
    kernel.files.set(`${LEAF}/cgroup.events`, 'populated 1\nfrozen 0\n');
    await expect(cgroup.freeze()).rejects.toMatchObject({ code: 'FREEZE_FAILED' });
    expect(kernel.writes.at(-1)).toBe(`${LEAF}/cgroup.freeze=0`);
  });

  it('kills by one write, and process by process on an old kernel', async () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    await cgroup.signalAll(9);
    expect(kernel.writes.at(-1)).toBe(`${LEAF}/cgroup.kill=1`);
    kernel.files.delete(`${LEAF}/cgroup.kill`);
    kernel.files.set(`${LEAF}/cgroup.procs`, '7\n8\n');
    kernel.files.set(`${LEAF}/cgroup.events`, 'frozen 1\n');
    await cgroup.signalAll(9);
    expect(kernel.signals).toEqual([[7, 9], [8, 9]]);
    expect(kernel.writes.at(-1)).toBe(`${LEAF}/cgroup.freeze=0`);
  });

  it('lists processes of groups below, and deletes those first', async () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    kernel.mkdir(`${LEAF}/sub`);
    kernel.files.set(`${LEAF}/sub/cgroup.procs`, '9\n');
    expect(cgroup.pids()).toEqual([9]);
    kernel.files.set(`${LEAF}/sub/cgroup.procs`, '');
    await cgroup.delete();
    expect(cgroup.exists()).toBe(false);
    await cgroup.delete();
  });

  it('reports counters in the shape of v1', () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    const values = {
      'cpu.stat': 'usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 3\nthrottled_usec 2\n',
      'memory.current': '100\n', 'memory.max': 'max\n', 'memory.peak': '150\n', 'memory.swap.current': '5\n', 'memory.swap.max': '7\n', 'memory.stat': 'anon 60\nfile 40\n', 'memory.events': 'max 2\noom_kill 1\n',
      'pids.current': '3\n', 'pids.max': 'max\n', 'io.stat': '8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n',
    };
    for (const [name, text] of Object.entries(values)) kernel.files.set(`${LEAF}/${name}`, text);
    expect(cgroup.stats()).toMatchObject({
      cpu: { totalNanos: 30_000n, userNanos: 20_000n, kernelNanos: 10_000n, periods: 4n, throttledPeriods: 3n, throttledNanos: 2000n },
      memory: { usage: { usage: 100n, limit: 0xffff_ffff_ffff_ffffn, max: 150n, failcnt: 2n }, swap: { usage: 105n }, cache: 40n, events: { oom_kill: 1n } },
      pids: { current: 3, limit: 0 },
      blkio: { ioServiceBytesRecursive: expect.arrayContaining([{ major: 8, minor: 0, op: 'Write', value: 2n }]) as unknown[] },
    });
  });
});

function open(kernel: FakeKernel, directory: string = LEAF): CgroupV2 {
  return new CgroupV2({ kernel, mountpoint: ROOT, directory, soft: false, devices: { replace: () => undefined } });
}

function created(kernel: FakeKernel): CgroupV2 {
  const cgroup = open(kernel);
  cgroup.create();
  return cgroup;
}

/** A hierarchy as it is after boot: a new directory has the controllers that its parent's subtree_control names. */
function freshTree(): FakeKernel {
  const kernel = fakeKernel({ [`${ROOT}/cgroup.controllers`]: CONTROLLERS, [`${ROOT}/cgroup.subtree_control`]: '\n' });
  kernel.newFiles = (directory) => ({
    'cgroup.type': 'domain\n',
    'cgroup.procs': '',
    'cgroup.controllers': kernel.files.get(`${directory.slice(0, directory.lastIndexOf('/'))}/cgroup.subtree_control`)?.replaceAll('+', '') ?? '\n',
    'cgroup.subtree_control': '\n',
    'cgroup.freeze': '0\n',
    'cgroup.kill': '',
    'cgroup.events': 'populated 0\nfrozen 0\n',
    'pids.max': 'max\n',
    'memory.max': 'max\n',
    'memory.swap.max': 'max\n',
  });
  // Enabling a controller shows in the children that are there already.
  kernel.react = (path, value) => {
    if (!path.endsWith('/cgroup.subtree_control')) return;
    const directory = path.slice(0, path.lastIndexOf('/'));
    for (const child of kernel.directories(directory)) kernel.files.set(`${directory}/${child}/cgroup.controllers`, value.replaceAll('+', ''));
  };
  return kernel;
}
