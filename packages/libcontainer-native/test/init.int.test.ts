import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { MS, closeFd, createNetns, memfdCreate, mkfifo, pidfdSendSignal, pipe, removeNetns, spawn, spawnInit, waitPid, waitPidfd, type InitPlan, type Spawner } from '../src/index.ts';
import { BASIC_MOUNTS, createPlan, createRootfs, mountsBelow, openDescriptors, readMemfd, runPlan, whyNoContainers } from './support/container.ts';

const reason = whyNoContainers();

describe.skipIf(reason !== undefined)(`dray-init${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  const rootfs = reason === undefined ? createRootfs() : { path: '', [Symbol.dispose]: () => undefined };
  afterAll(() => { rootfs[Symbol.dispose](); });
  const plan = (args: readonly string[], more: Parameters<typeof createPlan>[2] = {}): InitPlan => createPlan(rootfs.path, args, more);
  const shell = (script: string, more: Parameters<typeof createPlan>[2] = {}): InitPlan => plan(['sh', '-c', script], more);

  test('the process is pid 1 of namespaces that are not the host\'s', async () => {
    const names = ['pid', 'mnt', 'net', 'ipc', 'uts', 'cgroup'];
    const { stdout, status } = await runPlan(shell(`echo $$; for n in ${names.join(' ')}; do readlink /proc/self/ns/$n; done; exit 7`));
    const [pid, ...links] = stdout.trim().split('\n');
    expect(pid).toBe('1');
    expect(links).toHaveLength(names.length);
    links.forEach((link, index) => { expect(link).not.toBe(fs.readlinkSync(`/proc/self/ns/${names[index] ?? ''}`)); });
    expect(status).toEqual({ code: 7 });
  });

  test('a namespace that is not asked for is the host\'s', async () => {
    const { stdout } = await runPlan(shell('readlink /proc/self/ns/net', { namespaces: { create: ['mount', 'pid'] }, loopbackUp: false }));
    expect(stdout.trim()).toBe(fs.readlinkSync('/proc/self/ns/net'));
  });

  test('host name, domain name, sysctls and loopback are set', async () => {
    const { stdout } = await runPlan(shell('hostname; cat /proc/sys/kernel/domainname /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced; ip -o addr show lo', {
      hostname: 'box', domainname: 'example.test', sysctls: { 'net.ipv4.ip_forward': '1', 'kernel/shm_rmid_forced': '1' },
    }));
    expect(stdout.split('\n').slice(0, 4)).toEqual(['box', 'example.test', '1', '1']);
    expect(stdout).toContain('127.0.0.1/8');
  });

  test('the old root is gone: only the container\'s mounts are there', async () => {
    const { stdout } = await runPlan(shell('cat /proc/self/mountinfo'));
    const targets = stdout.trim().split('\n').map((line) => line.split(' ')[4]);
    expect(targets).toEqual(['/', '/proc', '/dev', '/dev/pts']);
  });

  test('masked paths are empty and read-only paths cannot be written', async () => {
    const { stdout } = await runPlan(shell('cat /proc/keys; ls -A /proc/irq; echo 1 > /proc/sys/vm/swappiness || echo refused; touch /proc/irq/x || echo refused', {
      maskedPaths: ['/proc/keys', '/proc/irq', '/proc/timer_list', '/sys/does/not/exist'], readonlyPaths: ['/proc/sys', '/nowhere'],
    }));
    expect(stdout).toBe('refused\nrefused\n');
  });

  test('a masked file is refused when the container\'s /dev/null is something else', async () => {
    using other = createRootfs();
    fs.mkdirSync(path.join(other.path, 'dev'));
    fs.writeFileSync(path.join(other.path, 'dev/null'), 'not null');
    const masked = createPlan(other.path, ['true'], { mounts: BASIC_MOUNTS.slice(0, 1), devices: [], links: [], maskedPaths: ['/proc/keys'] });
    const stdio = memfdCreate('stdio');
    await expect(runPlan(masked, { stdio: [stdio, stdio, stdio] })).rejects.toMatchObject({ step: 'masked-path', code: 'ENODEV' });
    await expect(runPlan(masked)).rejects.toMatchObject({ step: 'stdio', code: 'ENODEV' });
    closeFd(stdio);
  });

  test('default devices work and their links are there', async () => {
    const { stdout } = await runPlan(shell('echo x > /dev/null && dd if=/dev/zero bs=4 count=1 2>/dev/null | tr "\\0" z; readlink /dev/stdin; stat -c "%t:%T %a" /dev/urandom'));
    expect(stdout).toMatch(/\/proc\/self\/fd\/0\n1:9 666\n$/);
  });

  test('a read-only root and late read-only mounts refuse writes', async () => {
    const { stdout } = await runPlan(shell('touch /x || echo root; touch /data/x || echo data; touch /dev/x && echo dev', {
      rootfs: { path: rootfs.path, readonly: true }, mounts: [...BASIC_MOUNTS, { target: '/data', fstype: 'tmpfs', source: 'tmpfs', flags: MS.RDONLY, readonlyLate: true }],
    }));
    expect(stdout).toBe('root\ndata\ndev\n');
  });

  test('a bind gets its flags and its propagation, and a file is bound to a file', async () => {
    const source = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-bind-'));
    fs.writeFileSync(path.join(source, 'file'), 'content');
    const { stdout } = await runPlan(shell('cat /f /d/file; touch /d/x || echo refused; cat /proc/self/mountinfo', {
      mounts: [...BASIC_MOUNTS, { target: '/d', source, flags: MS.BIND | MS.REC | MS.RDONLY | MS.NOEXEC, propagation: [MS.PRIVATE | MS.REC] }, { target: '/f', source: path.join(source, 'file'), flags: MS.BIND }],
    }));
    fs.rmSync(source, { recursive: true });
    expect(stdout).toContain('contentcontentrefused');
    expect(/ \/d (ro,\S+) - /.exec(stdout)?.[1]).toContain('noexec');
  });

  test('a tmpfs takes the mode of the directory it covers, and with copyUp its content, owners and times', async () => {
    const covered = path.join(rootfs.path, 'covered');
    fs.mkdirSync(path.join(covered, 'sub'), { recursive: true });
    fs.writeFileSync(path.join(covered, 'sub/file'), 'kept');
    fs.symlinkSync('file', path.join(covered, 'sub/link'));
    fs.chownSync(path.join(covered, 'sub/file'), 1000, 1001);
    fs.utimesSync(path.join(covered, 'sub/file'), 1, 2);
    fs.chmodSync(covered, 0o1733);
    const { stdout } = await runPlan(shell('stat -c %a /covered; cat /covered/sub/link; stat -c " %u:%g %Y" /covered/sub/file; touch /covered/new', {
      mounts: [...BASIC_MOUNTS, { target: '/covered', fstype: 'tmpfs', source: 'tmpfs', copyUp: true }],
    }));
    expect(stdout).toBe('1733\nkept 1000:1001 2\n');
    expect(fs.readdirSync(covered)).toEqual(['sub']);
  });

  test('a mount target behind an absolute link lands inside the rootfs', async () => {
    const victim = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-victim-'));
    fs.symlinkSync(victim, path.join(rootfs.path, 'escape'));
    const { stdout } = await runPlan(shell('grep /made /proc/self/mountinfo', { mounts: [...BASIC_MOUNTS, { target: '/escape/made', fstype: 'tmpfs', source: 'tmpfs' }] }));
    expect(stdout).toContain(`${victim}/made`);
    expect(fs.readdirSync(victim)).toEqual([]);
    expect(fs.existsSync(path.join(rootfs.path, victim, 'made'))).toBe(true);
    fs.rmSync(victim, { recursive: true });
  });

  test('proc is not mounted on a symbolic link', async () => {
    using other = createRootfs();
    fs.mkdirSync(path.join(other.path, 'evil'));
    fs.symlinkSync('/evil', path.join(other.path, 'proc'));
    await expect(runPlan(createPlan(other.path, ['true']))).rejects.toThrow('must be mounted on ordinary directory');
  });

  test('user, groups, umask and capabilities are what the plan says', async () => {
    const netBind = 1n << 10n;
    const { stdout } = await runPlan(shell('umask; grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs)" /proc/self/status; echo $HOME', {
      process: {
        uid: 1000, gid: 1001, additionalGids: [5, 6], umask: 0o027, noNewPrivileges: true,
        capabilities: { bounding: netBind, permitted: netBind, effective: netBind, inheritable: netBind, ambient: netBind },
      },
    }));
    const mask = '0000000000000400';
    expect(stdout.trim().split('\n').map((line) => line.replaceAll(/\s+/g, ' ').trim())).toEqual([
      '0027', 'Uid: 1000 1000 1000 1000', 'Gid: 1001 1001 1001 1001', 'Groups: 5 6', `CapInh: ${mask}`, `CapPrm: ${mask}`, `CapEff: ${mask}`, `CapBnd: ${mask}`, `CapAmb: ${mask}`, 'NoNewPrivs: 1', '/home/user',
    ]);
  });

  test('a capability that the runtime has not got is left out with a warning', async () => {
    const own = fs.readFileSync('/proc/self/status', 'utf8');
    const permitted = BigInt(`0x${/CapPrm:\s+(\w+)/.exec(own)?.[1] ?? '0'}`);
    const all = (1n << 41n) - 1n;
    const { stdout, warnings } = await runPlan(shell('grep CapPrm /proc/self/status', { process: { capabilities: { bounding: all, permitted: all, effective: all, inheritable: 0n, ambient: 0n } } }));
    expect(BigInt(`0x${stdout.split('\t')[1]?.trim() ?? ''}`)).toBe(permitted & all);
    expect(warnings.map(({ step }) => step)).toEqual((all & ~permitted) === 0n ? [] : ['capabilities']);
  });

  test('resource limits are set; one that may not be raised is a warning', async () => {
    const { stdout, warnings } = await runPlan(shell('ulimit -n; ulimit -Hn', { process: { rlimits: [{ resource: 7, soft: 64n, hard: 128n }, { resource: 8, soft: (1n << 64n) - 1n, hard: (1n << 64n) - 1n }] } }));
    expect(stdout).toBe('64\n128\n');
    expect(warnings.every(({ step, errno }) => step === 'rlimit' && errno === 1)).toBe(true);
  });

  test.each([
    [['nope'], 'exec: "nope": executable file not found in $PATH', 'EXEC_NOT_FOUND'],
    [['/nope'], 'exec: "/nope": stat /nope: no such file or directory', 'EXEC_NOT_FOUND'],
    [['/etc/passwd'], 'exec: "/etc/passwd": permission denied', 'EXEC_NOT_EXECUTABLE'],
    [['/etc'], 'exec: "/etc": is a directory', 'EXEC_NOT_EXECUTABLE'],
    [['/bin/bad'], 'exec /bin/bad: exec format error', 'EXEC_NOT_EXECUTABLE'],
  ])('%j fails as with the original: %s', async (args, message, code) => {
    fs.writeFileSync(path.join(rootfs.path, 'bin/bad'), 'no program', { mode: 0o755 });
    await expect(runPlan(plan(args))).rejects.toMatchObject({ message, code });
  });

  test('seccomp: a filter refuses a system call, with and without no_new_privs', async () => {
    const EPERM_FOR_MKDIR = process.arch === 'x64' ? [83, 258] : [34];
    const program = seccompRefusing(EPERM_FOR_MKDIR);
    for (const noNewPrivileges of [true, false]) {
      const { stdout, stderr } = await runPlan(shell('mkdir /tmp/refused || echo refused; grep Seccomp: /proc/self/status', { process: { noNewPrivileges, seccomp: { program } } }));
      expect(stdout).toBe('refused\nSeccomp:\t2\n');
      expect(stderr).toContain('Operation not permitted');
    }
  });

  test('the working directory is made; one outside of the container is refused', async () => {
    const { stdout } = await runPlan(shell('pwd; stat -c %a .', { process: { cwd: '/made/for/me' } }));
    expect(stdout).toBe('/made/for/me\n755\n');
    const directory = fs.openSync('/etc', 'r');
    for (const cwd of ['/proc/self/fd/3', '/proc/self/fd/5', '/proc/self/fd/6', '/proc/self/fd/8', '/proc/self/fd/10', '/proc/self/fd/12']) {
      await expect(runPlan(plan(['true'], { process: { cwd } }), { preserveFds: [directory] })).rejects.toMatchObject({ name: 'LibcontainerError' });
    }
    closeFd(directory);
  });

  test('the process inherits descriptors 0 to 2 and those to be preserved, and no other', async () => {
    const first = memfdCreate('first');
    const second = memfdCreate('second');
    fs.writeSync(second, 'from the second');
    const { stdout } = await runPlan(shell('ls /proc/self/fd | grep -v "^3$"; ls -l /proc/self/fd | grep -c memfd:; cat /proc/self/fd/4; env | grep LISTEN', { process: { env: ['PATH=/bin', 'LISTEN_FDS=2'], listenPid: true } }), { preserveFds: [first, second] });
    const bare = await runPlan(plan(['ls', '/proc/self/fd']));
    [first, second].forEach(closeFd);
    expect(stdout).toContain('from the second');
    expect(stdout).toContain('LISTEN_PID=1');
    expect(bare.stdout.trim().split('\n')).toEqual(['0', '1', '2', '3']); // 3 is the directory that ls reads.
  });

  test('a null stdio is the container\'s own device, not the host\'s', async () => {
    const { stdout } = await runPlan(shell('stat -L -c %D /proc/self/fd/0; stat -c %D /dev/null'));
    const [stdin, own] = stdout.trim().split('\n');
    expect(stdin).toBe(own);
    expect(own).not.toBe(fs.statSync('/dev/null').dev.toString(16));
  });

  test('with an exec FIFO, init waits until somebody reads, even when the runtime has let go', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-fifo-'));
    const fifo = path.join(directory, 'exec.fifo');
    mkfifo(fifo, 0o600);
    fs.chmodSync(fifo, 0o622);
    const out = memfdCreate('out');
    const init = await spawnInit({ plan: shell('echo started', { execFifo: fifo, process: { uid: 1000, gid: 1000 } }), stdio: [0, out, out] });
    await init.ready;
    expect(readMemfd(out)).toBe('');
    expect(fs.readFileSync(`/proc/${init.pid}/comm`, 'utf8').trim()).toBe('dray-init');
    expect(await fs.promises.readFile(fifo, 'utf8')).toBe('0');
    expect(await init.wait()).toEqual({ code: 0 });
    expect(readMemfd(out)).toBe('started\n');
    init.close();
    closeFd(out);
    fs.rmSync(directory, { recursive: true });
  });

  test('an exec FIFO that the container\'s user cannot write to is an error before start', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-fifo-'));
    const fifo = path.join(directory, 'exec.fifo');
    mkfifo(fifo, 0o600);
    await expect(runPlan(plan(['true'], { execFifo: fifo, process: { uid: 1000, gid: 1000 } }))).rejects.toMatchObject({ step: 'exec-fifo', code: 'EACCES' });
    fs.rmSync(directory, { recursive: true });
  });

  test('a program that cannot be executed after start says so on standard error and exits with 1', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-fifo-'));
    const fifo = path.join(directory, 'exec.fifo');
    mkfifo(fifo, 0o622);
    fs.writeFileSync(path.join(rootfs.path, 'bin/bad'), 'no program', { mode: 0o755 });
    const out = memfdCreate('out');
    const init = await spawnInit({ plan: plan(['/bin/bad'], { execFifo: fifo }), stdio: [0, out, out] });
    await init.ready;
    await fs.promises.readFile(fifo);
    expect(await init.wait()).toEqual({ code: 1 });
    expect(readMemfd(out)).toBe('exec /bin/bad: exec format error\n');
    init.close();
    closeFd(out);
    fs.rmSync(directory, { recursive: true });
  });

  test('hooks: the runtime\'s come first, then createContainer before the pivot, then startContainer inside', async () => {
    const out = memfdCreate('out');
    const hook = (name: string, shellPath: string) => ({ hooks: [{ path: shellPath, args: ['sh', '-c', `echo ${name} $(cat) $A $(test -e /work && echo host || echo inside)`], env: ['A=b', 'PATH=/bin:/usr/bin'] }], state: { before: '{"pid":', after: '}' } });
    const seen: number[] = [];
    const init = await spawnInit({
      plan: shell('echo process', { hooksWanted: true, createContainerHooks: hook('create', '/bin/sh'), startContainerHooks: hook('start', '/bin/sh') }),
      stdio: [0, out, out],
      onHooks: async (pid) => { seen.push(pid); fs.writeSync(out, 'runtime\n'); },
    });
    await init.ready;
    await init.wait();
    expect(seen).toEqual([init.pid]);
    expect(readMemfd(out).split('\n')).toEqual(['runtime', expect.stringMatching(/^create \{"pid":1\} b /), 'start {"pid":1} b inside', 'process', '']);
    init.close();
    closeFd(out);
  });

  test('a hook that fails or takes too long ends the container', async () => {
    const hooks = (script: string, timeoutMs?: number): Parameters<typeof createPlan>[2] => ({
      createContainerHooks: { hooks: [{ path: '/bin/sh', args: ['sh', '-c', script], ...(timeoutMs === undefined ? {} : { timeoutMs }) }], state: { before: '', after: '' } },
    });
    await expect(runPlan(plan(['true'], hooks('exit 3')))).rejects.toThrow('error running hook: /bin/sh: exit status 3');
    await expect(runPlan(plan(['true'], hooks('exec /bin/sleep 100', 50)))).rejects.toMatchObject({ step: 'hook', code: 'ETIMEDOUT' });
    await expect(runPlan(plan(['true'], { hooksWanted: true }), { onHooks: async () => { throw new Error('hook said no'); } })).rejects.toThrow('hook said no');
  });

  test('an abort ends a container that is being made', async () => {
    const controller = new AbortController();
    const outcome = runPlan(plan(['true'], { hooksWanted: true }), { signal: controller.signal, onHooks: async () => { controller.abort(new Error('enough')); await new Promise(() => undefined); } });
    await expect(outcome).rejects.toThrow('enough');
  });

  test('user namespace: ids are mapped and capabilities are the namespace\'s', async () => {
    using mapped = createRootfs();
    const source = path.join(mapped.path, 'etc');
    const { stdout } = await runPlan(createUserPlan(mapped.path, source));
    const lines = stdout.trim().split('\n');
    expect(lines[0]).toBe('0');
    expect(lines[1]?.trim().split(/\s+/)).toEqual(['0', '100000', '65536']);
    expect(lines[2]).toBe('allow');
    expect(lines[3]).not.toBe(fs.readlinkSync('/proc/self/ns/user'));
    expect(lines.slice(4)).toEqual(['1', 'null']);
  });

  test('exec joins a user namespace with everything in it', async () => {
    using mapped = createRootfs();
    const base = createUserPlan(mapped.path, path.join(mapped.path, 'etc'));
    const main = await spawnInit({ plan: { ...base, process: { args: ['sleep', '1000'], env: ['PATH=/bin'] } }, stdio: [0, 1, 2] });
    try {
      await main.ready;
      const { stdout } = await runPlan({
        kind: 'exec', namespaces: { joinPidfd: { pidfd: main.pidfd, types: ['user', 'pid', 'mount', 'network', 'ipc', 'uts'] } },
        process: { args: ['sh', '-c', 'id -u; id -G; readlink /proc/self/ns/user; grep CapEff /proc/self/status'], env: ['PATH=/bin'], uid: 1000, gid: 1000, additionalGids: [7], capabilities: { bounding: 0n, effective: 0n, permitted: 0n, inheritable: 0n, ambient: 0n } },
      });
      expect(stdout).toBe(`1000\n1000 7\n${fs.readlinkSync(`/proc/${main.pid}/ns/user`)}\nCapEff:\t0000000000000000\n`);
    } finally {
      pidfdSendSignal(main.pidfd, 9);
      await main.wait();
      main.close();
    }
  });

  test('a joined namespace is the one at the path; a path of another type is an error', async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-netns-'));
    const netns = path.join(directory, 'net');
    await createNetns(netns);
    const join = (file: string): InitPlan => shell('readlink /proc/self/ns/net', { namespaces: { create: ['pid', 'mount'], join: [{ type: 'network', path: file }] } });
    const { stdout } = await runPlan(join(netns));
    expect(stdout.trim()).toBe(`net:[${fs.statSync(netns).ino}]`);
    await expect(runPlan(join('/proc/self/ns/uts'))).rejects.toMatchObject({ step: 'setns', code: 'EINVAL' });
    await expect(runPlan(join('/nope'))).rejects.toMatchObject({ step: 'setns', code: 'ENOENT' });
    removeNetns(netns);
    fs.rmdirSync(directory);
  });

  test.skipIf(!fs.existsSync('/bin/bash'))('a command prefix may stand between: init becomes its child, and the runtime is told all the same (needs bash)', async () => {
    const out = memfdCreate('out');
    let prefixPid = -1;
    const spawner: Spawner = async ({ file, argv, env, fds }) => {
      if (typeof file === 'string') throw new Error('a sealed binary was expected');
      const script = `(exec -a ${argv[0] ?? ''} /proc/self/fd/${fds.length}); exec ${Array.from({ length: fds.length - 2 }, (_, index) => `${index + 3}>&-`).join(' ')}; read -r line < /proc/self/fd/0; exit 9`;
      const { pid, pidfd } = spawn({ file: '/bin/bash', argv: ['bash', '-c', script], env, fds: [...fds, file.fd] });
      prefixPid = pid;
      closeFd(pidfd);
      return { pid };
    };
    const [readEnd, writeEnd] = pipe();
    const init = await spawnInit({ plan: shell('echo from inside; read -r line'), stdio: [readEnd, out, out], spawner });
    await init.ready;
    expect(fs.readFileSync(`/proc/${init.pid}/stat`, 'utf8').split(' ')[3]).toBe(String(prefixPid));
    fs.writeSync(writeEnd, '\n\n');
    closeFd(writeEnd);
    expect(await waitPid(prefixPid)).toEqual({ code: 9 });
    await vi.waitFor(() => { expect(readMemfd(out)).toBe('from inside\n'); });
    init.close();
    [readEnd, out].forEach(closeFd);
  });

  test('a seccomp listener is handed to the runtime before the program runs', async () => {
    const NOTIFY_FOR_MKDIR = process.arch === 'x64' ? 83 : 34;
    const listeners: string[] = [];
    const program = seccompFilter([NOTIFY_FOR_MKDIR], 0x7fc00000);
    const plans = shell('true', { process: { noNewPrivileges: true, seccomp: { program, flags: 8 } } });
    await runPlan(plans, { onSeccompListener: async (fd) => { listeners.push(fs.readlinkSync(`/proc/self/fd/${fd}`)); closeFd(fd); } });
    expect(listeners).toEqual(['anon_inode:seccomp notify']);
    await expect(runPlan(plans)).rejects.toMatchObject({ code: 'NO_SECCOMP_AGENT' });
  });

  test('time namespace: the clock is shifted', async () => {
    const { stdout } = await runPlan(shell('cat /proc/uptime', { namespaces: { create: ['pid', 'mount', 'time'] }, loopbackUp: false, timeOffsets: { boottime: { secs: 1_000_000n, nanosecs: 0 } } }));
    expect(Number(stdout.split(' ')[0])).toBeGreaterThan(1_000_000);
  });

  test('cgroups: the process is in the cgroup when it runs, and the cgroup namespace shows it as the root', async () => {
    const cgroup = `/sys/fs/cgroup/pids/dray-test-${process.pid}`;
    if (!fs.existsSync('/sys/fs/cgroup/pids/tasks')) return;
    fs.mkdirSync(cgroup);
    try {
      const { stdout } = await runPlan(shell('cat /proc/self/cgroup', { cgroupProcs: [`${cgroup}/tasks`] }), {});
      expect(stdout).toMatch(/:pids:\/\n/);
      const shared = await runPlan(shell('cat /proc/self/cgroup', { cgroupProcs: [`${cgroup}/tasks`], namespaces: { create: ['pid', 'mount'] }, loopbackUp: false }));
      expect(shared.stdout).toContain(`:pids:/${path.basename(cgroup)}\n`);
    } finally {
      fs.rmdirSync(cgroup);
    }
  });

  test('exec joins a running container by pidfd and reports a missing program', async () => {
    const main = await spawnInit({ plan: plan(['sleep', '1000'], { hostname: 'running' }), stdio: [0, 1, 2] });
    try {
      await main.ready;
      const exec = (args: readonly string[], cwd = '/'): InitPlan => ({
        kind: 'exec', namespaces: { joinPidfd: { pidfd: main.pidfd, types: ['pid', 'mount', 'network', 'ipc', 'uts', 'cgroup'] } }, process: { args, env: ['PATH=/bin'], cwd },
      });
      const { stdout, status } = await runPlan(exec(['sh', '-c', 'hostname; cat /proc/1/cmdline; readlink /proc/self/ns/pid; ls /proc/self/fd; exit 3']));
      expect(stdout).toContain('running\nsleep\0001000\0');
      expect(stdout).toContain(fs.readlinkSync(`/proc/${main.pid}/ns/pid`));
      expect(stdout.trim().split('\n').slice(-4)).toEqual(['0', '1', '2', '3']);
      expect(status).toEqual({ code: 3 });
      await expect(runPlan(exec(['nope']))).rejects.toThrow('exec: "nope": executable file not found in $PATH');
      await expect(runPlan(exec(['true'], '/nope'))).rejects.toThrow('chdir to cwd ("/nope") set in config.json failed: no such file or directory');
    } finally {
      pidfdSendSignal(main.pidfd, 9);
      expect(await waitPidfd(main.pidfd)).toEqual({ signal: 9 });
      main.close();
    }
  });

  test('twenty containers at once, successful or not, leave no descriptor, child or mount behind', async () => {
    await runPlan(plan(['true']));
    await vi.waitFor(() => { expect(openDescriptors().filter((entry) => entry.includes('pidfd'))).toEqual([]); });
    const before = openDescriptors();
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => runPlan(plan(index % 2 === 0 ? ['true'] : ['nope']))));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    // The first stages are reaped, and libuv closes what it has watched, in the background.
    await vi.waitFor(() => { expect(openDescriptors()).toEqual(before); });
    expect(mountsBelow(rootfs.path)).toEqual([]);
    expect(fs.readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim()).toBe('');
  });
});

/** In a user namespace devices are bound from the host, and /sys is left out. */
function createUserPlan(rootfs: string, source: string): InitPlan {
  fs.chownSync(rootfs, 100000, 100000);
  const base = createPlan(rootfs, ['sh', '-c', 'id -u; cat /proc/self/uid_map /proc/self/setgroups; readlink /proc/self/ns/user; grep -c ^root /bound/passwd; echo x > /dev/null && echo null']);
  return {
    ...base,
    namespaces: { create: ['user', 'pid', 'mount', 'network', 'ipc', 'uts'] },
    userMappings: { uid: [{ containerId: 0, hostId: 100000, size: 65536 }], gid: [{ containerId: 0, hostId: 100000, size: 65536 }] },
    mounts: [...BASIC_MOUNTS, { target: '/bound', source, flags: MS.BIND }],
    devices: (base.devices ?? []).map((device) => ({ ...device, bindFrom: device.path })),
  };
}

/** A filter that answers EPERM to the given system call numbers and lets all others through. */
function seccompRefusing(numbers: readonly number[]): Uint8Array {
  return seccompFilter(numbers, 0x00050000 | 1);
}

/** A filter with one answer for the given system call numbers, which lets all others through. */
function seccompFilter(numbers: readonly number[], answer: number): Uint8Array {
  const instructions: [number, number, number, number][] = [[0x20, 0, 0, 0]];
  numbers.forEach((number, index) => instructions.push([0x15, numbers.length - index, 0, number]));
  instructions.push([0x06, 0, 0, 0x7fff0000], [0x06, 0, 0, answer]);
  const program = Buffer.alloc(instructions.length * 8);
  instructions.forEach(([code, jt, jf, k], index) => {
    program.writeUInt16LE(code, index * 8);
    program.writeUInt8(jt, index * 8 + 2);
    program.writeUInt8(jf, index * 8 + 3);
    program.writeUInt32LE(k, index * 8 + 4);
  });
  return program;
}
