/** Delivers events to containerd, in order, one at a time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EventsDefinition } from '@dray/containerd-api/ttrpc-events';
import type { Any } from '@dray/containerd-api/types';
import { timestampNow } from '@dray/containerd-api';
import { createTtrpcClient, TtrpcClient, type TtrpcServiceClient } from '@dray/ttrpc';
import { errorText } from '../errors.ts';

/** Events that may wait; beyond, the oldest that may be lost are. */
const QUEUE_LENGTH_MAX = 2048;
const FORWARD_TIMEOUT_MS = 5000;
/** Times a delivery that containerd refuses is tried again. A containerd that is not there is waited for. */
const RETRIES_MAX = 5;
const DELAY_MS_MAX = 5000;

/** An event: its topic, its packed body, and what to do when containerd has it. */
export interface OutgoingEvent {
  readonly topic: string;
  readonly event: Any;
  readonly onDelivered?: () => void;
}

/** Takes events and answers for their order. */
export interface Publisher {
  publish: (event: OutgoingEvent) => void;
}

interface QueuedEvent extends OutgoingEvent {
  readonly timestamp: ReturnType<typeof timestampNow>;
}

export interface TtrpcPublisherOptions {
  /** A path, with or without `unix://`; empty: there is nobody to tell. */
  readonly address: string;
  readonly namespace: string;
  readonly onError?: (message: string) => void;
}

/**
 * Forwards events over ttrpc. A connection is opened when there is something to say and kept. While containerd is down events wait, so that the
 * next one learns of exits it has missed.
 */
export class TtrpcPublisher implements Publisher, AsyncDisposable {
  readonly #options: TtrpcPublisherOptions;
  readonly #queue: QueuedEvent[] = [];
  readonly #closing = new AbortController();
  #client: TtrpcClient | undefined;
  #events: TtrpcServiceClient<typeof EventsDefinition> | undefined;
  #running: Promise<void> | undefined;

  constructor(options: TtrpcPublisherOptions) {
    this.#options = options;
  }

  publish(event: OutgoingEvent): void {
    if (this.#options.address === '' || this.#closing.signal.aborted) {
      event.onDelivered?.();
      return;
    }
    if (this.#queue.length === QUEUE_LENGTH_MAX) {
      this.#options.onError?.(`too many events wait, dropping ${this.#queue.shift()?.topic ?? ''}`);
    }
    this.#queue.push({ ...event, timestamp: timestampNow() });
    this.#running ??= this.#run();
  }

  /** Waits until the queue is empty, at most this long. */
  async flush(timeoutMs: number): Promise<void> {
    const timeout = AbortSignal.timeout(timeoutMs);
    await Promise.race([this.#running, new Promise((resolve) => { timeout.addEventListener('abort', resolve, { once: true }); })]);
  }

  /** Drops what waits and closes the connection. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#client?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    for (let event = this.#queue[0]; event !== undefined && !this.#closing.signal.aborted; event = this.#queue[0]) {
      await this.#deliver(event);
      // The queue may have dropped it meanwhile.
      if (this.#queue[0] === event) this.#queue.shift();
    }
    this.#running = undefined;
  }

  async #deliver(event: QueuedEvent): Promise<void> {
    let refusals = 0;
    for (let attempt = 1; refusals <= RETRIES_MAX && !this.#closing.signal.aborted; attempt++) {
      try {
        await this.#forward(event);
        event.onDelivered?.();
        return;
      } catch (error) {
        const isStale = attempt === 1 && this.#client?.isClosed === true;
        if (this.#client !== undefined && !isStale) refusals++;
        await this.#drop();
        // containerd was restarted since the last event: it is there again already.
        if (isStale) continue;
        if (refusals > RETRIES_MAX) this.#options.onError?.(`cannot publish ${event.topic}: ${errorText(error)}`);
        else await this.#pause(Math.min(attempt * 1000, DELAY_MS_MAX));
      }
    }
  }

  async #forward({ topic, event, timestamp }: QueuedEvent): Promise<void> {
    if (this.#client === undefined) {
      this.#client = await TtrpcClient.connect(this.#options.address.replace(/^unix:\/\//, ''));
      this.#events = createTtrpcClient(EventsDefinition, this.#client);
    }
    await this.#events?.forward({ envelope: { timestamp, namespace: this.#options.namespace, topic, event } }, { timeoutMs: FORWARD_TIMEOUT_MS });
  }

  async #drop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#events = undefined;
    await client?.close().catch(() => { /* it is broken, which is why it is dropped */ });
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => { /* closing */ });
  }
}
