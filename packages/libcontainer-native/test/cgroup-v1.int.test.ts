import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { type Cgroup, cgroupLayout, DEFAULT_DEVICE_RULES, loadCgroup, openCgroup } from '../src/cgroups/index.ts';

const mode = cgroupLayout().mode;
const missing = process.geteuid?.() !== 0 ? 'not root' : mode === 'v1' || mode === 'hybrid' ? undefined : `cgroups are ${mode} here`;

describe.skipIf(missing !== undefined)(`openCgroup() on cgroup v1${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: 20_000 }, () => {
  const name = `dray-cgroup-${process.pid}`;
  let cgroup: Cgroup | undefined;

  afterEach(async () => {
    await cgroup?.signalAll(9);
    await cgroup?.delete();
    await openCgroup({ id: name, cgroupsPath: `/${name}` }).delete();
  });

  it('limits, lists, freezes, kills and vanishes', async () => {
    cgroup = openCgroup({ id: 'x', cgroupsPath: `/${name}/x` });
    cgroup.create();
    cgroup.apply({ memory: { limit: 64 << 20, swap: 128 << 20 }, pids: { limit: 20 }, cpu: { shares: 512 }, devices: [{ allow: false }, ...DEFAULT_DEVICE_RULES] });
    expect(cgroup.stats()).toMatchObject({ memory: { usage: { limit: 67108864n }, swap: { limit: 134217728n } }, pids: { current: 0, limit: 20 } });

    // The shell moves itself the way a container's init does.
    const child = spawn('/bin/sh', ['-c', `for file in ${cgroup.joinFiles.join(' ')}; do echo 0 > $file || exit 1; done; sleep 100 & wait`], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', (_code, signal) => { resolve(signal); }));
    await expect.poll(() => cgroup?.pids().length).toBe(2);
    expect(readFileSync(`/proc/${child.pid ?? 0}/cgroup`, 'utf8')).toMatch(new RegExp(`memory:.*/${name}/x`));

    const again = loadCgroup(cgroup.paths);
    await again.freeze();
    expect(cgroup.isFrozen()).toBe(true);
    await again.signalAll(9);
    expect(await ended).toBe('SIGKILL');
    await again.delete();
    expect(existsSync(cgroup.paths['memory'] ?? '')).toBe(false);
  });

  it('refuses a cgroup that somebody is in', async () => {
    cgroup = openCgroup({ id: 'x', cgroupsPath: `/${name}/y` });
    cgroup.create();
    const child = spawn('/bin/sleep', ['100'], { stdio: 'ignore' });
    writeFileSync(`${cgroup.paths['pids'] ?? ''}/cgroup.procs`, String(child.pid));
    writeFileSync(`${cgroup.paths['devices'] ?? ''}/cgroup.procs`, String(child.pid));
    expect(() => { openCgroup({ id: 'x', cgroupsPath: `/${name}/y` }).create(); }).toThrow(expect.objectContaining({ code: 'CGROUP_NOT_EMPTY' }));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await cgroup.signalAll(9);
    await ended;
  });

  it("says that systemd's driver cannot be used", () => {
    expect(() => openCgroup({ id: 'x', systemd: true })).toThrow(expect.objectContaining({ code: existsSync('/run/systemd/system') ? 'SYSTEMD_DRIVER' : 'SYSTEMD_NOT_RUNNING' }));
  });
});
