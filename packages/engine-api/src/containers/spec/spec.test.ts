import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyHostDefaults } from '../create/host-config.ts';
import { parseCreateBody } from '../create/body.ts';
import { buildSpec, environment, limitWarnings, overrideEnv, type SpecHost, type SpecRequest } from './build.ts';
import { ALL_CAPABILITIES, capabilitiesFor, capabilitiesOfMask, DEFAULT_CAPABILITIES, normalizeCapability } from './capabilities.ts';
import { parseDeviceRule, splitDeviceNumber } from './devices.ts';
import { parseLimits } from './host.ts';
import { specMounts, type MountPlan } from './mounts.ts';
import { specResources } from './resources.ts';
import { defaultSeccomp, parseKernel, parseSeccompProfile } from './seccomp.ts';
import { parseSecurityOptions } from './security-options.ts';

const host: SpecHost = {
  arch: 'x64', kernel: [6, 1], cgroupVersion: 1, capabilities: ALL_CAPABILITIES, canRaiseLimits: true, hardLimits: { RLIMIT_NOFILE: 1024 }, hasSeccomp: true, possibleCpuCount: 2,
};
const defaults = { runtime: 'dray', logDriver: 'json-file', logOpts: {}, cgroupVersion: 1, shmSizeBytes: 64 << 20, init: false } as const;

function request(body: object, changes: Partial<SpecRequest> = {}): SpecRequest {
  const { config, hostConfig } = parseCreateBody({ Cmd: ['true'], Hostname: 'h', ...body });
  return {
    id: 'c1', config, hostConfig: applyHostDefaults(hostConfig, defaults), user: { uid: 0, gid: 0, additionalGids: [] }, mounts: [], etcFiles: [{ source: '/s/hosts', destination: '/etc/hosts' }],
    shm: { kind: 'tmpfs', sizeBytes: 64 << 20 }, joined: { network: '/run/netns/x' }, resources: {}, devices: { devices: [], rules: [] }, initPath: undefined, cgroupParent: '/docker', linkEnv: [], host, ...changes,
  };
}

describe('buildSpec()', () => {
  it('gives an ordinary container Docker\'s defaults', () => {
    const spec = buildSpec(request({}));
    expect(spec.process).toMatchObject({ args: ['true'], cwd: '/', terminal: false, noNewPrivileges: false, oomScoreAdj: 0, user: { uid: 0, gid: 0, additionalGids: [0] } });
    expect(spec.process.env).toEqual(['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOSTNAME=h']);
    expect(spec.process.capabilities).toEqual({ bounding: [...DEFAULT_CAPABILITIES], effective: [...DEFAULT_CAPABILITIES], permitted: [...DEFAULT_CAPABILITIES] });
    expect(spec.linux.namespaces).toEqual([{ type: 'mount' }, { type: 'network', path: '/run/netns/x' }, { type: 'uts' }, { type: 'pid' }, { type: 'ipc' }]);
    expect(spec.linux.cgroupsPath).toBe('/docker/c1');
    expect(spec.linux.sysctl).toEqual({ 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '0 2147483647' });
    expect(spec.linux.maskedPaths).toEqual(expect.arrayContaining(['/proc/kcore', '/sys/firmware', '/sys/devices/system/cpu/cpu1/thermal_throttle']));
    expect(spec.linux.resources.devices?.[0]).toEqual({ allow: false, access: 'rwm' });
  });

  it('lifts every restriction from a privileged container', () => {
    const spec = buildSpec(request({ HostConfig: { Privileged: true } }));
    expect(spec.process.capabilities.effective).toEqual([...ALL_CAPABILITIES]);
    expect(spec.linux).toMatchObject({ maskedPaths: [], readonlyPaths: [] });
    expect(spec.linux.seccomp).toBeUndefined();
    expect(spec.linux.resources.devices).toEqual([{ allow: true, access: 'rwm' }]);
    expect(spec.mounts.find((mount) => mount.destination === '/sys')?.options).not.toContain('ro');
  });

  it('joins and omits namespaces as asked', () => {
    const spec = buildSpec(request({ HostConfig: { NetworkMode: 'host', UTSMode: 'host', CgroupnsMode: 'private' } }, { joined: { network: 'host', uts: 'host', pid: 'host', ipc: '/proc/9/ns/ipc' } }));
    expect(spec.linux.namespaces).toEqual([{ type: 'mount' }, { type: 'ipc', path: '/proc/9/ns/ipc' }, { type: 'cgroup' }]);
    expect(spec.hostname).toBeUndefined();
    expect(spec.linux.sysctl).toBeUndefined();
  });

  it('puts a small init before the command', () => {
    const spec = buildSpec(request({ Cmd: ['a', 'b'] }, { initPath: '/usr/bin/docker-init' }));
    expect(spec.process.args).toEqual(['/sbin/docker-init', '--', 'a', 'b']);
    expect(spec.mounts.at(-1)).toMatchObject({ destination: '/sbin/docker-init', source: '/usr/bin/docker-init', options: expect.arrayContaining(['ro']) as string[] });
  });

  it('lowers what the daemon may not raise, and says so', () => {
    const weak = { ...host, canRaiseLimits: false };
    const asked = request({ HostConfig: { OomScoreAdj: -500, Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 4096 }] } }, { host: weak });
    const spec = buildSpec(asked);
    expect(spec.process).toMatchObject({ oomScoreAdj: 0, rlimits: [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 1024 }] });
    expect(limitWarnings(asked.hostConfig, weak)).toHaveLength(2);
    expect(limitWarnings(asked.hostConfig, host)).toEqual([]);
  });
});

describe('environment()', () => {
  it('lets the last of one name win, in place, and removes names without a value', () => {
    expect(environment({ Hostname: 'h', Tty: true, Env: ['A=1', 'TERM=dumb', 'A=2', 'HOSTNAME'] })).toEqual([expect.stringMatching(/^PATH=/), 'TERM=dumb', 'A=2']);
    expect(overrideEnv(['A=1', 'B=2'], ['B=3', 'C='])).toEqual(['A=1', 'B=3', 'C=']);
  });
});

describe('capabilitiesFor()', () => {
  const caps = (add: string[], drop: string[], isPrivileged = false): string[] => capabilitiesFor({ isPrivileged, add, drop, available: ALL_CAPABILITIES });
  it('adds and drops in any spelling', () => {
    expect(caps(['net_admin'], ['CAP_CHOWN', 'mknod'])).toEqual([...DEFAULT_CAPABILITIES.filter((name) => name !== 'CAP_CHOWN' && name !== 'CAP_MKNOD'), 'CAP_NET_ADMIN']);
    expect(caps(['NET_ADMIN'], ['ALL'])).toEqual(['CAP_NET_ADMIN']);
    expect(caps(['ALL'], ['SYS_ADMIN'])).toEqual(ALL_CAPABILITIES.filter((name) => name !== 'CAP_SYS_ADMIN'));
    expect(normalizeCapability('all')).toBe('ALL');
  });
  it('reads the kernel\'s masks', () => {
    expect(capabilitiesOfMask('00000000a80425fb').sort()).toEqual([...DEFAULT_CAPABILITIES].sort());
    expect(capabilitiesOfMask('0')).toEqual([]);
  });
});

describe('specMounts()', () => {
  const plan = (changes: Partial<MountPlan>): MountPlan => ({
    isPrivileged: false, isReadonlyRootfs: false, canMountReadonlyRecursively: true, shm: { kind: 'tmpfs', sizeBytes: 1 }, isHostIpc: false, etcFiles: [{ source: '/s/hosts', destination: '/etc/hosts' }], requested: [], ...changes,
  });
  const bind = { type: 'bind', source: '/src', isReadonly: false, propagation: '' } as const;

  it('mounts shallow places before deep ones and replaces defaults', () => {
    const mounts = specMounts(plan({ requested: [{ ...bind, destination: '/a/b/c' }, { ...bind, destination: '/a' }, { ...bind, destination: '/dev/shm' }] }));
    expect(mounts.filter((mount) => mount.source === '/src').map((mount) => mount.destination)).toEqual(['/a', '/dev/shm', '/a/b/c']);
    expect(mounts.filter((mount) => mount.destination === '/dev/shm')).toHaveLength(1);
  });

  it('makes a read-only bind recursively so where the kernel can', () => {
    const ro = { ...bind, destination: '/x', isReadonly: true };
    const options = (changes: Partial<MountPlan>): string[] | undefined => specMounts(plan(changes)).find((mount) => mount.destination === '/x')?.options;
    expect(options({ requested: [ro] })).toEqual(['rbind', 'rprivate', 'ro', 'rro']);
    expect(options({ requested: [{ ...ro, isReadonlyNonRecursive: true, isNonRecursive: true, propagation: 'rslave' }] })).toEqual(['bind', 'rslave', 'ro']);
    expect(options({ requested: [ro], canMountReadonlyRecursively: false })).toEqual(['rbind', 'rprivate', 'ro']);
  });

  it('gives a tmpfs its safe defaults unless their opposites are asked for', () => {
    const mount = specMounts(plan({ requested: [{ ...bind, type: 'tmpfs', destination: '/t', tmpfsOptions: ['exec', 'size=1m'] }] })).find((one) => one.destination === '/t');
    expect(mount).toMatchObject({ type: 'tmpfs', options: ['nosuid', 'nodev', 'exec', 'size=1m', 'rprivate'] });
  });

  it('shows the files of /etc read-only in a read-only root', () => {
    expect(specMounts(plan({ isReadonlyRootfs: true })).find((mount) => mount.destination === '/etc/hosts')?.options).toContain('ro');
  });
});

describe('defaultSeccomp()', () => {
  const names = (capabilities: readonly string[], arch = 'x64'): Set<string> =>
    new Set(defaultSeccomp({ capabilities, arch, kernel: [6, 1] }).syscalls.filter((rule) => rule.action === 'SCMP_ACT_ALLOW').flatMap((rule) => rule.names));

  it('allows the calls of ordinary programs and none that reach around the container', () => {
    const allowed = names(DEFAULT_CAPABILITIES);
    for (const name of ['read', 'openat', 'clone', 'execve', 'socket', 'ptrace', 'chroot', 'arch_prctl', 'landlock_restrict_self']) expect(allowed, name).toContain(name);
    for (const name of ['mount', 'unshare', 'setns', 'bpf', 'reboot', 'kexec_load', 'keyctl', 'add_key', 'userfaultfd', 'io_uring_setup', 'perf_event_open', 'open_by_handle_at', 'init_module']) {
      expect(allowed, name).not.toContain(name);
    }
  });

  it('follows the capabilities, the architecture and the kernel', () => {
    expect(names(['CAP_SYS_ADMIN'])).toContain('mount');
    expect(names([])).not.toContain('chroot');
    expect(names([], 'arm64')).toContain('arm_fadvise64_64');
    expect(names([], 'arm64')).not.toContain('arch_prctl');
    expect(defaultSeccomp({ capabilities: [], arch: 'x64', kernel: [4, 7] }).syscalls.flatMap((rule) => rule.names)).not.toContain('ptrace');
  });

  it('lets clone make no namespaces and answers ENOSYS to clone3, unless the container administers the system', () => {
    const { syscalls } = defaultSeccomp({ capabilities: [], arch: 'x64', kernel: [6, 1] });
    expect(syscalls.find((rule) => rule.names.includes('clone'))?.args).toEqual([{ index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }]);
    expect(syscalls.find((rule) => rule.names.includes('clone3'))).toMatchObject({ action: 'SCMP_ACT_ERRNO', errnoRet: 38 });
  });
});

describe('parseSeccompProfile()', () => {
  const facts = { capabilities: ['CAP_SYS_ADMIN'], arch: 'x64', kernel: [6, 1] as const };

  it('keeps the rules whose conditions hold', () => {
    const spec = parseSeccompProfile(JSON.stringify({
      defaultAction: 'SCMP_ACT_ERRNO', archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
      syscalls: [
        { names: ['a'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } }, { names: ['b'], action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_SYS_ADMIN'] } },
        { name: 'c', action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64'], minKernel: '5.0' } }, { names: ['d'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '99.0' } },
      ],
    }), facts);
    expect(spec.syscalls.map((rule) => rule.names[0])).toEqual(['a', 'c']);
    expect(spec.architectures).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  });

  it.each(['', '{', '[]', 'null', '{}', '{"defaultAction":"x","syscalls":5}', '{"defaultAction":"x","architectures":["a"],"archMap":[{"architecture":"b"}]}'])('refuses %j', (text) => {
    expect(() => parseSeccompProfile(text, facts)).toThrow(/seccomp/);
  });

  it('answers any JSON with a filter or with a 400', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      try {
        parseSeccompProfile(JSON.stringify(value), facts);
      } catch (err) {
        expect(err).toMatchObject({ kind: 'invalid_argument' });
      }
    }));
  });
});

describe('parsers of the host', () => {
  it('reads kernels, limits, device numbers and device rules', () => {
    expect(parseKernel('6.1.0-13-amd64')).toEqual([6, 1]);
    expect(parseLimits('Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \nMax cpu time              unlimited            unlimited            seconds   \n'))
      .toEqual({ RLIMIT_NOFILE: 524_288, RLIMIT_CPU: Number.MAX_SAFE_INTEGER });
    expect(splitDeviceNumber(0x0103)).toEqual({ major: 1, minor: 3 });
    expect(splitDeviceNumber(0x1234_5678)).toEqual({ major: 0x456, minor: 0x12378 });
    expect(parseDeviceRule('c 42:* rm')).toEqual({ allow: true, type: 'c', major: 42, access: 'rm' });
    expect(() => parseDeviceRule('c 42 rm')).toThrow('invalid device cgroup rule format');
  });

  it('reads security options in both spellings', () => {
    expect(parseSecurityOptions(['no-new-privileges', 'seccomp=unconfined', 'apparmor:x'])).toEqual({ seccomp: 'unconfined', isNoNewPrivileges: true, apparmor: 'x' });
    expect(() => parseSecurityOptions(['foo'])).toThrow('invalid --security-opt 1: "foo"');
    expect(() => parseSecurityOptions(['foo=bar'])).toThrow('invalid --security-opt 2: "foo=bar"');
  });

  it('counts CPUs in a period of 100 ms and leaves what was not asked for away', async () => {
    const { hostConfig } = parseCreateBody({ HostConfig: { NanoCpus: 1.5e9, Memory: 64 << 20, PidsLimit: 5 } });
    expect(await specResources(applyHostDefaults(hostConfig, defaults))).toEqual({ memory: { limit: 64 << 20, swap: 128 << 20 }, cpu: { period: 100_000, quota: 150_000 }, pids: { limit: 5 } });
    expect(await specResources(applyHostDefaults(parseCreateBody({}).hostConfig, defaults))).toEqual({});
  });
});
