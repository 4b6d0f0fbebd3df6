import * as messages from '@dray/containerd-api/events';
import { bareTypeUrl } from '../any.ts';
import type { EventEnvelope } from '../events/index.ts';

/** Decodes one event message. */
interface Decoder {
  readonly $type: string;
  decode(bytes: Uint8Array): unknown;
}

const DECODERS: ReadonlyMap<string, Decoder> = new Map(Object.values(messages).map((message) => [message.$type, message]));

/** Reads what a subscription's filter names: `namespace`, `topic`, or `event.<field>` inside a known message. */
export function readEventField(envelope: EventEnvelope, path: readonly string[]): string | undefined {
  switch (path[0]) {
    case 'namespace':
      return envelope.namespace;
    case 'topic':
      return envelope.topic;
    case 'event':
      return readMessageField(envelope, path.slice(1));
    default:
      return undefined;
  }
}

function readMessageField(envelope: EventEnvelope, path: readonly string[]): string | undefined {
  const decoder = DECODERS.get(bareTypeUrl(envelope.event.typeUrl));
  return decoder === undefined ? undefined : readPath(decoder.decode(envelope.event.value), path);
}

/** Follows field names as the .proto files write them; below a map the rest of the path is the key. */
function readPath(value: unknown, path: readonly string[]): string | undefined {
  if (path.length === 0) return typeof value === 'string' ? value : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  const [field = '', ...rest] = path;
  const entries = new Map<string, unknown>(Object.entries(value));
  const whole = entries.get(path.join('.'));
  if (typeof whole === 'string') return whole;
  return readPath(entries.get(toCamelCase(field)), rest);
}

function toCamelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
