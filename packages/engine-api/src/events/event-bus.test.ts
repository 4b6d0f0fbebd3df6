import { describe, expect, it } from 'vitest';
import { parseFilters } from '../http/filters.ts';
import { encodeEvent } from '../system/event-routes.ts';
import { EventBus, eventMatches } from './event-bus.ts';

function bus(): EventBus {
  let now = 0n;
  return new EventBus({ now: () => (now += 1_000_000_001n) });
}

const start = { type: 'container', action: 'start', actor: { id: 'abc', attributes: { name: 'web', image: 'busybox:latest', env: 'prod' } } } as const;

describe('EventBus', () => {
  it('delivers what is remembered since a time and then what happens, until it is told to stop', async () => {
    const events = bus();
    events.publish({ ...start, action: 'create' });
    events.publish(start);
    const stop = new AbortController();
    const actions: string[] = [];
    const reading = (async (): Promise<void> => {
      for await (const event of events.subscribe({ since: 2_000_000_000n, signal: stop.signal })) {
        actions.push(event.action);
        if (event.action === 'die') stop.abort();
      }
    })();
    events.publish({ ...start, action: 'die' });
    await reading;
    expect(actions).toEqual(['start', 'die']);
    expect(events.listenerCount).toBe(0);
  });

  it('remembers the last 256', () => {
    const events = bus();
    for (let count = 0; count < 300; count += 1) events.publish({ ...start, action: String(count) });
    expect(events.history(0n).map((event) => event.action).at(0)).toBe('44');
    expect(events.history(0n)).toHaveLength(256);
  });
});

describe('eventMatches()', () => {
  it('filters as docker events does', () => {
    const event = { ...start, timeNanos: 1n };
    const matching = ['{"type":["container"]}', '{"container":["we"]}', '{"container":["ab"]}', '{"event":["start"]}', '{"image":["busybox"]}', '{"label":["env=prod"]}', '{"scope":["local"]}', '{"event":["stop","start"]}'];
    const others = ['{"type":["image"]}', '{"container":["b"]}', '{"event":["star"]}', '{"image":["debian"]}', '{"label":["env=test"]}', '{"volume":["x"]}', '{"scope":["swarm"]}'];
    expect(matching.filter((filters) => !eventMatches(event, parseFilters(filters)))).toEqual([]);
    expect(others.filter((filters) => eventMatches(event, parseFilters(filters)))).toEqual([]);
    expect(eventMatches({ ...event, action: 'exec_create: ls' }, parseFilters('{"event":["exec_create"]}'))).toBe(true);
  });
});

describe('encodeEvent()', () => {
  it('writes the time to the nanosecond and the old fields of containers', () => {
    const text = encodeEvent({ ...start, timeNanos: 1_700_000_000_123_456_789n });
    expect(text).toContain('"time":1700000000,"timeNano":1700000000123456789}\n');
    expect(JSON.parse(text)).toMatchObject({ status: 'start', id: 'abc', from: 'busybox:latest', Type: 'container', Action: 'start', Actor: { ID: 'abc' }, scope: 'local' });
  });
});
