import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBundle, missingForBundles, type SpecDraft, type TestBundle } from './support/bundle.ts';
import { type CommandResult, missingRunc, runc, runcTs } from './support/command.ts';

const missing = missingForBundles() ?? missingRunc();
const ID = 'dray-differential';

/** What the process of a bundle prints must be the same under both runtimes. */
const CASES: readonly (readonly [name: string, change: (spec: SpecDraft) => void])[] = [
  ['identity, capabilities and seccomp mode', shell('id; grep -E "^(Cap|NoNewPrivs|Seccomp:|Groups|Umask)" /proc/self/status')],
  ['another user with groups and a umask', (spec) => { Object.assign(spec.process, { user: { uid: 1000, gid: 1000, umask: 0o077, additionalGids: [10, 20] } }); script(spec, 'id; umask; grep -E "^(Cap|Groups)" /proc/self/status; echo $HOME'); }],
  ['no capabilities field', (spec) => { delete spec.process['capabilities']; script(spec, 'grep ^Cap /proc/self/status'); }],
  ['all capability sets with ambient ones', (spec) => { const caps = ['CAP_KILL', 'CAP_NET_RAW']; spec.process['capabilities'] = { bounding: caps, effective: caps, permitted: caps, inheritable: caps, ambient: caps }; Object.assign(spec.process, { user: { uid: 1000, gid: 1000 } }); script(spec, 'grep ^Cap /proc/self/status'); }],
  ['the environment, where the last value of a name wins', (spec) => { spec.process.env.push('A=1', 'B=x y', 'A=2', 'EMPTY='); script(spec, 'env | sort'); }],
  ['the mounts', shell('sed -E "s/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //; s/ (shared|master):[0-9]+//g; s/ tmpfs r[ow],size=4k,nr_inodes=1/ tmpfs ro/" /proc/self/mountinfo')],
  ['the devices and links', shell('ls -l /dev | sed -E "s/ +[A-Z][a-z]+ +[0-9]+ +[0-9:]+ / /" | grep -v ^total')],
  ['a device of the configuration', (spec) => { spec.linux['devices'] = [{ path: '/dev/mine', type: 'c', major: 1, minor: 5, fileMode: 0o640, uid: 5, gid: 6 }, { path: '/dev/pipe', type: 'p' }]; script(spec, 'stat -c "%F %a %u %g %t %T" /dev/mine /dev/pipe'); }],
  ['the cgroups', shell('cat /proc/self/cgroup | grep -v "^0::"')],
  ['a cgroup namespace', (spec) => { spec.linux.namespaces.push({ type: 'cgroup' }); script(spec, 'cat /proc/self/cgroup | grep -v "^0::"; grep cgroup /proc/self/mountinfo | sed -E "s/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //"'); }],
  ['a writable rootfs and its tmpfs', (spec) => { spec.root['readonly'] = false; spec.mounts.push({ destination: '/place/tmp', type: 'tmpfs', source: 'tmpfs', options: ['size=1m', 'mode=1770', 'noexec'] }); script(spec, 'touch /place/new && stat -c %a /place/tmp && grep /place /proc/self/mountinfo | sed -E "s/^.* - //"'); }],
  ['bind mounts, one read-only and one recursive', (spec) => { spec.mounts.push({ destination: '/place/etc', type: 'bind', source: '/etc/hostname', options: ['bind', 'ro'] }, { destination: '/place/usr', type: 'none', source: '/usr/share', options: ['rbind', 'rprivate', 'nosuid'] }); script(spec, 'cat /place/etc | wc -c; touch /place/etc; grep /place /proc/self/mountinfo | sed -E "s/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ //"'); }],
  ['masked and read-only paths', shell('cat /proc/kcore /proc/keys | wc -c; ls /proc/acpi /sys/firmware | wc -l; touch /proc/sys/kernel/x; echo 1 > /proc/sysrq-trigger')],
  ['the host name', (spec) => { spec['hostname'] = 'somewhere'; script(spec, 'hostname; uname -n'); }],
  ['limits', (spec) => { spec.process['rlimits'] = [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }, { type: 'RLIMIT_CORE', soft: 0, hard: 0 }, { type: 'RLIMIT_NPROC', soft: 50, hard: 60 }]; script(spec, 'grep -E "open files|core file|processes" /proc/self/limits'); }],
  ['sysctls', (spec) => { spec.linux['sysctl'] = { 'net.ipv4.ip_forward': '1', 'kernel.shmmax': '4096', 'net/core/somaxconn': '7' }; script(spec, 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax /proc/sys/net/core/somaxconn'); }],
  ['the loopback device', shell('cat /sys/class/net/lo/operstate /sys/class/net/lo/flags; ls /sys/class/net')],
  ['a working directory that is made', (spec) => { spec.root['readonly'] = false; spec.process['cwd'] = '/place/a/b'; script(spec, 'pwd; stat -c "%a %u" /place/a/b'); }],
  ['oom_score_adj', (spec) => { spec.process['oomScoreAdj'] = 321; script(spec, 'cat /proc/self/oom_score_adj'); }],
  ['cgroup limits', (spec) => { spec.linux['resources'] = { memory: { limit: 67108864, swap: 134217728, reservation: 33554432, swappiness: 10 }, pids: { limit: 33 }, cpu: { shares: 512, quota: 20000, period: 50000, cpus: '0', mems: '0' } }; script(spec, 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory/memory.memsw.limit_in_bytes memory/memory.soft_limit_in_bytes memory/memory.swappiness pids/pids.max cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpuset/cpuset.cpus'); }],
  ['the default device list', (spec) => { spec.linux['resources'] = { devices: [{ allow: false, access: 'rwm' }, { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' }] }; script(spec, 'sort /sys/fs/cgroup/devices/devices.list'); }],
  ['a program that is refused a call by seccomp', (spec) => { spec.linux['seccomp'] = { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86_64'], syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 }] }; script(spec, 'mkdir /tmp/x; grep Seccomp: /proc/self/status'); }],
  ['a user namespace', (spec) => { spec.linux.namespaces.push({ type: 'user' }); spec.linux['uidMappings'] = [{ containerID: 0, hostID: 100000, size: 65536 }]; spec.linux['gidMappings'] = [{ containerID: 0, hostID: 100000, size: 65536 }]; script(spec, 'id; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; ls -l /dev/null | sed -E "s/ +[A-Z][a-z]+ .*//"'); }],
  ['shared namespaces', (spec) => { spec.linux.namespaces = [{ type: 'mount' }]; delete spec['hostname']; script(spec, 'for each in net uts ipc pid user; do readlink /proc/self/ns/$each; done'); }],
  ['descriptors', shell('ls -l /proc/self/fd | sed -E "s/.* ([0-9]+) -> .*/\\1/" | grep -v total | sort')],
  ['the exit status of a program', shell('exit 42')],
  ['the exit status of a signal', shell('kill -9 $$')],
  ['a program that is not there', (spec) => { spec.process.args = ['nowhere']; }],
  ['a path that is not there', (spec) => { spec.process.args = ['/no/where']; }],
  ['a program that may not be executed', (spec) => { spec.process.args = ['/etc/passwd']; }],
  ['rootfs propagation', (spec) => { spec.linux['rootfsPropagation'] = 'rslave'; script(spec, 'head -1 /proc/self/mountinfo | sed -E "s/^[0-9]+ [0-9]+ [0-9:]+ //; s/(shared|master):[0-9]+/\\1/g"'); }],
  ['a failing hook', (spec) => { spec['hooks'] = { prestart: [{ path: '/bin/sh', args: ['sh', '-c', 'echo out; echo err >&2; exit 3'] }] }; }],
  ['a hook that takes too long', (spec) => { spec['hooks'] = { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '30'], timeout: 1 }] }; }],
  ['a hook that is not there', (spec) => { spec['hooks'] = { prestart: [{ path: '/no/hook' }] }; }],
];

/** What cannot be run is refused with the same words. */
const REFUSALS: readonly (readonly [name: string, change: (spec: SpecDraft) => void])[] = [
  ['no root', (spec) => { Reflect.deleteProperty(spec, 'root'); }],
  ['a rootfs that is not there', (spec) => { spec.root['path'] = 'nope'; }],
  ['no process', (spec) => { Reflect.deleteProperty(spec, 'process'); }],
  ['an empty cwd', (spec) => { spec.process['cwd'] = ''; }],
  ['a relative cwd', (spec) => { spec.process['cwd'] = 'x'; }],
  ['no arguments', (spec) => { spec.process.args = []; }],
  ['arguments of the wrong type', (spec) => { Object.assign(spec.process, { args: 'x' }); }],
  ['an argument of the wrong type', (spec) => { Object.assign(spec.process, { args: [1] }); }],
  ['a number that is negative', (spec) => { spec.process['user'] = { uid: -1, gid: 0 }; }],
  ['a number that is too large', (spec) => { spec.process['user'] = { uid: 4294967295, gid: 0 }; }],
  ['a fraction', (spec) => { spec.linux['resources'] = { memory: { limit: 1.5 } }; }],
  ['an object of the wrong type', (spec) => { Object.assign(spec, { linux: 'x' }); }],
  ['an unknown namespace', (spec) => { spec.linux.namespaces.push({ type: 'foo' }); }],
  ['a namespace twice', (spec) => { spec.linux.namespaces.push({ type: 'pid' }); }],
  ['a namespace path that is not there', (spec) => { spec.linux.namespaces = spec.linux.namespaces.map((each) => (each['type'] === 'network' ? { ...each, path: '/nosuch' } : each)); }],
  ['a host name without its namespace', (spec) => { spec.linux.namespaces = spec.linux.namespaces.filter((each) => each['type'] !== 'uts'); }],
  ['masked paths without a mount namespace', (spec) => { spec.linux.namespaces = spec.linux.namespaces.filter((each) => each['type'] !== 'mount'); }],
  ['a user namespace without maps', (spec) => { spec.linux.namespaces.push({ type: 'user' }); }],
  ['an unknown propagation', (spec) => { spec.linux['rootfsPropagation'] = 'foo'; }],
  ['an unknown device type', (spec) => { spec.linux['devices'] = [{ path: '/dev/x', type: 'x', major: 1, minor: 3 }]; }],
  ['an unknown rlimit', (spec) => { spec.process['rlimits'] = [{ type: 'RLIMIT_FOO', hard: 1, soft: 1 }]; }],
  ['a sysctl of the host', (spec) => { spec.linux['sysctl'] = { 'vm.swappiness': '1' }; }],
  ['the host name as a sysctl', (spec) => { spec.linux['sysctl'] = { 'kernel.hostname': 'x' }; }],
  ['an environment variable without a value', (spec) => { spec.process.env.push('FOO'); }],
  ['an unknown seccomp action', (spec) => { spec.linux['seccomp'] = { defaultAction: 'BAD' }; }],
  ['an unknown seccomp architecture', (spec) => { spec.linux['seccomp'] = { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['FOO'] }; }],
  ['unified resources on cgroup v1', (spec) => { spec.linux['resources'] = { unified: { 'memory.high': '1' } }; }],
  ['a swappiness above 100', (spec) => { spec.linux['resources'] = { memory: { swappiness: 101 } }; }],
  ['too few CPU shares', (spec) => { spec.linux['resources'] = { cpu: { shares: 1 } }; }],
  ['CPUs that are not there', (spec) => { spec.linux['resources'] = { cpu: { cpus: '99' } }; }],
  ['more memory than memory and swap together', (spec) => { spec.linux['resources'] = { memory: { limit: 10485760, swap: 5242880 } }; }],
  ['a controller that is missing', (spec) => { spec.linux['resources'] = { hugepageLimits: [{ pageSize: '2MB', limit: 1 }] }; }],
  ['SELinux where there is none', (spec) => { spec.process['selinuxLabel'] = 'x'; }],
];

describe.skipIf(missing !== undefined)(`runc-ts beside Debian's runc${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let bundle: TestBundle;
  let root: string;
  beforeAll(() => {
    bundle = createBundle();
    root = mkdtempSync(join(tmpdir(), 'runc-ts-root-'));
  });
  afterAll(() => {
    bundle[Symbol.dispose]();
    rmSync(root, { recursive: true, force: true });
  });

  it.each(CASES)('shows a process the same: %s', { timeout: 60_000 }, async (_name, change) => {
    const [theirs, ours] = await both(change);
    expect(ours.stdout).toBe(theirs.stdout);
    expect(ours.status).toBe(theirs.status);
    expect(messages(ours.stderr)).toEqual(messages(theirs.stderr));
  });

  it.each(REFUSALS)('refuses with the same words and leaves nothing behind: %s', { timeout: 60_000 }, async (_name, change) => {
    const [theirs, ours] = await both(change);
    expect(ours.status).toBe(theirs.status);
    expect(messages(ours.stderr)).toEqual(messages(theirs.stderr));
    expect((await runcTs(['--root', join(root, 'ts'), 'list', '-q'])).stdout).toBe('');
  });

  async function both(change: (spec: SpecDraft) => void): Promise<[CommandResult, CommandResult]> {
    bundle.configure(change);
    const theirs = await runc(['--root', join(root, 'runc'), 'run', '--bundle', bundle.directory, ID]);
    bundle.configure(change);
    const ours = await runcTs(['--root', join(root, 'ts'), 'run', '--bundle', bundle.directory, ID]);
    return [theirs, ours];
  }
});

/** Log lines without their time, and without warnings that only the machine's state explains. */
function messages(stderr: string): string[] {
  return stderr
    .split('\n')
    .filter((line) => line !== '' && !line.includes('unable to get oom kill count'))
    .map((line) => line.replace(/^time="[^"]*" /, ''));
}

function shell(text: string): (spec: SpecDraft) => void {
  return (spec) => {
    script(spec, text);
  };
}

function script(spec: SpecDraft, text: string): void {
  spec.process.args = ['sh', '-c', text];
}
