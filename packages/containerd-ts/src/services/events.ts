import type { EventsServer } from '@dray/containerd-api/services/events';
import type { EventsDefinition } from '@dray/containerd-api/ttrpc-events';
import type { Envelope } from '@dray/containerd-api/types';
import type { TtrpcHandlers } from '@dray/ttrpc';
import { invalidArgument } from '../errors.ts';
import type { EventEnvelope, EventExchange } from '../events/index.ts';
import { serverStream, unary } from './call.ts';
import { fromTimestamp, toTimestamp } from './convert.ts';

/** `containerd.services.events.v1.Events` */
export function createEventsService({ events }: { readonly events: EventExchange }): EventsServer {
  return {
    publish: unary(({ topic, event }, context) => {
      if (event === undefined) throw invalidArgument('INVALID_EVENT', 'event must be set');
      events.publish(context.namespace(), topic, event);
      return {};
    }),
    forward: unary(({ envelope }) => {
      events.forward(fromWire(envelope));
      return {};
    }),
    subscribe: serverStream(({ filters }, context) => mapAll(events.subscribe(filters, { signal: context.signal }), toWire)),
  };
}

/** `containerd.services.events.ttrpc.v1.Events`, to which shims deliver their events. */
export function createShimEventsService({ forward }: { readonly forward: (envelope: EventEnvelope) => void }): TtrpcHandlers<typeof EventsDefinition> {
  return {
    forward: ({ envelope }) => {
      forward(fromWire(envelope));
      return {};
    },
  };
}

async function* mapAll<T, U>(source: AsyncIterable<T>, convert: (value: T) => U): AsyncGenerator<U> {
  for await (const value of source) yield convert(value);
}

function fromWire(envelope: Envelope | undefined): EventEnvelope {
  if (envelope?.event === undefined) throw invalidArgument('INVALID_EVENT', 'event must be set');
  return { timestamp: fromTimestamp(envelope.timestamp), namespace: envelope.namespace, topic: envelope.topic, event: envelope.event };
}

function toWire(envelope: EventEnvelope): Envelope {
  return { timestamp: toTimestamp(envelope.timestamp), namespace: envelope.namespace, topic: envelope.topic, event: { ...envelope.event } };
}
