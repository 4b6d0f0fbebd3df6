import { describe, expect, it } from 'vitest';
import { humanDuration } from './human-duration.ts';
import { inspectState, statusText, statusWord, ZERO_TIME, type Phase } from './state.ts';
import { formatNanos, parseApiTime, parseInstant } from './timestamps.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('humanDuration()', () => {
  it.each([
    [0, 'Less than a second'], [999, 'Less than a second'], [SECOND, '1 second'], [59 * SECOND, '59 seconds'], [MINUTE, 'About a minute'], [2 * MINUTE, '2 minutes'],
    [59 * MINUTE, '59 minutes'], [HOUR, 'About an hour'], [89 * MINUTE, 'About an hour'], [90 * MINUTE, '2 hours'], [47 * HOUR, '47 hours'], [48 * HOUR, '2 days'],
    [13 * DAY, '13 days'], [14 * DAY, '2 weeks'], [59 * DAY, '8 weeks'], [60 * DAY, '2 months'], [729 * DAY, '24 months'], [730 * DAY, '2 years'],
  ])('%d ms is %s', (ms, text) => expect(humanDuration(ms)).toBe(text));
});

const start = '2026-01-01T00:00:00.5Z';
const now = Date.parse(start) + 5 * MINUTE;
const running: Phase = { kind: 'running', pid: 7, startedAt: start, isPaused: false, isOomKilled: false };
const exit = { code: 3, at: '2026-01-01T00:04:57.5Z', isOomKilled: true };

describe('statusText()', () => {
  it.each<[Phase, object, string]>([
    [{ kind: 'created' }, {}, 'Created'],
    [running, {}, 'Up 5 minutes'],
    [{ ...running, isPaused: true }, {}, 'Up 5 minutes (Paused)'],
    [running, { health: { Status: 'starting', FailingStreak: 0, Log: [] } }, 'Up 5 minutes (health: starting)'],
    [running, { health: { Status: 'unhealthy', FailingStreak: 3, Log: [] } }, 'Up 5 minutes (unhealthy)'],
    [{ kind: 'exited', startedAt: start, exit }, {}, 'Exited (3) 3 seconds ago'],
    [{ kind: 'restarting', startedAt: start, exit }, {}, 'Restarting (3) 3 seconds ago'],
    [{ kind: 'dead', startedAt: start, exit }, {}, 'Dead'],
    [{ kind: 'exited', startedAt: start, exit }, { isRemoving: true }, 'Removal In Progress'],
  ])('%j %j', (phase, extras, text) => expect(statusText(phase, { isRemoving: false, ...extras }, now)).toBe(text));
});

describe('inspectState()', () => {
  it('shows a created container without times, and the reason of a failed start', () => {
    const state = inspectState({ kind: 'created' }, { isRemoving: false, startError: { code: 127, message: 'not found' } }, undefined);
    expect(state).toMatchObject({ Status: 'created', Running: false, Pid: 0, ExitCode: 127, Error: 'not found', StartedAt: ZERO_TIME, FinishedAt: ZERO_TIME });
  });

  it('shows a running container with the end of its previous run and no exit code', () => {
    expect(inspectState(running, { isRemoving: false }, exit)).toMatchObject({ Status: 'running', Running: true, Pid: 7, ExitCode: 0, OOMKilled: false, FinishedAt: exit.at });
  });

  it('counts a container that waits for its restart as running', () => {
    expect(inspectState({ kind: 'restarting', startedAt: start, exit }, { isRemoving: false }, exit)).toMatchObject({ Status: 'restarting', Running: true, Restarting: true, ExitCode: 3, OOMKilled: true });
    expect(statusWord(running, true)).toBe('removing');
  });
});

describe('timestamps', () => {
  it('prints nanoseconds as Go does', () => {
    expect(formatNanos(1_700_000_000_000_000_001n)).toBe('2023-11-14T22:13:20.000000001Z');
    expect(formatNanos(1_700_000_000_500_000_000n)).toBe('2023-11-14T22:13:20.5Z');
    expect(formatNanos(1_700_000_000_000_000_000n)).toBe('2023-11-14T22:13:20Z');
  });

  it('reads RFC 3339 and unix times with fractions, and nothing else', () => {
    expect(parseInstant('2023-11-14T23:13:20.000000001+01:00')).toBe(1_700_000_000_000_000_001n);
    expect(parseApiTime('1700000000.000000001')).toBe(1_700_000_000_000_000_001n);
    for (const text of ['', 'x', '2023-11-14', '1.2.3', '2023-13-14T00:00:00Z']) expect(parseApiTime(text)).toBeUndefined();
  });
});
