import { describe, expect, it } from 'vitest';
import { healthPlan, nextHealth } from './health.ts';
import { nextRestartDelayMs, restartsAfterExit, restartsAtBoot } from './restart-policy.ts';
import { SerialLock } from './serial-lock.ts';
import { startFailure } from './start-errors.ts';
import { parseWaitCondition } from './wait.ts';

describe('restart policies', () => {
  const policy = (Name: string, MaximumRetryCount = 0) => ({ Name, MaximumRetryCount });
  const facts = (code: number, isManuallyStopped = false, restartCount = 0) => ({ code, isManuallyStopped, restartCount });

  it.each([
    ['no', 0, 1, false], ['always', 0, 0, true], ['unless-stopped', 0, 0, true], ['on-failure', 0, 0, false], ['on-failure', 0, 1, true], ['on-failure', 3, 1, false],
  ])('%s after %d restarts and exit %d', (name, count, code, restarts) => expect(restartsAfterExit(policy(name, 3), facts(code, false, count))).toBe(restarts));

  it('a stop is final, but not for always when the daemon starts', () => {
    expect(restartsAfterExit(policy('always'), facts(0, true))).toBe(false);
    expect(restartsAtBoot(policy('always'), facts(0, true))).toBe(true);
    expect(restartsAtBoot(policy('unless-stopped'), facts(0, true))).toBe(false);
    expect(restartsAtBoot(policy('on-failure'), facts(0))).toBe(false);
  });

  it('double the delay up to a minute and begin anew after a stable run', () => {
    const delays: number[] = [];
    for (let delay = 0; delays.length < 12;) delays.push(delay = nextRestartDelayMs(delay, 0));
    expect(delays.slice(0, 4)).toEqual([100, 200, 400, 800]);
    expect(delays.at(-1)).toBe(60_000);
    expect(nextRestartDelayMs(60_000, 10_000)).toBe(100);
  });
});

describe('health', () => {
  const health = (Test: string[] | null, rest: object = {}) => ({ Test, Interval: 0, Timeout: 0, StartPeriod: 0, StartInterval: 0, Retries: 0, ...rest });
  const probe = (ExitCode: number) => ({ Start: '', End: '', ExitCode, Output: '' });

  it('plans a probe with Docker\'s defaults, and none where there is none', () => {
    expect(healthPlan(health(['CMD-SHELL', 'a b']), null)).toMatchObject({ command: ['/bin/sh', '-c', 'a b'], intervalMs: 30_000, timeoutMs: 30_000, retries: 3, startIntervalMs: 5000 });
    expect(healthPlan(health(['CMD-SHELL', 'x'], { Interval: 2_000_000 }), ['/bin/bash', '-c'])).toMatchObject({ command: ['/bin/bash', '-c', 'x'], intervalMs: 2 });
    for (const none of [null, health(null), health([]), health(['NONE']), health(['CMD'])]) expect(healthPlan(none, null)).toBeUndefined();
  });

  it('turns unhealthy after enough failures in a row and healthy by one success', () => {
    let now = { Status: 'starting' as 'starting' | 'healthy' | 'unhealthy', FailingStreak: 0, Log: [] as ReturnType<typeof probe>[] };
    const step = (code: number, isStarting = false): string => (now = nextHealth(now, probe(code), { retries: 2 }, isStarting)).Status;
    expect([step(1, true), step(1, true), step(1), step(1), step(0), step(1), step(1)]).toEqual(['starting', 'starting', 'starting', 'unhealthy', 'healthy', 'healthy', 'unhealthy']);
    expect(now.Log).toHaveLength(5);
  });
});

describe('startFailure()', () => {
  it.each([
    ['exec: "x": executable file not found in $PATH', 127, 'invalid_argument'], ['stat /x: no such file or directory', 127, 'invalid_argument'], ['exec: "/x": Permission Denied', 126, 'invalid_argument'],
    ['exec: "/etc": is a directory', 126, 'invalid_argument'], ['not a directory', 127, 'invalid_argument'], ['something else', 128, 'unknown'],
  ])('%s', (text, exitCode, kind) => expect(startFailure(new Error(text), 'p: ')).toMatchObject({ exitCode, error: { kind, message: expect.stringMatching(/^p: /) as string } }));
});

describe('SerialLock', () => {
  it('runs one task after the other, also after one that failed', async () => {
    const lock = new SerialLock();
    const order: number[] = [];
    const gate = Promise.withResolvers<void>();
    const all = [lock.run(async () => { await gate.promise; order.push(1); }), lock.run(async () => { order.push(2); throw new Error('x'); }), lock.run(async () => { order.push(3); })];
    gate.resolve();
    await Promise.allSettled(all);
    expect(order).toEqual([1, 2, 3]);
  });
});

describe('parseWaitCondition()', () => {
  it('knows three words', () => expect(['', 'not-running', 'next-exit', 'removed', 'x'].map(parseWaitCondition)).toEqual(['not-running', 'not-running', 'next-exit', 'removed', undefined]));
});
