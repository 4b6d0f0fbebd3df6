import { setTimeout as sleep } from 'node:timers/promises';
import { invalid } from '../errors.ts';
import { type EngineEvent, type EventBus, nowNanos } from '../events/index.ts';
import type { Route } from '../http/index.ts';

/** The longest time a timer can run, in ms. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** `GET /events`. */
export function eventRoutes(events: EventBus): Route[] {
  return [{ method: 'GET', path: '/events', handle: async (context) => {
    const since = parseUnixTime(context.query.get('since'));
    const until = parseUnixTime(context.query.get('until'));
    if (since !== undefined && until !== undefined && since > until) throw invalid(`\`since\` time (${context.query.get('since')}) cannot be after \`until\` time (${context.query.get('until')})`);
    const filters = context.query.filters();
    const stop = new AbortController();
    const signal = AbortSignal.any([context.signal, stop.signal]);
    // Without `since`, an `until` still asks for what is remembered.
    const from = since ?? (until === undefined ? undefined : 0n);
    const stream = context.startStream();
    if (until !== undefined) void endAt(until, stop, signal);
    for await (const event of events.subscribe({ filters, signal, ...from === undefined ? {} : { since: from } })) {
      if (until !== undefined && event.timeNanos > until) break;
      stream.write(encodeEvent(event));
    }
    stop.abort();
    stream.end();
  } }];
}

async function endAt(until: bigint, stop: AbortController, signal: AbortSignal): Promise<void> {
  const remaining = (): number => Number((until - nowNanos()) / 1_000_000n);
  try {
    while (remaining() > 0) await sleep(Math.min(remaining() + 1, TIMER_MS_MAX), undefined, { signal });
  } catch {
    return; // the client has left
  }
  // What is remembered is delivered before the end.
  setImmediate(() => stop.abort());
}

/** A unix time of the form `seconds[.fraction]`, in nanoseconds. @throws EngineApiError invalid_argument */
export function parseUnixTime(text: string): bigint | undefined {
  if (text === '') return undefined;
  const match = /^(-?\d{1,18})(?:\.(\d+))?$/.exec(text);
  if (match === null) throw invalid(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return BigInt(match[1] ?? '0') * 1_000_000_000n + BigInt((match[2] ?? '').slice(0, 9).padEnd(9, '0'));
}

/** An event as clients get it, with its line end. The time in nanoseconds is more than a JavaScript number can hold. */
export function encodeEvent(event: EngineEvent): string {
  const { type, action, actor } = event;
  const legacy = type === 'container' ? { status: action, id: actor.id, from: actor.attributes['image'] ?? '' } : type === 'image' ? { status: action, id: actor.id } : {};
  const body = JSON.stringify({ ...legacy, Type: type, Action: action, Actor: { ID: actor.id, Attributes: actor.attributes }, scope: 'local' });
  return `${body.slice(0, -1)},"time":${event.timeNanos / 1_000_000_000n},"timeNano":${event.timeNanos}}\n`;
}
