import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { MS, closeFd, mkfifo, nativeFile, spawnInit } from '../src/index.ts';
import { BASIC_MOUNTS, createPlan, createRootfs, mountsBelow, runPlan, whyNoContainers } from './support/container.ts';

const reason = whyNoContainers();
const ROUNDS = 150;

/** Exchanges two names of a directory as fast as it can, until it is told to stop. */
function exchangeForever(directory: string, one: string, other: string): { stop: () => Promise<number> } {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(
    `const { createRequire } = require('node:module');
     const { shared, addonFile, directory, one, other } = require('node:worker_threads').workerData;
     const addon = createRequire(addonFile)(addonFile);
     const dirfd = addon.openat(-100, directory, 0o2200000, 0);
     while (Atomics.load(shared, 0) === 0) if (addon.renameat2(dirfd, one, dirfd, other, 2) === 0) shared[1]++;`,
    { eval: true, workerData: { shared, addonFile: nativeFile('dray_libcontainer.node'), directory, one, other } },
  );
  return {
    stop: async () => {
      Atomics.store(shared, 0, 1);
      await new Promise((resolve) => worker.once('exit', resolve));
      return shared[1] ?? 0;
    },
  };
}

describe.skipIf(reason !== undefined)(`paths that change while a container is made${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  test('no mount, directory, device, link or mask leaves the rootfs (CVE-2021-30465, CVE-2024-45310, CVE-2026-41579)', async () => {
    using rootfs = createRootfs();
    const victim = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-victim-'));
    fs.mkdirSync(path.join(victim, 'masked'));
    fs.writeFileSync(path.join(victim, 'masked/file'), 'untouched');
    fs.mkdirSync(path.join(rootfs.path, 'volume/real/masked'), { recursive: true });
    fs.symlinkSync(victim, path.join(rootfs.path, 'volume/link'));
    const tree = fs.readdirSync(victim, { recursive: true });
    const exchange = exchangeForever(path.join(rootfs.path, 'volume'), 'real', 'link');
    const plan = createPlan(rootfs.path, ['true'], {
      mounts: [
        ...BASIC_MOUNTS,
        { target: '/volume/real/a/b', fstype: 'tmpfs', source: 'tmpfs' },
        { target: '/volume/real/file', source: '/etc/hostname', flags: MS.BIND },
      ],
      devices: [{ path: '/volume/real/device', type: 'c', major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 }, { path: '/dev/null', type: 'c', major: 1, minor: 3, mode: 0o666, uid: 0, gid: 0 }],
      links: [{ path: '/volume/real/ln', target: '/etc/passwd' }],
      maskedPaths: ['/volume/real/masked'],
      readonlyPaths: ['/volume/real/masked'],
      process: { cwd: '/volume/real/cwd/deep' },
    });
    let made = 0;
    for (let round = 0; round < ROUNDS; round++) {
      try {
        await runPlan(plan);
        made++;
      } catch (error) {
        // Losing a race may be an error of any step, but it is an error.
        expect(error).toMatchObject({ name: 'LibcontainerError' });
      }
    }
    expect(await exchange.stop()).toBeGreaterThan(ROUNDS);
    expect(made).toBeGreaterThan(0);
    expect(fs.readdirSync(victim, { recursive: true })).toEqual(tree);
    expect(fs.readFileSync(path.join(victim, 'masked/file'), 'utf8')).toBe('untouched');
    expect(mountsBelow(victim, rootfs.path)).toEqual([]);
    fs.rmSync(victim, { recursive: true });
  }, 60_000);

  test('what runs inside before the program is a sealed copy, which cannot be written to even after it has ended (CVE-2019-5736)', async () => {
    using rootfs = createRootfs();
    const fifo = path.join(rootfs.path, 'exec.fifo');
    mkfifo(fifo, 0o600);
    const init = await spawnInit({ plan: createPlan(rootfs.path, ['true'], { execFifo: fifo }), stdio: [0, 1, 2] });
    await init.ready;
    const executable = `/proc/${init.pid}/exe`;
    expect(fs.readlinkSync(executable)).toBe('/memfd:dray-init (deleted)');
    const fd = fs.openSync(executable, 'r');
    expect(() => fs.openSync(executable, 'r+')).toThrow('ETXTBSY');
    await fs.promises.readFile(fifo);
    expect(await init.wait()).toEqual({ code: 0 });
    init.close();
    expect(() => { fs.writeFileSync(`/proc/self/fd/${fd}`, 'evil'); }).toThrow(/EPERM|ETXTBSY/);
    expect(fs.readFileSync(fd).equals(fs.readFileSync(nativeFile('dray')))).toBe(true);
    closeFd(fd);
  });
});
