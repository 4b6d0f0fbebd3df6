import type { Any } from '../any.ts';
import { nowNanos } from '../clock.ts';
import { ContainerdError, invalidArgument } from '../errors.ts';
import { matchesAny, parseFilters, type FieldReader, type Filter } from '../filters/index.ts';
import { validateIdentifier } from '../identifiers.ts';
import { quote } from '../quote.ts';

/** Something that happened. */
export interface EventEnvelope {
  readonly timestamp: bigint;
  readonly namespace: string;
  /** `/tasks/exit`, … */
  readonly topic: string;
  readonly event: Any;
}

/** Events a subscriber may leave unread before its subscription ends: it lost touch, and memory is not endless. */
export const UNREAD_EVENTS_MAX = 65_536;

/** Takes events from the services and the shims and hands them to whoever listens now. Nothing is kept. */
export class EventExchange {
  readonly #subscriptions = new Set<Subscription>();
  readonly #readField: FieldReader<EventEnvelope>;

  /** `readField` reads the fields that filters name; it knows the messages inside the events. */
  constructor(readField: FieldReader<EventEnvelope>) {
    this.#readField = readField;
  }

  /**
   * Hands out an event of this daemon or of a client, with the time of now.
   *
   * @throws ContainerdError `invalid_argument`, `INVALID_EVENT`
   */
  publish(namespace: string, topic: string, event: Any): void {
    this.forward({ timestamp: nowNanos(), namespace, topic, event });
  }

  /** Hands out an event of a shim. */
  forward(envelope: EventEnvelope): void {
    validateIdentifier(envelope.namespace);
    validateTopic(envelope.topic);
    if (envelope.timestamp <= 0n) throw invalidArgument('INVALID_EVENT', 'timestamp must be set on forwarded event');
    for (const subscription of this.#subscriptions) {
      if (matchesAny(subscription.filters, envelope, this.#readField)) subscription.push(envelope);
    }
  }

  /**
   * Listens from now on until the signal aborts.
   *
   * @throws ContainerdError `invalid_argument`, `INVALID_FILTER`, at once
   */
  subscribe(filters: readonly string[], options: { readonly signal: AbortSignal }): AsyncIterable<EventEnvelope> {
    const subscription = new Subscription(parseFilters(filters));
    this.#subscriptions.add(subscription);
    options.signal.addEventListener('abort', () => {
      this.#subscriptions.delete(subscription);
      subscription.end();
    });
    return subscription.read();
  }

  /** Ends every subscription. */
  close(): void {
    for (const subscription of this.#subscriptions) subscription.end();
    this.#subscriptions.clear();
  }
}

class Subscription {
  readonly filters: readonly Filter[];
  #queue: EventEnvelope[] = [];
  #wake: (() => void) | undefined;
  #isEnded = false;
  #hasOverrun = false;

  constructor(filters: readonly Filter[]) {
    this.filters = filters;
  }

  push(envelope: EventEnvelope): void {
    if (this.#queue.length >= UNREAD_EVENTS_MAX) {
      this.#hasOverrun = true;
      this.end();
      return;
    }
    this.#queue.push(envelope);
    this.#wake?.();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake?.();
  }

  async *read(): AsyncGenerator<EventEnvelope> {
    for (;;) {
      const batch = this.#queue;
      this.#queue = [];
      yield* batch;
      if (this.#queue.length > 0) continue;
      if (this.#hasOverrun) throw overrun();
      if (this.#isEnded) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}

function overrun(): Error {
  return new ContainerdError(`subscriber left ${String(UNREAD_EVENTS_MAX)} events unread: resource exhausted`, { kind: 'resource_exhausted', code: 'EVENTS_UNREAD' });
}

function validateTopic(topic: string): void {
  if (topic === '') throw invalidArgument('INVALID_EVENT', `envelope topic ${quote(topic)}`);
  if (!topic.startsWith('/')) throw invalidArgument('INVALID_EVENT', `topic ${quote(topic)} must start with '/'`);
  if (topic.length === 1) throw invalidArgument('INVALID_EVENT', `topic ${quote(topic)} must have at least one component`);
  for (const part of topic.slice(1).split('/')) validateIdentifier(part);
}
