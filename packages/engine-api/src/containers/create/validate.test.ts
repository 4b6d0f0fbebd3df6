import { describe, expect, it } from 'vitest';
import { parseCreateBody } from './body.ts';
import { parsePortSpec } from './ports.ts';
import { parseSignal } from './signals.ts';
import { parseByteSize, validateCreate } from './validate.ts';

const facts = { cpuCount: 2, runtimes: ['dray'], logDrivers: ['json-file', 'none'] };
const check = (body: object): void => {
  const { config, hostConfig } = parseCreateBody(body);
  validateCreate(config, hostConfig, facts);
};
const host = (hostConfig: object): object => ({ HostConfig: hostConfig });

describe('validateCreate()', () => {
  it('accepts an ordinary container', () => {
    expect(() => check({ Image: 'x', Env: ['A=1', 'B'], HostConfig: { Memory: 64 << 20, NanoCpus: 1e9, CapAdd: ['NET_ADMIN', 'ALL'], PortBindings: { '80/tcp': [{ HostPort: '8000-8010' }] } } })).not.toThrow();
  });

  it.each<[object, string]>([
    [{ WorkingDir: 'rel' }, "the working directory 'rel' is invalid, it needs to be an absolute path"],
    [{ Env: ['=x'] }, 'invalid environment variable: =x'],
    [{ StopSignal: 'FOO' }, 'invalid signal: FOO'],
    [{ ExposedPorts: { '0/tcp': {} } }, 'invalid port specification: "0/tcp"'],
    [{ Healthcheck: { Interval: 5 } }, 'Interval in Healthcheck cannot be less than 1ms'],
    [{ Healthcheck: { Retries: -1 } }, 'Retries in Healthcheck cannot be negative'],
    [host({ Memory: 1 << 20 }), 'Minimum memory limit allowed is 6MB'],
    [host({ Memory: 64 << 20, MemorySwap: 32 << 20 }), 'Minimum memoryswap limit should be larger than memory limit, see usage'],
    [host({ MemorySwap: 64 << 20 }), 'You should always set the Memory limit when using Memoryswap limit, see usage'],
    [host({ NanoCpus: 3e9 }), 'Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [host({ NanoCpus: 1e9, CpuPeriod: 1000 }), 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [host({ CpuPeriod: 10 }), 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)'],
    [host({ CpusetCpus: '2' }), 'Requested CPUs are not available - requested 2, available: 0-1'],
    [host({ CpusetCpus: 'x' }), 'Invalid value x for cpuset cpus'],
    [host({ BlkioWeight: 5 }), 'Range of blkio weight is from 10 to 1000'],
    [host({ OomScoreAdj: 2000 }), 'Invalid value 2000, range for oom score adj is [-1000, 1000]'],
    [host({ CapAdd: ['FOO'] }), 'invalid CapAdd: unknown capability: "CAP_FOO"'],
    [host({ RestartPolicy: { Name: 'sometimes' } }), "invalid restart policy: unknown policy 'sometimes'"],
    [host({ RestartPolicy: { Name: 'always', MaximumRetryCount: 2 } }), "maximum retry count can only be used with 'on-failure'"],
    [host({ AutoRemove: true, RestartPolicy: { Name: 'always' } }), "can't create 'AutoRemove' container with restart policy"],
    [host({ LogConfig: { Type: 'foo' } }), "logger: no log driver named 'foo' is registered"],
    [host({ LogConfig: { Type: 'json-file', Config: { foo: '1' } } }), "unknown log opt 'foo' for json-file log driver"],
    [host({ Runtime: 'foo' }), 'unknown or invalid runtime name: foo'],
    [host({ IpcMode: 'foo' }), 'invalid IPC mode: foo'],
    [{ Hostname: 'x', HostConfig: { UTSMode: 'host' } }, 'conflicting options: hostname and the UTS mode'],
    [{ Hostname: 'x', HostConfig: { NetworkMode: 'container:y' } }, 'conflicting options: hostname and the network mode'],
    [host({ NetworkMode: 'container:y', Dns: ['1.1.1.1'] }), 'conflicting options: dns and the network mode'],
    [host({ DeviceCgroupRules: ['c 1 r'] }), "invalid device cgroup rule format: 'c 1 r'"],
    [host({ PortBindings: { '80/tcp': [{ HostPort: '70000' }] } }), 'invalid port specification: "70000"'],
  ])('refuses %j', (body, words) => {
    expect(() => check(body)).toThrow(words);
  });
});

describe('parseSignal()', () => {
  it.each([['KILL', 9], ['sigterm', 15], ['9', 9], ['RTMIN', 34], ['SIGRTMIN+3', 37], ['RTMAX-1', 63], ['', undefined], ['0', undefined], ['65', undefined], ['RTMIN+31', undefined], ['toString', undefined]])('%j is %s', (text, number) => {
    expect(parseSignal(text)).toBe(number);
  });
});

describe('parsePortSpec()', () => {
  it.each([['80', 1], ['80/udp', 1], ['8000-8002/tcp', 3]])('expands %s', (spec, count) => expect(parsePortSpec(spec)).toHaveLength(count));
  it.each(['', '0', '65536', '2-1', '80/foo', 'x', '80/tcp/udp'])('refuses %j', (spec) => expect(parsePortSpec(spec)).toBeUndefined());
});

describe('parseByteSize()', () => {
  it.each([['10m', 10_485_760], ['1g', 1_073_741_824], ['512', 512], ['-1', -1], ['1.5k', 1536], ['10x', undefined], ['', undefined]])('%j is %s', (text, size) => expect(parseByteSize(text)).toBe(size));
});
