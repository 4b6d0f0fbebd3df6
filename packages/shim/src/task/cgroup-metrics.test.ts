import { Metrics as MetricsV1 } from '@dray/containerd-api/cgroups-v1';
import { Metrics as MetricsV2 } from '@dray/containerd-api/cgroups-v2';
import type { CgroupStats } from '@dray/libcontainer';
import { describe, expect, test } from 'vitest';
import { metricsV1, metricsV2 } from './cgroup-metrics.ts';

const UNLIMITED = 2n ** 64n - 1n;
const stats: CgroupStats = {
  cpu: { totalNanos: 9_000_000n, perCpuNanos: [4n, 5n], perCpuKernelNanos: [], perCpuUserNanos: [], kernelNanos: 2000n, userNanos: 7000n, throttledPeriods: 1n, periods: 3n, throttledNanos: 4000n },
  memory: {
    usage: { limit: 100n, usage: 40n, max: 50n, failcnt: 1n }, swap: { limit: 300n, usage: 45n, max: 60n, failcnt: 0n }, cache: 7n,
    raw: { cache: 7n, rss: 8n, total_inactive_file: 9n, anon: 10n, file: 11n, inactive_file: 12n }, events: { low: 0n, high: 0n, max: 5n, oom: 2n, oom_kill: 1n },
  },
  pids: { current: 3, limit: 0 },
  blkio: {
    ioServiceBytesRecursive: [{ major: 8, minor: 0, op: 'Read', value: 100n }, { major: 8, minor: 0, op: 'Write', value: 200n }], ioServicedRecursive: [{ major: 8, minor: 0, op: 'Read', value: 1n }],
    ioQueueRecursive: [], ioServiceTimeRecursive: [], ioWaitTimeRecursive: [], ioMergedRecursive: [], ioTimeRecursive: [], sectorsRecursive: [],
  },
  hugetlb: { '2MB': { usage: 1n, max: 2n, failcnt: 3n } },
};

test('metricsV1() is what containerd/cgroups would report', () => {
  const metrics = MetricsV1.decode(MetricsV1.encode(MetricsV1.fromPartial(metricsV1(stats))).finish());
  expect(metrics.cpu).toMatchObject({ usage: { total: 9_000_000n, kernel: 2000n, user: 7000n, perCpu: [4n, 5n] }, throttling: { periods: 3n, throttledPeriods: 1n, throttledTime: 4000n } });
  expect(metrics.memory).toMatchObject({ cache: 7n, rss: 8n, totalInactiveFile: 9n, usage: { limit: 100n, usage: 40n, max: 50n, failcnt: 1n }, swap: { limit: 300n } });
  expect(metrics.pids).toMatchObject({ current: 3n, limit: 0n });
  expect(metrics.blkio?.ioServiceBytesRecursive).toMatchObject([{ op: 'Read', major: 8n, minor: 0n, value: 100n }, { op: 'Write', value: 200n }]);
  expect(metrics.hugetlb).toMatchObject([{ pagesize: '2MB', usage: 1n, max: 2n, failcnt: 3n }]);
});

test('metricsV2() is what containerd/cgroups would report', () => {
  const metrics = MetricsV2.decode(MetricsV2.encode(MetricsV2.fromPartial(metricsV2(stats))).finish());
  expect(metrics.cpu).toMatchObject({ usageUsec: 9000n, userUsec: 7n, systemUsec: 2n, nrPeriods: 3n, nrThrottled: 1n, throttledUsec: 4n });
  expect(metrics.memory).toMatchObject({ anon: 10n, file: 11n, inactiveFile: 12n, usage: 40n, usageLimit: 100n, maxUsage: 50n, swapUsage: 5n, swapLimit: 200n });
  expect(metrics.memoryEvents).toMatchObject({ max: 5n, oom: 2n, oomKill: 1n });
  expect(metrics.pids).toMatchObject({ current: 3n, limit: UNLIMITED });
  expect(metrics.io?.usage).toMatchObject([{ major: 8n, minor: 0n, rbytes: 100n, wbytes: 200n, rios: 1n, wios: 0n }]);
});

test('both leave out what the cgroup does not count', () => {
  expect(MetricsV1.fromPartial(metricsV1({}))).toMatchObject({ cpu: undefined, memory: undefined, pids: undefined, blkio: undefined, hugetlb: [] });
  expect(MetricsV2.fromPartial(metricsV2({}))).toMatchObject({ cpu: undefined, memory: undefined, pids: undefined, io: undefined, hugetlb: [] });
});
