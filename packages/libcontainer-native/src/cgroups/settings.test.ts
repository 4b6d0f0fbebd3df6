import { describe, expect, it } from 'vitest';
import { cpuWeight, ioWeight, swapMax } from './conversions.ts';
import type { CgroupResources } from './resources.ts';
import { settingsV1 } from './settings-v1.ts';
import { settingsV2 } from './settings-v2.ts';

describe('conversions', () => {
  it('turn CPU shares into a weight', () => {
    expect([0, 1, 2, 1024, 262_144, 1_000_000].map(cpuWeight)).toEqual([0, 1, 1, 100, 10_000, 10_000]);
  });

  it('turn a block I/O weight of 10…1000 into 1…10000', () => {
    expect([0, 10, 500, 1000].map(ioWeight)).toEqual([0, 1, 4950, 10_000]);
  });

  it('take memory out of memory plus swap', () => {
    expect([swapMax(100, 300), swapMax(100, 100), swapMax(-1, 0), swapMax(100, -1), swapMax(100, 0), swapMax(0, 0)]).toEqual([200, 0, -1, -1, undefined, undefined]);
    expect(() => swapMax(0, 100)).toThrow('unable to set swap limit without memory limit');
    expect(() => swapMax(100, 50)).toThrow('memory+swap limit should be >= memory limit');
  });
});

describe('settingsV2()', () => {
  it.each<[string, CgroupResources, string[]]>([
    ['nothing', {}, []],
    ['pids', { pids: { limit: 10 } }, ['pids.max=10']],
    ['unlimited pids', { pids: { limit: -1 } }, ['pids.max=max']],
    ['memory with swap', { memory: { limit: 100, swap: 300, reservation: 50 } }, ['memory.swap.max=200', 'memory.max=100', 'memory.low=50']],
    ['unlimited memory', { memory: { limit: -1 } }, ['memory.swap.max=max', 'memory.max=max']],
    ['no swappiness, which v2 does not have', { memory: { swappiness: 10 } }, []],
    ['shares', { cpu: { shares: 1024 } }, ['cpu.weight=100']],
    ['an idle group, whose weight is fixed', { cpu: { shares: 1024, idle: 1 } }, ['cpu.idle=1']],
    ['a quota', { cpu: { quota: 50_000 } }, ['cpu.max=50000 100000']],
    ['no quota but a period', { cpu: { quota: -1, period: 20_000 } }, ['cpu.max=max 20000']],
    ['a burst behind its quota', { cpu: { quota: 50_000, period: 100_000, burst: 10_000 } }, ['cpu.max=50000 100000', 'cpu.max.burst=10000']],
    ['cpusets', { cpu: { cpus: '0-1', mems: '0' } }, ['cpuset.cpus=0-1', 'cpuset.mems=0']],
    ['block I/O', { blockIO: { weight: 500, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 7 }], throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 0 }] } }, ['io.weight=default 4950', 'io.max=8:0 rbps=7', 'io.max=8:0 wiops=max']],
    ['huge pages and rdma', { hugepageLimits: [{ pageSize: '2MB', limit: 5 }], rdma: { mlx: { hcaHandles: 3, hcaObjects: 4 } } }, ['hugetlb.2MB.max=5', 'rdma.max=mlx hca_handle=3 hca_object=4']],
    ['unified settings last, line by line', { unified: { 'io.max': '8:0 rbps=1\n8:1 rbps=2', 'memory.high': '9' }, pids: { limit: 1 } }, ['pids.max=1', 'io.max=8:0 rbps=1', 'io.max=8:1 rbps=2', 'memory.high=9']],
  ])('writes %s', (_name, resources, expected) => {
    expect(settingsV2(resources, false).map(({ file, value }) => `${file}=${value}`)).toEqual(expected);
  });

  it('uses the BFQ files where they exist', () => {
    const blockIO = { weight: 500, weightDevice: [{ major: 8, minor: 0, weight: 20 }] };
    expect(settingsV2({ blockIO }, true).map(({ file, value }) => `${file}=${value}`)).toEqual(['io.bfq.weight=500', 'io.bfq.weight=8:0 20']);
  });

  it('refuses a unified name that leads elsewhere', () => {
    expect(() => settingsV2({ unified: { '../x': '1' } }, false)).toThrow('must be a file name');
  });
});

describe('settingsV1()', () => {
  it('leaves out what is zero and keeps the order', () => {
    const resources: CgroupResources = {
      cpu: { cpus: '0', mems: '' },
      memory: { reservation: 50, swappiness: 0, disableOOMKiller: true },
      pids: { limit: -1 },
      blockIO: { weight: 0, leafWeight: 20, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 7 }] },
      network: { classID: 5, priorities: [{ name: 'eth0', priority: 2 }] },
    };
    expect(settingsV1(resources).map(({ controller, file, value }) => `${controller}/${file}=${value}`)).toEqual([
      'cpuset/cpuset.cpus=0',
      'memory/memory.soft_limit_in_bytes=50',
      'memory/memory.oom_control=1',
      'memory/memory.swappiness=0',
      'pids/pids.max=max',
      'blkio/blkio.leaf_weight=20',
      'blkio/blkio.throttle.read_bps_device=8:0 7',
      'net_cls/net_cls.classid=5',
      'net_prio/net_prio.ifpriomap=eth0 2',
    ]);
  });

  it.each([[101], [-1]])('refuses a swappiness of %i', (swappiness) => {
    expect(() => settingsV1({ memory: { swappiness } })).toThrow(`invalid memory swappiness value: ${swappiness} (valid range is 0-100)`);
  });
});
