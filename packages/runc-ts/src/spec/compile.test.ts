import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CgroupLayout, InitPlan } from '@dray/libcontainer';
import { describe, expect, it } from 'vitest';
import { compilePlan, hookState, type PlanContext } from './compile.ts';
import { defaultSpec } from './default-spec.ts';
import { decodeSpec } from './load.ts';
import { MS, parseMountOptions } from './mount-options.ts';
import { compileMounts } from './mounts.ts';
import { namespaceUses } from './namespaces.ts';
import { validateSysctls } from './sysctl.ts';
import type { MountSpec } from './types.ts';
import { validateId, validateSpec } from './validate.ts';

const V1: CgroupLayout = { mode: 'v1', unified: undefined, hierarchies: [{ controllers: ['cpu', 'cpuacct'], mountpoint: '/sys/fs/cgroup/cpu,cpuacct', root: '/' }, { controllers: ['name=systemd'], mountpoint: '/sys/fs/cgroup/systemd', root: '/' }] };
const V2: CgroupLayout = { mode: 'v2', unified: { mountpoint: '/sys/fs/cgroup', root: '/' }, hierarchies: [] };

describe('parseMountOptions()', () => {
  it('lets the later of two contradicting words win', () => {
    expect(parseMountOptions(['ro', 'rw', 'nosuid'])).toMatchObject({ flags: MS.NOSUID, clearFlags: MS.RDONLY });
    expect(parseMountOptions(['rw', 'ro'])).toMatchObject({ flags: MS.RDONLY, clearFlags: 0 });
  });

  it('hands unknown words to the file system, names of object properties among them', () => {
    expect(parseMountOptions(['size=1m', 'toString', '__proto__', 'constructor']).data).toBe('size=1m,toString,__proto__,constructor');
  });

  it('sorts propagation and recursive attributes out', () => {
    expect(parseMountOptions(['rbind', 'rprivate', 'shared', 'rro', 'rnoatime', 'tmpcopyup'])).toEqual({
      flags: MS.BIND | MS.REC, clearFlags: 0, propagation: [MS.PRIVATE | MS.REC, MS.SHARED], recursiveSet: 0x11, recursiveClear: 0x70, copyUp: true, idmap: false, data: '',
    });
  });
});

describe('compileMounts()', () => {
  const compile = (mounts: MountSpec[], layout: CgroupLayout = V2, hasCgroupNamespace = false): ReturnType<typeof compileMounts> =>
    compileMounts(mounts, { bundle: '/b', layout, cgroupPaths: { '': '/sys/fs/cgroup/x', cpu: '/sys/fs/cgroup/cpu,cpuacct/x', 'name=systemd': '/sys/fs/cgroup/systemd/x' }, hasCgroupNamespace, warn: () => undefined });

  it('counts a relative bind source from the bundle', () => {
    expect(compile([{ destination: '/x', source: 'data', options: ['bind', 'ro'] }]).mounts).toEqual([{ target: '/x', source: '/b/data', flags: MS.BIND | MS.RDONLY }]);
  });

  it('makes a read-only tmpfs writable until everything is in it', () => {
    expect(compile([{ destination: '/x/', type: 'tmpfs', source: 'tmpfs', options: ['ro', 'size=1k'] }]).mounts).toEqual([{ target: '/x', source: 'tmpfs', fstype: 'tmpfs', flags: 0, data: 'size=1k', readonlyLate: true }]);
  });

  it('keeps targets inside the rootfs by their path already', () => {
    expect(compile([{ destination: '/../../etc', type: 'tmpfs' }]).mounts[0]?.target).toBe('/etc');
  });

  it('mounts cgroup v2 with the own cgroup to fall back on', () => {
    expect(compile([{ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] }]).mounts).toEqual([{ target: '/sys/fs/cgroup', source: 'cgroup', fstype: 'cgroup2', flags: MS.RDONLY, fallbackBind: '/sys/fs/cgroup/x' }]);
  });

  it('binds each v1 hierarchy and links the names of joint controllers', () => {
    const { mounts, links } = compile([{ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] }], V1);
    expect(mounts.map(({ target, source }) => [target, source])).toEqual([['/sys/fs/cgroup', 'tmpfs'], ['/sys/fs/cgroup/cpu,cpuacct', '/sys/fs/cgroup/cpu,cpuacct/x'], ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/systemd/x']]);
    expect(links).toEqual([{ path: '/sys/fs/cgroup/cpu', target: 'cpu,cpuacct' }, { path: '/sys/fs/cgroup/cpuacct', target: 'cpu,cpuacct' }]);
  });

  it('mounts v1 hierarchies afresh in a cgroup namespace', () => {
    const { mounts } = compile([{ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup' }], V1, true);
    expect(mounts.slice(1).map(({ fstype, source, data }) => [fstype, source, data])).toEqual([['cgroup', 'cgroup', 'cpu,cpuacct'], ['cgroup', 'systemd', 'name=systemd']]);
  });

  // CVE-2019-16884, CVE-2019-19921: what lies over /proc decides where the runtime's own writes go.
  it.each([[{ destination: '/proc', type: 'tmpfs', source: 'tmpfs' }], [{ destination: '/proc/', source: '/etc', options: ['bind'] }], [{ destination: '/proc/self/attr', type: 'tmpfs' }], [{ destination: '/x/../proc/sys', source: '/etc', options: ['rbind'] }]])('refuses %j', (mount) => {
    expect(() => compile([mount])).toThrow(/cannot be mounted because it is (not of type proc|inside \/proc)/);
  });

  it('lets the files through that container tools replace', () => {
    expect(compile([{ destination: '/proc', type: 'proc', source: 'proc' }, { destination: '/proc/cpuinfo', source: '/x', options: ['bind'] }]).mounts).toHaveLength(2);
  });

  it('refuses id-mapped mounts instead of mounting them plainly', () => {
    expect(() => compile([{ destination: '/x', source: '/y', options: ['bind', 'idmap'] }])).toThrow('id-mapped mounts are not supported');
  });
});

describe('validateSysctls()', () => {
  const all = namespaceUses(['network', 'ipc', 'uts', 'user'].map((type) => ({ type })));

  it('lets through what belongs to a namespace of the container, in either spelling', () => {
    validateSysctls({ 'net.ipv4.ip_forward': '1', 'net/ipv4/conf/eth0.1/forwarding': '1', 'kernel.shmmax': '1', 'fs.mqueue.msg_max': '1', 'kernel/domainname': 'x', 'user.max_user_namespaces': '1' }, all);
  });

  it.each([
    ['net.core.somaxconn', 'sysctl "net.core.somaxconn" not allowed in host network namespace'],
    ['kernel.shmmax', 'sysctl "kernel.shmmax" is not allowed in the hosts ipc namespace'],
    ['kernel.core_pattern', 'sysctl "kernel.core_pattern" is not in a separate kernel namespace'],
    ['kernel/core_pattern', 'sysctl "kernel/core_pattern" is not in a separate kernel namespace'],
    ['user.max_user_namespaces', 'sysctl "user.max_user_namespaces" is not in a separate kernel namespace'],
  ])('refuses %s without a namespace for it', (name, message) => {
    expect(() => { validateSysctls({ [name]: '1' }, namespaceUses([])); }).toThrow(message);
  });

  // CVE-2022-0532: a path may lead to the host's own namespace.
  it("takes a path to the caller's own namespace for the host's", () => {
    const uses = namespaceUses([{ type: 'network', path: '/proc/self/ns/net' }]);
    expect(() => { validateSysctls({ 'net.core.somaxconn': '1' }, uses); }).toThrow('not allowed in host network namespace');
  });
});

describe('validateId()', () => {
  it.each(['', '.', '..', 'a/b', 'a b', 'ä', 'a\n'])('refuses %j', (id) => {
    expect(() => { validateId(id); }).toThrow(expect.objectContaining({ code: 'INVALID_ID' }));
  });

  it.each(['a', 'A_b+c.d-1', '...', '-x'])('takes %j', (id) => {
    validateId(id);
  });
});

describe('compilePlan()', () => {
  it('compiles the default configuration', () => {
    const plan = compile({});
    expect(plan).toMatchObject({ kind: 'create', hostname: 'runc', loopbackUp: true, namespaces: { create: ['pid', 'network', 'ipc', 'uts', 'mount'], join: [] }, rootfs: { path: '/b/rootfs', readonly: true, pivot: 'pivot' } });
    expect(plan.process).toMatchObject({ args: ['sh'], cwd: '/', uid: 0, gid: 0, noNewPrivileges: true, sessionKeyring: '_ses.box', umask: 0o022 });
    // Ambient capabilities that are not inheritable cannot be raised.
    expect(plan.process.capabilities).toMatchObject({ bounding: 0x2000_0420n, inheritable: 0n, ambient: 0n });
  });

  it('binds devices in place of making them in a user namespace', () => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const plan = compile({ linux: { namespaces: [{ type: 'mount' }, { type: 'user' }], uidMappings: maps, gidMappings: maps }, hostname: '' });
    expect(plan.devices?.every((device) => device.bindFrom === device.path)).toBe(true);
    expect(plan.userMappings?.uid).toEqual([{ containerId: 0, hostId: 100_000, size: 65_536 }]);
  });

  it("makes no devices in a host's /dev", () => {
    expect(compile({ mounts: [{ destination: '/dev', source: '/dev', type: 'bind', options: ['rbind'] }] })).toMatchObject({ devices: [], links: [] });
  });

  it('prefers a device of the configuration to the default one of its path', () => {
    const plan = compile({ linux: { namespaces: [{ type: 'mount' }], devices: [{ path: '/dev/null', type: 'c', major: 1, minor: 3, fileMode: 0o100600 }] }, hostname: '' });
    expect(plan.devices?.filter(({ path }) => path === '/dev/null')).toEqual([{ path: '/dev/null', type: 'c', major: 1, minor: 3, mode: 0o600, uid: 0, gid: 0 }]);
  });

  it('gives hooks exactly their environment, and startContainer the process one when it has none', () => {
    const hooks = { createContainer: [{ path: '/h' }], startContainer: [{ path: '/h', timeout: 2 }, { path: '/h', env: [] }], prestart: [{ path: '/h' }] };
    const plan = compile({ hooks });
    expect(plan.hooksWanted).toBe(true);
    expect(plan.createContainerHooks?.hooks).toEqual([{ path: '/h', env: [] }]);
    expect(plan.startContainerHooks?.hooks.map(({ env, timeoutMs }) => [env?.length, timeoutMs])).toEqual([[2, 2000], [0, undefined]]);
  });

  it('refuses [r]private propagation without pivot_root', () => {
    expect(() => compile({ linux: { namespaces: [{ type: 'mount' }], rootfsPropagation: 'rprivate' }, hostname: '' }, { noPivot: true })).toThrow('not safe without pivot_root');
  });
});

describe('hookState()', () => {
  it('is cut where the pid belongs, whatever the other values contain', () => {
    const spec = decodeSpec({ ociVersion: '"pid":0,"bundle"', annotations: { a: '"pid":0,"bundle":x' } });
    const { before, after } = hookState(spec, { id: 'x', bundle: '/b' }, 'creating');
    expect(JSON.parse(`${before}12${after}`)).toEqual({ ociVersion: '"pid":0,"bundle"', id: 'x', status: 'creating', pid: 12, bundle: '/b', annotations: { a: '"pid":0,"bundle":x' } });
  });
});

describe('validateSpec()', () => {
  it.each([
    [{ hostname: 'x' }, 'unable to set hostname without a private UTS namespace'],
    [{ linux: { maskedPaths: ['/x'] } }, 'unable to restrict sys entries without a private MNT namespace'],
    [{ linux: { namespaces: [{ type: 'user' }] } }, 'User namespaces enabled, but no uid mappings found.'],
    [{ linux: { timeOffsets: { monotonic: { secs: 1 } } } }, "time namespace offsets specified, but time namespace isn't enabled in the config"],
    [{ linux: { rootfsPropagation: 'toString' } }, 'rootfsPropagation=toString is not supported'],
    [{ linux: { intelRdt: { closID: 'x' } } }, 'linux.intelRdt is not implemented'],
  ])('refuses %j', (value, message) => {
    const spec = decodeSpec(value);
    expect(() => { validateSpec(spec, namespaceUses(spec.linux?.namespaces ?? [])); }).toThrow(message);
  });
});

const hasRunc = existsSync('/usr/sbin/runc');
describe.skipIf(!hasRunc)(`defaultSpec()${hasRunc ? '' : ' (skipped: runc is not installed)'}`, () => {
  it.each([[[], {}], [['--rootless'], { rootless: true }]])('is what runc spec %j writes, byte for byte', (flags, options) => {
    const folder = mkdtempSync(join(tmpdir(), 'runc-ts-spec-'));
    try {
      execFileSync('/usr/sbin/runc', ['spec', ...flags], { cwd: folder });
      const ids = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
      const isUnified = existsSync('/sys/fs/cgroup/cgroup.controllers');
      expect(JSON.stringify(defaultSpec({ ...options, ...ids, cgroupNamespace: isUnified }), undefined, '\t')).toBe(readFileSync(join(folder, 'config.json'), 'utf8'));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function compile(changes: object, context: Partial<PlanContext> = {}): InitPlan {
  const spec = decodeSpec({ ...defaultSpec(), ...changes });
  return compilePlan(spec, {
    id: 'box',
    bundle: '/b',
    rootfs: '/b/rootfs',
    uses: namespaceUses(spec.linux?.namespaces ?? []),
    cgroupLayout: V2,
    cgroupPaths: {},
    cgroupJoinFiles: [],
    execFifo: '/run/x/exec.fifo',
    consoleSocket: undefined,
    noPivot: false,
    noNewKeyring: false,
    listenPid: false,
    canMakeDevices: true,
    warn: () => undefined,
    ...context,
  });
}
