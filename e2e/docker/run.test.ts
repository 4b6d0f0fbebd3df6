import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../support/command.ts';
import { dockerCli, isAlive, pidsWith, repository, until } from '../support/engine.ts';
import { engineForFile, missing } from '../support/fixture.ts';

describe.skipIf(missing !== undefined)(`docker run${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const engine = engineForFile();

  it('prints what the process prints and exits 0', async () => {
    expect(await engine.current.docker('run', '--rm', 'busybox', 'echo', 'hi')).toMatchObject({ code: 0, stdout: 'hi\n', stderr: '' });
  });

  it('keeps standard output and standard error apart', async () => {
    expect(await engine.current.docker('run', '--rm', 'busybox', 'sh', '-c', 'echo out; echo err >&2')).toMatchObject({ code: 0, stdout: 'out\n', stderr: 'err\n' });
  });

  it.each([0, 1, 3, 42, 255])('passes exit status %i through', async (status) => {
    expect((await engine.current.docker('run', '--rm', 'busybox', 'sh', '-c', `exit ${String(status)}`)).code).toBe(status);
  });

  it('exits 137 when the process is killed', async () => {
    const running = engine.current.docker('run', '--rm', '--name', 'victim', 'busybox', 'sleep', '1000');
    await until(async () => (await engine.current.ok('ps', '-q', '--filter', 'name=victim')) !== '', 'the container runs');
    await engine.current.ok('kill', 'victim');
    expect((await running).code).toBe(137);
  });

  it('exits 127 for a command that does not exist, with the original\'s words, and leaves no running container', async () => {
    const finished = await engine.current.docker('run', '--rm', '--name', 'absent', 'busybox', 'no-such-command');
    expect(finished.code).toBe(127);
    expect(finished.stderr).toContain('exec: "no-such-command": executable file not found in $PATH');
    expect(await engine.current.ok('ps', '-aq', '--filter', 'name=absent')).toBe('');
  });

  it('exits 126 for a command that is not executable', async () => {
    const finished = await engine.current.docker('run', '--rm', 'busybox', '/etc/not-executable');
    expect(finished.code).toBe(126);
    expect(finished.stderr).toContain('permission denied');
  });

  it('exits 125 for a bad option value, and the daemon says why', async () => {
    const finished = await engine.current.docker('run', '--rm', '-m', '1m', 'busybox', 'true');
    expect(finished.code).toBe(125);
    expect(finished.stderr).toContain('Minimum memory limit allowed is 6MB');
  });

  it('exits 125 for an image that is not there and cannot be pulled', async () => {
    expect((await engine.current.docker('run', '--rm', '127.0.0.1:1/absent/image', 'true')).code).toBe(125);
  });

  it('isolates: pid 1, own host name, own mounts, own network, own ipc', async () => {
    const out = await engine.current.ok('run', '--rm', '--hostname', 'inside', 'busybox', 'sh', '-c',
      'echo $$; hostname; for n in mnt net ipc uts pid; do readlink /proc/self/ns/$n; done; ls /proc | grep -c "^[0-9]"');
    const [pid, hostname, mnt, net, ipc, uts, pidNamespace] = out.split('\n');
    expect(pid).toBe('1');
    expect(hostname).toBe('inside');
    for (const [name, value] of Object.entries({ mnt, net, ipc, uts, pid: pidNamespace })) expect(value).not.toBe(fs.readlinkSync(`/proc/self/ns/${name}`));
  });

  it('gives the default capabilities, a seccomp filter and no more', async () => {
    const status = await engine.current.ok('run', '--rm', 'busybox', 'cat', '/proc/self/status');
    expect(status).toMatch(/^CapEff:\s+00000000a80425fb$/m);
    expect(status).toMatch(/^CapBnd:\s+00000000a80425fb$/m);
    expect(status).toMatch(/^CapInh:\s+0000000000000000$/m);
    expect(status).toMatch(/^CapAmb:\s+0000000000000000$/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
  });

  it('refuses what the seccomp profile refuses', async () => {
    expect((await engine.current.docker('run', '--rm', 'busybox', 'unshare', '-U', 'true')).stderr).toContain('Operation not permitted');
  });

  it('keeps only standard descriptors open in the container', async () => {
    expect((await engine.current.ok('run', '--rm', 'busybox', 'sh', '-c', 'ls /proc/self/fd | wc -l')).trim()).toBe('4'); // 0, 1, 2 and the listing itself
  });

  it('honours -e, -w, -u, --entrypoint and -v', async () => {
    const folder = fs.mkdtempSync(path.join(engine.current.folder, 'bind-'));
    fs.chmodSync(folder, 0o777);
    fs.writeFileSync(path.join(folder, 'file'), 'from the host\n');
    const out = await engine.current.ok('run', '--rm', '-e', 'A=b c', '-w', '/new/dir', '-u', '33:33', '-v', `${folder}:/mnt:ro`, '--entrypoint', 'sh', 'busybox', '-c',
      'echo "$A"; pwd; id -u; id -g; cat /mnt/file; touch /mnt/x 2>&1 || true');
    expect(out.split('\n')).toEqual(['b c', '/new/dir', '33', '33', 'from the host', expect.stringContaining('Read-only file system')]);
  });

  it('resolves a user by name with its supplementary groups', async () => {
    expect(await engine.current.ok('run', '--rm', '-u', 'www-data', 'busybox', 'id')).toBe('uid=33(www-data) gid=33(www-data) groups=29(audio),33(www-data)');
  });

  it('limits memory, processes and processor time', async () => {
    const id = await engine.current.ok('run', '-d', '-m', '64m', '--pids-limit', '50', '--cpus', '0.5', 'busybox', 'sleep', '1000');
    const pid = await engine.current.ok('inspect', '-f', '{{.State.Pid}}', id);
    const limits = cgroupValues(Number(pid));
    await engine.current.ok('rm', '-f', id);
    expect(limits).toEqual({ memory: '67108864', pids: '50', cpuQuota: '50000' });
  });

  it.each(['none', 'host', 'bridge'])('runs with --net %s', async (mode) => {
    const links = (await engine.current.ok('run', '--rm', '--net', mode, 'busybox', 'ls', '/sys/class/net')).split(/\s+/);
    if (mode === 'none') expect(links).toEqual(['lo']);
    if (mode === 'bridge') expect(links.sort()).toEqual(['eth0', 'lo']);
    if (mode === 'host') {
      const bridge = await engine.current.ok('network', 'inspect', '-f', '{{index .Options "com.docker.network.bridge.name"}}', 'bridge');
      expect(links).toEqual(expect.arrayContaining(['lo', bridge])); // the host's own links, not a container's
    }
  });

  it('gives each bridge container an address, and containers reach each other', async () => {
    const id = await engine.current.ok('run', '-d', 'busybox', 'nc', '-l', '-p', '7777', '-e', 'echo', 'reached');
    const address = await engine.current.ok('inspect', '-f', '{{.NetworkSettings.IPAddress}}', id);
    expect(address).toMatch(/^10\.213\.\d+\.\d+$/);
    expect(await engine.current.ok('run', '--rm', 'busybox', 'sh', '-c', `nc -w 5 ${address} 7777`)).toBe('reached');
    await engine.current.ok('rm', '-f', id);
  });

  it('echoes 50 MiB of standard input through cat byte for byte, half-close included', async () => {
    const input = randomBytes(50 * 1024 * 1024);
    const finished = await engine.current.dockerWithInput(input, 'run', '--rm', '-i', 'busybox', 'cat');
    expect(finished.code).toBe(0);
    expect(finished.bytes.equals(input)).toBe(true);
  });

  it('delivers what is printed after standard input ended', async () => {
    expect((await engine.current.dockerWithInput('abc', 'run', '--rm', '-i', 'busybox', 'sh', '-c', 'cat; sleep 0.3; echo " and more"')).stdout).toBe('abc and more\n');
  });

  it('refuses a name that is taken with the original\'s words', async () => {
    const id = await engine.current.ok('create', '--name', 'taken', 'busybox', 'true');
    const finished = await engine.current.docker('run', '--name', 'taken', 'busybox', 'true');
    expect(finished.code).toBe(125);
    expect(finished.stderr).toContain(`Conflict. The container name "/taken" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`);
    await engine.current.ok('rm', 'taken');
  });

  it('shows each part of the engine as a process of its own while a container runs, and the runtime has exited', async () => {
    const id = await engine.current.ok('run', '-d', 'busybox', 'sleep', '1000');
    const pid = Number(await engine.current.ok('inspect', '-f', '{{.State.Pid}}', id));
    const command = (of: number): string => fs.readFileSync(`/proc/${String(of)}/cmdline`, 'utf8').replaceAll('\0', ' ');
    const parent = Number(/^PPid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]);
    expect(command(pid)).toContain('sleep 1000');
    expect(command(parent)).toContain('dray-monitor');
    expect(command(engine.current.daemonPid())).toContain('drayd');
    expect(command(engine.current.containerdPid())).toContain('dray-containerd');
    expect(engine.current.shimPids()).toHaveLength(1);
    expect(pidsWith(['dray-init', id]).filter((other) => other !== parent)).toEqual([]); // the monitor's command line names what it started
    expect(pidsWith(['runc-ts', id])).toEqual([]);
    await engine.current.ok('rm', '-f', id);
    expect(isAlive(pid)).toBe(false);
  });

  it('runs ten containers at once', async () => {
    const all = await Promise.all(Array.from({ length: 10 }, (_, index) => engine.current.docker('run', '--rm', 'busybox', 'echo', String(index))));
    expect(all.map((finished) => finished.stdout)).toEqual(Array.from({ length: 10 }, (_, index) => `${String(index)}\n`));
  });

  it('leaves nothing half-created when a start fails', async () => {
    const mounts = (): number => fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(engine.current.folder) && !line.includes('/netns/')).length;
    const mountsBefore = mounts();
    for (const args of [['no-such-command'], ['/etc/not-executable'], ['/etc']]) await engine.current.docker('run', '--rm', 'busybox', ...args);
    expect(await engine.current.ok('ps', '-aq')).toBe('');
    expect(mounts()).toBe(mountsBefore);
  });

  it('is reached by the dray client as well', async () => {
    const dray = path.join(repository, 'node_modules/.bin/dray');
    const finished = await run(dray, ['container', 'run', '--rm', '--name', 'ctr1', 'busybox', 'echo', 'hi'], { env: { ...process.env, DOCKER_HOST: engine.current.host } });
    expect(finished).toMatchObject({ code: 0, stdout: 'hi\n' });
  });

  it('says what is wrong when no daemon answers', async () => {
    const finished = await run(dockerCli, ['-H', 'unix:///nowhere/dray.sock', 'ps']);
    expect(finished.code).toBe(1);
  });
});

/** The limits that the kernel holds for a process, from whichever cgroup version is mounted. */
function cgroupValues(pid: number): { memory: string; pids: string; cpuQuota: string } {
  const lines = fs.readFileSync(`/proc/${String(pid)}/cgroup`, 'utf8').trim().split('\n').map((line) => line.split(':'));
  const read = (controller: string, v1: string, v2: string): string => {
    const own = lines.find(([, names]) => names?.split(',').includes(controller));
    const unified = lines.find(([number]) => number === '0');
    const file = own ? `/sys/fs/cgroup/${controller}${own[2] ?? ''}/${v1}` : `/sys/fs/cgroup${unified?.[2] ?? ''}/${v2}`;
    return fs.readFileSync(file, 'utf8').trim().split(' ')[0] ?? '';
  };
  return { memory: read('memory', 'memory.limit_in_bytes', 'memory.max'), pids: read('pids', 'pids.max', 'pids.max'), cpuQuota: read('cpu', 'cpu.cfs_quota_us', 'cpu.max') };
}
