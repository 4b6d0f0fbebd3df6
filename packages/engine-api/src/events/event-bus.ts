import type { Filters } from '../http/filters.ts';

/** What an event is about. */
export type EventType = 'container' | 'image' | 'volume' | 'network' | 'daemon' | 'plugin' | 'builder';

/** A change that is to be announced. */
export interface EventDraft {
  readonly type: EventType;
  /** Docker's word, such as `start` or `exec_create: ls -l`. */
  readonly action: string;
  readonly actor: { readonly id: string; readonly attributes: Readonly<Record<string, string>> };
  /** When it happened, in nanoseconds since 1970; now by default. */
  readonly timeNanos?: bigint;
}

/** An announced change. */
export interface EngineEvent {
  readonly type: EventType;
  readonly action: string;
  readonly actor: { readonly id: string; readonly attributes: Readonly<Record<string, string>> };
  readonly timeNanos: bigint;
}

/** How many events are kept for `since`. */
const HISTORY_COUNT_MAX = 256;
/** How many events a subscriber may leave unread; beyond that its oldest are dropped, as dockerd does with slow clients. */
const QUEUE_COUNT_MAX = 1024;

/** Announces changes to subscribers and remembers the last 256 of them. */
export class EventBus {
  readonly #history: EngineEvent[] = [];
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  readonly #now: () => bigint;

  constructor(options: { now?: () => bigint } = {}) {
    this.#now = options.now ?? nowNanos;
  }

  /** How many listen now. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** Announces a change; never throws and never waits. */
  publish(draft: EventDraft): void {
    const event: EngineEvent = { type: draft.type, action: draft.action, actor: { id: draft.actor.id, attributes: { ...draft.actor.attributes } }, timeNanos: draft.timeNanos ?? this.#now() };
    this.#history.push(event);
    if (this.#history.length > HISTORY_COUNT_MAX) this.#history.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** The remembered events between two times (nanoseconds), oldest first. */
  history(since: bigint, until?: bigint): EngineEvent[] {
    return this.#history.filter((event) => event.timeNanos >= since && (until === undefined || event.timeNanos <= until));
  }

  /** Calls `listener` on each event from now on; call the result to stop. */
  listen(listener: (event: EngineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The events that pass the filters from now on, until `signal` aborts. With `since`, what is remembered comes first. */
  async *subscribe(options: { filters?: Filters; since?: bigint; signal: AbortSignal }): AsyncGenerator<EngineEvent, void, void> {
    const { filters, since, signal } = options;
    const queue: EngineEvent[] = since === undefined ? [] : this.history(since);
    let wake: () => void = () => undefined;
    const stop = this.listen((event) => {
      queue.push(event);
      if (queue.length > QUEUE_COUNT_MAX) queue.shift();
      wake();
    });
    const onAbort = (): void => wake();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      while (!signal.aborted) {
        const event = queue.shift();
        if (event === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else if (filters === undefined || eventMatches(event, filters)) yield event;
      }
    } finally {
      stop();
      signal.removeEventListener('abort', onAbort);
    }
  }
}

/** How far the wall clock may move against the monotonic one before it is followed. */
const CLOCK_STEP_MS_MAX = 5;
let clockOffsetMs = Number.NaN;

/** Now, in nanoseconds since 1970: as fine as the monotonic clock, and following the wall clock where that was set. */
export function nowNanos(): bigint {
  const monotonicMs = performance.now();
  const offsetMs = Date.now() - monotonicMs;
  if (!(Math.abs(offsetMs - clockOffsetMs) < CLOCK_STEP_MS_MAX)) clockOffsetMs = offsetMs;
  return BigInt(Math.trunc((clockOffsetMs + monotonicMs) * 1000)) * 1000n;
}

/** Whether an event passes the filters of `docker events`. */
export function eventMatches(event: EngineEvent, filters: Filters): boolean {
  return matchesAction(event.action, filters)
    && filters.exact('type', event.type)
    && filters.exact('scope', 'local')
    && matchesObject(event, filters, 'container') && matchesObject(event, filters, 'volume') && matchesObject(event, filters, 'network')
    && matchesObject(event, filters, 'daemon') && matchesObject(event, filters, 'plugin')
    && matchesImage(event, filters)
    && filters.matchLabels('label', event.actor.attributes);
}

function matchesAction(action: string, filters: Filters): boolean {
  const values = filters.get('event');
  const loose = ['health_status', 'exec_create', 'exec_start'];
  return values.length === 0 || values.some((value) => action === value || (loose.some((word) => value.includes(word)) && action.startsWith(value)));
}

function matchesObject(event: EngineEvent, filters: Filters, type: EventType): boolean {
  if (!filters.has(type)) return true;
  return event.type === type && (filters.prefix(type, event.actor.id) || filters.prefix(type, event.actor.attributes['name'] ?? ''));
}

function matchesImage(event: EngineEvent, filters: Filters): boolean {
  if (!filters.has('image')) return true;
  const name = event.actor.attributes[event.type === 'image' ? 'name' : 'image'] ?? '';
  return filters.prefix('image', event.actor.id) || filters.prefix('image', name) || filters.exact('image', withoutTag(name));
}

function withoutTag(name: string): string {
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
}
