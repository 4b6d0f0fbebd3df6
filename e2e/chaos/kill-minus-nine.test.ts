import { describe, expect, it } from 'vitest';
import { isAlive, type TestEngine, until } from '../support/engine.ts';
import { engineForFile, missing } from '../support/fixture.ts';

const counter = 'i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); usleep 20000; done; exit 41';
const expectedLines = Array.from({ length: 400 }, (_, index) => `line ${String(index)}`).join('\n');

describe.skipIf(missing !== undefined)(`kill -9 of the engine's processes${missing ? ` (skipped: ${missing})` : ''}`, () => {
  const engine = engineForFile();

  const kill: Record<string, (engine: TestEngine) => Promise<void>> = {
    drayd: async (target) => {
      process.kill(target.daemonPid(), 'SIGKILL');
      await target.restart();
    },
    'dray-containerd': async (target) => {
      const pid = target.containerdPid();
      process.kill(pid, 'SIGKILL');
      await until(() => ![0, pid].includes(target.containerdPid()), 'drayd has started a new dray-containerd');
    },
    'containerd-shim-dray-v2': async (target) => {
      const [pid] = target.shimPids();
      if (pid === undefined) throw new Error('no shim runs');
      process.kill(pid, 'SIGKILL');
      await until(() => target.shimPids().some((other) => other !== pid), 'dray-containerd has started a new shim');
    },
  };

  it.each(Object.keys(kill))('of %s loses no container, no line and no exit status', async (victim) => {
    const target = engine.current;
    const id = await target.ok('run', '-d', 'busybox', 'sh', '-c', counter);
    const pid = Number(await target.ok('inspect', '-f', '{{.State.Pid}}', id));
    await until(async () => (await target.docker('logs', '--tail', '1', id)).stdout !== '', 'the container prints');
    await kill[victim]?.(target);
    await until(async () => (await target.docker('inspect', '-f', '{{.State.Pid}} {{.State.Running}}', id)).stdout.trim() === `${String(pid)} true`, 'the container is known to run under the same pid');
    expect(isAlive(pid)).toBe(true);
    expect(await target.ok('wait', id)).toBe('41');
    expect(await target.ok('logs', id)).toBe(expectedLines);
    await target.ok('rm', id);
  });

  it('of all three at once, with the exit happening while nobody watches, keeps the exit status and every line', async () => {
    const target = engine.current;
    const id = await target.ok('run', '-d', 'busybox', 'sh', '-c', 'echo before; sleep 1; echo after; exit 43');
    const pid = Number(await target.ok('inspect', '-f', '{{.State.Pid}}', id));
    for (const victim of [target.daemonPid(), target.containerdPid(), ...target.shimPids()]) process.kill(victim, 'SIGKILL');
    await until(() => !isAlive(pid), 'the container has exited');
    await target.restart();
    expect(await target.ok('wait', id)).toBe('43');
    expect(await target.ok('logs', id)).toBe('before\nafter');
    await target.ok('rm', id);
    expect(await target.ok('run', '--rm', 'busybox', 'echo', 'still', 'works')).toBe('still works');
  });

  it('of the shim and of dray-containerd does not end a docker wait that is under way', async () => {
    const target = engine.current;
    const id = await target.ok('run', '-d', 'busybox', 'sh', '-c', 'sleep 4; exit 9');
    const waiting = target.ok('wait', id);
    await kill['containerd-shim-dray-v2']?.(target);
    await kill['dray-containerd']?.(target);
    expect(await waiting).toBe('9');
    await target.ok('rm', id);
  });
});
