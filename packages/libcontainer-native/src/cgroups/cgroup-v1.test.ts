import { describe, expect, it } from 'vitest';
import { CgroupV1 } from './cgroup-v1.ts';
import { type FakeKernel, fakeKernel } from './testing/fake-kernel.ts';

const BASE = '/sys/fs/cgroup';
const PATHS = Object.fromEntries(['cpuset', 'devices', 'memory', 'cpu', 'freezer', 'pids'].map((controller) => [controller, `${BASE}/${controller}/dray/box`]));

describe('CgroupV1', () => {
  it('makes a directory per hierarchy and fills every new cpuset from its parent', () => {
    const kernel = freshTree();
    created(kernel);
    expect(kernel.writes).toEqual([`${BASE}/cpuset/dray/cpuset.cpus=0-3`, `${BASE}/cpuset/dray/cpuset.mems=0`, `${BASE}/cpuset/dray/box/cpuset.cpus=0-3`, `${BASE}/cpuset/dray/box/cpuset.mems=0`]);
  });

  it('is joined through the tasks files', () => {
    expect(created(freshTree()).joinFiles).toContain(`${BASE}/memory/dray/box/tasks`);
  });

  it.each([
    ['lowering: memory first', { limit: 100, swap: 200 }, '9223372036854771712', ['memory.limit_in_bytes=100', 'memory.memsw.limit_in_bytes=200']],
    ['raising: swap first', { limit: 100, swap: 200 }, '50', ['memory.memsw.limit_in_bytes=200', 'memory.limit_in_bytes=100']],
    ['unlimited swap first', { limit: 100, swap: -1 }, '9223372036854771712', ['memory.memsw.limit_in_bytes=-1', 'memory.limit_in_bytes=100']],
    ['unlimited memory takes swap along', { limit: -1 }, '100', ['memory.memsw.limit_in_bytes=-1', 'memory.limit_in_bytes=-1']],
  ])('orders memory limits for %s', (_name, memory, current, expected) => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    kernel.files.set(`${PATHS['memory'] ?? ''}/memory.limit_in_bytes`, `${current}\n`);
    kernel.writes.length = 0;
    cgroup.apply({ memory });
    expect(kernel.writes.map((each) => each.slice(each.lastIndexOf('/') + 1))).toEqual(expected);
  });

  it('tells how much is in use when a limit is too low', () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    kernel.refuse = (path) => (path.endsWith('memory.limit_in_bytes') ? 'EBUSY' : undefined);
    expect(() => { cgroup.apply({ memory: { limit: 1000 } }); }).toThrow('unable to set memory limit to 1000 (current usage: 5000, peak usage: 6000)');
  });

  it('tells when the kernel clamped the shares', () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    kernel.react = (path, value) => { if (path.endsWith('cpu.shares')) kernel.files.set(path, `${Math.min(262144, Math.max(2, Number(value)))}\n`); };
    expect(() => { cgroup.apply({ cpu: { shares: 1 } }); }).toThrow('the minimum allowed cpu-shares is 2');
    expect(() => { cgroup.apply({ cpu: { shares: 300_000 } }); }).toThrow('the maximum allowed cpu-shares is 262144');
  });

  it('writes the period again behind the quota when the old quota forbids it', () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    let refusals = 1;
    kernel.refuse = (path) => (path.endsWith('cpu.cfs_period_us') && refusals-- > 0 ? 'EINVAL' : undefined);
    kernel.writes.length = 0;
    cgroup.apply({ cpu: { period: 1000, quota: 500 } });
    expect(kernel.writes.map((each) => each.slice(each.lastIndexOf('/') + 1))).toEqual(['cpu.cfs_quota_us=500', 'cpu.cfs_period_us=1000']);
  });

  it('names a controller that is missing', () => {
    expect(() => { created(freshTree()).apply({ hugepageLimits: [{ pageSize: '2MB', limit: 1 }] }); }).toThrow('cannot set hugetlb limit: container could not join or create cgroup');
  });

  it('leaves out what a rootless user may not make, until a limit needs it', () => {
    const kernel = freshTree();
    kernel.refuse = (path) => (path.startsWith(`${BASE}/memory`) || path.startsWith(`${BASE}/devices`) ? 'EACCES' : undefined);
    const cgroup = new CgroupV1({ kernel, paths: PATHS, soft: true });
    cgroup.create();
    expect(Object.keys(cgroup.paths)).not.toContain('memory');
    cgroup.apply({ devices: [{ allow: false }] });
    expect(() => { cgroup.apply({ memory: { limit: 1 } }); }).toThrow('cannot set memory limit');
    expect(() => { new CgroupV1({ kernel, paths: PATHS, soft: false }).create(); }).toThrow('EACCES');
  });

  it('kicks a freezer that is stuck', async () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    let thaws = 0;
    kernel.react = (path, value) => {
      if (!path.endsWith('freezer.state')) return;
      if (value === 'THAWED') thaws++;
      if (value === 'FROZEN' && thaws === 0) kernel.files.set(path, 'FREEZING\n');
    };
    await cgroup.freeze();
    expect(thaws).toBe(1);
    expect(cgroup.isFrozen()).toBe(true);
    await cgroup.thaw();
    expect(cgroup.isFrozen()).toBe(false);
  });

  it('stops everything before it signals, and lets it go after', async () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    kernel.files.set(`${PATHS['devices'] ?? ''}/cgroup.procs`, '4\n5\n');
    kernel.writes.length = 0;
    await cgroup.signalAll(15);
    expect(kernel.writes.map((each) => each.slice(each.lastIndexOf('=') + 1))).toEqual(['FROZEN', 'THAWED']);
    expect(kernel.signals).toEqual([[4, 15], [5, 15]]);
  });

  it('removes every hierarchy even if one is busy, and says so', async () => {
    const kernel = freshTree();
    const cgroup = created(kernel);
    kernel.files.set(`${PATHS['cpu'] ?? ''}/cgroup.procs`, '4\n');
    await expect(cgroup.delete()).rejects.toThrow('EBUSY');
    expect(kernel.folders.has(PATHS['pids'] ?? '')).toBe(false);
    kernel.files.set(`${PATHS['cpu'] ?? ''}/cgroup.procs`, '');
    await cgroup.delete();
    expect(cgroup.exists()).toBe(false);
  });
});

function created(kernel: FakeKernel): CgroupV1 {
  const cgroup = new CgroupV1({ kernel, paths: PATHS, soft: false });
  cgroup.create();
  return cgroup;
}

function freshTree(): FakeKernel {
  const kernel = fakeKernel({
    ...Object.fromEntries(Object.keys(PATHS).map((controller) => [`${BASE}/${controller}/tasks`, ''])),
    [`${BASE}/cpuset/cpuset.cpus`]: '0-3\n',
    [`${BASE}/cpuset/cpuset.mems`]: '0\n',
  });
  const files: Readonly<Record<string, readonly string[]>> = {
    cpuset: ['cpuset.cpus', 'cpuset.mems'],
    cpu: ['cpu.shares', 'cpu.cfs_period_us', 'cpu.cfs_quota_us'],
    memory: ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes'],
    devices: ['devices.allow', 'devices.deny'],
    pids: ['pids.max'],
  };
  kernel.newFiles = (directory) => {
    const controller = directory.slice(BASE.length + 1).split('/')[0] ?? '';
    const own = Object.fromEntries((files[controller] ?? []).map((name) => [name, '\n']));
    const more: Record<string, string> = controller === 'freezer' ? { 'freezer.state': 'THAWED\n' } : controller === 'memory' ? { 'memory.usage_in_bytes': '5000\n', 'memory.max_usage_in_bytes': '6000\n' } : {};
    return { ...own, ...more, tasks: '', 'cgroup.procs': '' };
  };
  return kernel;
}
