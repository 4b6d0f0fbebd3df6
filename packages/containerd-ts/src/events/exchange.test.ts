import { describe, expect, it } from 'vitest';
import { TaskExit } from '@dray/containerd-api/events';
import { pack } from '../services/convert.ts';
import { readEventField } from '../services/event-fields.ts';
import { EventExchange, UNREAD_EVENTS_MAX, type EventEnvelope } from './exchange.ts';

const event = { typeUrl: 'x', value: new Uint8Array() };

async function take(source: AsyncIterable<EventEnvelope>, count: number): Promise<string[]> {
  const topics: string[] = [];
  for await (const envelope of source) {
    topics.push(`${envelope.namespace} ${envelope.topic}`);
    if (topics.length === count) break;
  }
  return topics;
}

describe('EventExchange', () => {
  it('hands each event to those who listen, from the moment they do', async () => {
    const exchange = new EventExchange(readEventField);
    exchange.publish('n', '/before', event);
    using stop = new DisposableStack();
    const controller = new AbortController();
    stop.defer(() => {
      controller.abort();
    });
    const [all, some] = [[], ['namespace==n,topic~=|^/tasks/|']].map((filters) => exchange.subscribe(filters, { signal: controller.signal }));
    exchange.publish('n', '/tasks/start', event);
    exchange.publish('m', '/tasks/start', event);
    exchange.publish('n', '/images/create', event);
    exchange.publish('n', '/tasks/exit', event);
    expect(all && (await take(all, 4))).toEqual(['n /tasks/start', 'm /tasks/start', 'n /images/create', 'n /tasks/exit']);
    expect(some && (await take(some, 2))).toEqual(['n /tasks/start', 'n /tasks/exit']);
  });

  it('filters by fields inside known messages', async () => {
    const exchange = new EventExchange(readEventField);
    const subscription = exchange.subscribe(['event.container_id==two'], { signal: new AbortController().signal });
    exchange.publish('n', '/tasks/exit', pack(TaskExit, { containerId: 'one' }));
    exchange.publish('n', '/tasks/exit', pack(TaskExit, { containerId: 'two', id: 'e' }));
    for await (const envelope of subscription) {
      expect(TaskExit.decode(envelope.event.value).id).toBe('e');
      break;
    }
  });

  it('ends a subscription with its signal', async () => {
    const exchange = new EventExchange(readEventField);
    const controller = new AbortController();
    const subscription = exchange.subscribe([], { signal: controller.signal });
    const read = take(subscription, 99);
    controller.abort();
    exchange.publish('n', '/late', event);
    expect(await read).toEqual([]);
  });

  it('ends a subscription whose reader lost touch, with an error', async () => {
    const exchange = new EventExchange(readEventField);
    const subscription = exchange.subscribe([], { signal: new AbortController().signal });
    for (let count = 0; count <= UNREAD_EVENTS_MAX; count += 1) exchange.publish('n', '/many', event);
    await expect(take(subscription, UNREAD_EVENTS_MAX + 1)).rejects.toMatchObject({ kind: 'resource_exhausted' });
  });

  it.each(['', 'tasks', '/', '/a//b', '/a/ü'])('refuses the topic %j', (topic) => {
    expect(() => {
      new EventExchange(readEventField).publish('n', topic, event);
    }).toThrow('invalid argument');
  });

  it('refuses to forward without namespace or time', () => {
    const exchange = new EventExchange(readEventField);
    expect(() => {
      exchange.forward({ timestamp: 0n, namespace: 'n', topic: '/a', event });
    }).toThrow('timestamp must be set on forwarded event: invalid argument');
    expect(() => {
      exchange.forward({ timestamp: 1n, namespace: '', topic: '/a', event });
    }).toThrow('identifier must not be empty: invalid argument');
  });
});
