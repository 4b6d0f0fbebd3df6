import fc from 'fast-check';
import { Metrics as MetricsV1 } from '@dray/containerd-api/cgroups-v1';
import { Metrics as MetricsV2 } from '@dray/containerd-api/cgroups-v2';
import { describe, expect, it } from 'vitest';
import { decodeMetrics } from './cgroup-metrics.ts';
import { parseNetDev, parseSystemCpu } from './stats.ts';
import { listProcesses, parseProcStat, parsePs } from './top.ts';

describe('decodeMetrics()', () => {
  it('reads version 1', () => {
    const value = MetricsV1.encode(MetricsV1.fromPartial({
      cpu: { usage: { total: 5n, kernel: 2n, user: 3n, perCpu: [1n, 4n] } }, memory: { usage: { usage: 100n, limit: 1n << 62n, max: 200n }, inactiveFile: 7n, totalInactiveFile: 8n }, pids: { current: 3n, limit: 0n },
      blkio: { ioServiceBytesRecursive: [{ op: 'Read', major: 8n, minor: 0n, value: 9n }] },
    })).finish();
    const stats = decodeMetrics({ typeUrl: 'io.containerd.cgroups.v1.Metrics', value }, 1000);
    expect(stats).toMatchObject({ cpuUsage: { total_usage: 5, percpu_usage: [1, 4] }, memory: { usage: 100, limit: 1000, stats: { inactive_file: 7, total_inactive_file: 8 } }, pids: { current: 3 } });
    expect(stats?.blkio['io_service_bytes_recursive']).toEqual([{ major: 8, minor: 0, op: 'Read', value: 9 }]);
  });

  it('reads version 2, with times in nanoseconds', () => {
    const value = MetricsV2.encode(MetricsV2.fromPartial({ cpu: { usageUsec: 5n, userUsec: 3n, systemUsec: 2n }, memory: { usage: 100n, usageLimit: 500n, inactiveFile: 7n }, io: { usage: [{ major: 8n, minor: 1n, rbytes: 3n, wbytes: 4n }] } })).finish();
    const stats = decodeMetrics({ typeUrl: 'type.googleapis.com/io.containerd.cgroups.v2.Metrics', value }, 1000);
    expect(stats).toMatchObject({ cpuUsage: { total_usage: 5000, usage_in_usermode: 3000 }, memory: { usage: 100, limit: 500, stats: { inactive_file: 7 } } });
    expect(stats?.blkio['io_service_bytes_recursive']).toEqual([{ major: 8, minor: 1, op: 'read', value: 3 }, { major: 8, minor: 1, op: 'write', value: 4 }]);
  });

  it('knows no other type', () => expect(decodeMetrics({ typeUrl: 'x', value: new Uint8Array() }, 1)).toBeUndefined());
});

describe('parsers of /proc', () => {
  it('reads interfaces, without the loopback', () => {
    const text = 'Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  eth0:  10 2 3 4 0 0 0 0 20 5 6 7 0 0 0 0\n';
    expect(parseNetDev(text)).toEqual({ eth0: { rx_bytes: 10, rx_packets: 2, rx_errors: 3, rx_dropped: 4, tx_bytes: 20, tx_packets: 5, tx_errors: 6, tx_dropped: 7 } });
    fc.assert(fc.property(fc.string(), (any) => { parseNetDev(any); }));
  });

  it('sums the CPU time', () => {
    expect(parseSystemCpu('cpu  1 2 3 4 5 6 7 8 100 100\ncpu0 1 1 1 1\n')).toBe(360_000_000);
    expect(parseSystemCpu('')).toBe(0);
  });

  it('reads names with blanks and parentheses', () => {
    expect(parseProcStat('42 (a) b (c) S 7 42 42 34816 42 4194560 1 0 0 0 11 22 0 0 20 0 1 0 333 0 0')).toEqual({ pid: 42, name: 'a) b (c', ppid: 7, ttyNumber: 34_816, cpuTicks: 33, startTicks: 333 });
  });
});

describe('listProcesses()', () => {
  it('shows this very process as ps -ef does', async () => {
    const { Titles, Processes } = await listProcesses([process.pid, 2 ** 30], '-ef');
    expect(Titles).toEqual(['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD']);
    expect(Processes).toHaveLength(1);
    expect(Processes[0]?.[1]).toBe(String(process.pid));
    expect(Processes[0]?.[2]).toBe(String(process.ppid));
  });

  it('keeps the container\'s lines of ps, the last column whole', () => {
    expect(parsePs('  PID CMD\n    1 init x\n   22 sh -c a  b\n', [22])).toEqual({ Titles: ['PID', 'CMD'], Processes: [['22', 'sh -c a b']] });
    expect(() => parsePs('CMD\nx\n', [1])).toThrow("Couldn't find PID field in ps output");
  });
});
