import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { WATCH, closeFd, getWindowSize, receiveConsole, setNonBlocking, setWindowSize, spawnInit, unixListen, whenReady } from '../src/index.ts';
import { createPlan, createRootfs, whyNoContainers } from './support/container.ts';

const reason = whyNoContainers();

/** Reads a pty's master until nobody has the slave open. */
async function readTerminal(masterFd: number): Promise<string> {
  let text = '';
  const buffer = Buffer.alloc(4096);
  setNonBlocking(masterFd, true);
  for (;;) {
    await whenReady(masterFd, WATCH.READABLE);
    try {
      text += buffer.toString('utf8', 0, fs.readSync(masterFd, buffer));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EIO') return text;
      throw error;
    }
  }
}

describe.skipIf(reason !== undefined)(`console${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  test('the process has a controlling terminal of the asked size, whose master comes over the console socket', async () => {
    using rootfs = createRootfs();
    // Longer than the 107 bytes that an address can hold: the container's side must cope.
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-console-'));
    const socketPath = path.join(directory, 'console.sock');
    const listenFd = unixListen(socketPath);
    const longPath = path.join(directory, 'long'.repeat(40));
    fs.linkSync(socketPath, longPath);

    const script = 'tty; stty size; test -c /dev/console && stat -c %t:%T /dev/console; ps -o pid,tty,args | grep -v grep | grep "[s]tty" ; echo hi > /dev/tty; stat -c %u $(tty)';
    const plan = createPlan(rootfs.path, ['sh', '-c', script], { console: { socketPath: longPath, width: 101, height: 43 }, process: { uid: 1000 } });
    const [init, { masterFd, name }] = await Promise.all([spawnInit({ plan, stdio: [0, 1, 2] }), receiveConsole(listenFd)]);
    expect(name).toBe('/dev/ptmx');
    expect(getWindowSize(masterFd)).toEqual({ columns: 101, rows: 43 });
    const output = await readTerminal(masterFd);
    await init.ready;
    expect(output.split('\r\n')).toEqual(['/dev/pts/0', '43 101', '88:0', 'hi', '1000', '']);
    expect(await init.wait()).toEqual({ code: 0 });

    init.close();
    [masterFd, listenFd].forEach(closeFd);
    fs.rmSync(directory, { recursive: true });
  });

  test('a resize is seen by the process as SIGWINCH, and an exec gets a terminal of its own', async () => {
    using rootfs = createRootfs();
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-console-'));
    const socketPath = path.join(directory, 'console.sock');
    const listenFd = unixListen(socketPath);
    const main = await spawnInit({ plan: createPlan(rootfs.path, ['sleep', '1000']), stdio: [0, 1, 2] });
    await main.ready;
    try {
      const script = 'trap "stty size; exit 5" WINCH; tty; while :; do sleep 0.05; done';
      const [init, { masterFd }] = await Promise.all([
        spawnInit({
          plan: {
            kind: 'exec', namespaces: { joinPidfd: { pidfd: main.pidfd, types: ['pid', 'mount', 'network', 'ipc', 'uts', 'cgroup'] } }, console: { socketPath },
            process: { args: ['sh', '-c', script], env: ['PATH=/bin'] },
          },
          stdio: [0, 1, 2],
        }),
        receiveConsole(listenFd),
      ]);
      await init.ready;
      const first = Buffer.alloc(64);
      await whenReady(masterFd, WATCH.READABLE);
      expect(first.toString('utf8', 0, fs.readSync(masterFd, first))).toBe('/dev/pts/0\r\n');
      setWindowSize(masterFd, { columns: 77, rows: 11 });
      expect(await readTerminal(masterFd)).toBe('11 77\r\n');
      expect(await init.wait()).toEqual({ code: 5 });
      init.close();
      closeFd(masterFd);
    } finally {
      process.kill(main.pid, 'SIGKILL');
      await main.wait();
      main.close();
      closeFd(listenFd);
      fs.rmSync(directory, { recursive: true });
    }
  });

  test('a console socket that nobody listens at is an error, and nothing is left', async () => {
    using rootfs = createRootfs();
    const plan = createPlan(rootfs.path, ['true'], { console: { socketPath: path.join(rootfs.path, 'missing.sock') } });
    await expect(spawnInit({ plan, stdio: [0, 1, 2] })).rejects.toMatchObject({ step: 'console-socket', code: 'ENOENT' });
  });
});
