import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { closeFd } from '../fs/index.ts';
import { SOCK, WATCH, memfdCreate, pidfdGetFd, pidfdOpen, pidfdSendSignal, pipe, prlimit, recvFds, sealMemfd, sendFds, setNonBlocking, setPipeSize, socketpair, spawn, waitPid, waitPidfd, watchFd, whenReady } from './index.ts';

const sh = (script: string, fds: number[] = [0, 1, 2], more: { cwd?: string; setsid?: boolean; env?: Record<string, string> } = {}): ReturnType<typeof spawn> =>
  spawn({ file: '/bin/sh', argv: ['sh', '-c', script], env: {}, fds, ...more });

async function output(script: string, more: Parameters<typeof sh>[2] = {}): Promise<string> {
  const out = memfdCreate('out');
  const { pidfd } = sh(script, [0, out, 2], more);
  await waitPidfd(pidfd);
  const text = Buffer.alloc(fs.fstatSync(out).size);
  fs.readSync(out, text, 0, text.length, 0);
  [out, pidfd].forEach(closeFd);
  return text.toString();
}

describe('spawn() and waitPid()', () => {
  test('tell an exit code and a signal', async () => {
    const exited = sh('exit 42');
    expect(await waitPid(exited.pid)).toEqual({ code: 42 });
    const killed = sh('exec sleep 1000');
    pidfdSendSignal(killed.pidfd, 15);
    expect(await waitPidfd(killed.pidfd)).toEqual({ signal: 15 });
    [exited.pidfd, killed.pidfd].forEach(closeFd);
  });

  test('the child gets the descriptors in the given order and no other, also when they overlap', async () => {
    const [one, two] = [memfdCreate('one'), memfdCreate('two')];
    const out = memfdCreate('out');
    const { pidfd } = sh('readlink /proc/self/fd/0 /proc/self/fd/2 /proc/self/fd/3; ls /proc/self/fd', [two, out, one, two]);
    await waitPidfd(pidfd);
    const lines = fs.readFileSync(`/proc/self/fd/${out}`, 'utf8').trim().split('\n');
    expect(lines.slice(0, 3)).toEqual(['/memfd:two (deleted)', '/memfd:one (deleted)', '/memfd:two (deleted)']);
    expect(lines.slice(3)).toEqual(['0', '1', '2', '3', '4']); // 4 is the directory that ls reads.
    [one, two, out, pidfd].forEach(closeFd);
  });

  test('signals that Node ignores or blocks are as at first in the child', async () => {
    expect(await output('exec cat /proc/self/status')).toMatch(/SigBlk:\t0{16}\nSigIgn:\t0{16}\nSigCgt:\t0{16}\n/);
  });

  test('working directory, session and environment are what was asked for', async () => {
    expect(await output('pwd; test $(cut -d" " -f6 /proc/$$/stat) = $$ && echo leader; echo $A', { cwd: '/usr', setsid: true, env: { A: 'ä b' } })).toBe('/usr\nleader\nä b\n');
  });

  test('a program that does not exist, and a directory that does not, are errors that leave no child', () => {
    expect(() => spawn({ file: '/nope', argv: ['nope'], env: {}, fds: [0, 1, 2] })).toThrow(expect.objectContaining({ kind: 'not_found', code: 'ENOENT', step: 'execve', path: '/nope' }));
    expect(() => sh('true', [0, 1, 2], { cwd: '/nope' })).toThrow(expect.objectContaining({ step: 'chdir' }));
    expect(() => sh('true', [999])).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  test('a sealed memfd is executed by its descriptor', async () => {
    const fd = memfdCreate('program', { executable: true });
    fs.writeFileSync(fd, fs.readFileSync('/bin/true'));
    sealMemfd(fd);
    expect(() => fs.writeSync(fd, 'x', 0)).toThrow('EPERM');
    const { pidfd } = spawn({ file: { fd }, argv: ['program'], env: {}, fds: [0, 1, 2] });
    expect(await waitPidfd(pidfd)).toEqual({ code: 0 });
    [fd, pidfd].forEach(closeFd);
  });

  test('a hundred at once are all reaped with their own status', async () => {
    const statuses = await Promise.all(Array.from({ length: 100 }, async (_, index) => {
      const { pidfd } = sh(`exit ${index}`);
      const status = await waitPidfd(pidfd);
      closeFd(pidfd);
      return status.code;
    }));
    expect(statuses).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  test('waiting for somebody else\'s process, or one that is not there, is an error; an abort leaves it unreaped', async () => {
    await expect(waitPid(1)).rejects.toMatchObject({ code: 'ECHILD' });
    expect(() => pidfdOpen(0x3fffffff)).toThrow(expect.objectContaining({ kind: 'not_found', code: 'ESRCH' }));
    const { pid, pidfd } = sh('exec sleep 1000');
    await expect(waitPidfd(pidfd, { signal: AbortSignal.timeout(5) })).rejects.toMatchObject({ name: 'TimeoutError' });
    pidfdSendSignal(pidfd, 9);
    expect(await waitPid(pid)).toEqual({ signal: 9 });
    closeFd(pidfd);
  });

  test('the addon works in worker threads at the same time, and a worker may end with a watch open', async () => {
    const source = `
      const { createRequire } = require('node:module');
      const { workerData, parentPort } = require('node:worker_threads');
      const addon = createRequire(workerData)(workerData);
      const { pidfd } = addon.spawn({ file: '/bin/true', argv: ['true'], env: [], fds: [0, 1, 2] });
      const pair = Buffer.alloc(8);
      addon.pipe2(pair, 0);
      addon.watch(pair.readInt32LE(0), 1, () => {});
      const handle = addon.watch(pidfd, 1, () => { addon.unwatch(handle); const info = Buffer.alloc(128); addon.waitid(3, pidfd, info, 4); parentPort.postMessage(info.readInt32LE(24)); process.exit(0); });`;
    const { nativeFile } = await import('../native.ts');
    const codes = await Promise.all(Array.from({ length: 4 }, () => new Promise((resolve, reject) => {
      const worker = new Worker(source, { eval: true, workerData: nativeFile('dray_libcontainer.node') });
      worker.on('message', resolve).on('error', reject);
    })));
    expect(codes).toEqual([0, 0, 0, 0]);
  });
});

describe('descriptors', () => {
  test('are sent over a unix socket with bytes, and come close-on-exec', () => {
    const [left, right] = socketpair(SOCK.SEQPACKET);
    const file = memfdCreate('sent');
    fs.writeSync(file, 'content');
    expect(sendFds(left, Buffer.from('name'), [file, left])).toBe(4);
    const { bytes, fds } = recvFds(right);
    expect(bytes.toString()).toBe('name');
    expect(fds).toHaveLength(2);
    expect(fs.readlinkSync(`/proc/self/fd/${fds[0] ?? -1}`)).toContain('memfd:sent');
    expect(fs.readFileSync(`/proc/self/fdinfo/${fds[0] ?? -1}`, 'utf8')).toMatch(/flags:\s+02\d{6}/);
    expect(() => { setNonBlocking(right, true); recvFds(right); }).toThrow(expect.objectContaining({ code: 'EAGAIN' }));
    [left, right, file, ...fds].forEach(closeFd);
  });

  test('a watch calls back while the descriptor is ready, survives its closing, and not after close()', async () => {
    const [readEnd, writeEnd] = pipe();
    let calls = 0;
    const watch = watchFd(readEnd, { events: WATCH.READABLE, onReady: () => { calls++; if (calls === 3) watch.close(); } });
    closeFd(readEnd);
    fs.writeSync(writeEnd, 'x');
    while (calls < 3) await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(calls).toBe(3);
    watch.close();
    closeFd(writeEnd);
    expect(() => watchFd(99_999, { events: WATCH.READABLE, onReady: () => undefined })).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  test('a watch on a regular file is refused, and an aborted wait does not begin', async () => {
    const file = fs.openSync('/etc/passwd', 'r');
    expect(() => watchFd(file, { events: WATCH.READABLE, onReady: () => undefined })).toThrow(expect.objectContaining({ code: 'EPERM' }));
    fs.closeSync(file);
    await expect(whenReady(0, WATCH.READABLE, { signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
  });

  test('pipe sizes, limits and other processes\' descriptors', async () => {
    const [readEnd, writeEnd] = pipe();
    expect(setPipeSize(writeEnd, 100_000)).toBe(131_072);
    const before = prlimit(0, 4);
    expect(before.soft <= before.hard).toBe(true);
    const child = sh('exec sleep 1000', [readEnd, 1, 2]);
    prlimit(child.pid, 4, { soft: 0n, hard: before.hard });
    expect(prlimit(child.pid, 4).soft).toBe(0n);
    const copy = pidfdGetFd(child.pidfd, 0);
    expect(fs.readlinkSync(`/proc/self/fd/${copy}`)).toBe(fs.readlinkSync(`/proc/self/fd/${readEnd}`));
    pidfdSendSignal(child.pidfd, 9);
    await waitPidfd(child.pidfd);
    [readEnd, writeEnd, copy, child.pidfd].forEach(closeFd);
  });
});
