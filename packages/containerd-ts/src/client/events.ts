import { isAnyOf, timestampToNanos, unpackAny, type ContainerdConnection } from '@dray/containerd-api';
import * as bodies from '@dray/containerd-api/events';
import type { Any, Envelope } from '@dray/containerd-api/types';
import { toDateOrEpoch, type ListOptions } from './values.ts';

/** The bodies this client knows, by their short names. */
const KNOWN = {
  ContainerCreate: bodies.ContainerCreate,
  ContainerUpdate: bodies.ContainerUpdate,
  ContainerDelete: bodies.ContainerDelete,
  ContentCreate: bodies.ContentCreate,
  ContentDelete: bodies.ContentDelete,
  ImageCreate: bodies.ImageCreate,
  ImageUpdate: bodies.ImageUpdate,
  ImageDelete: bodies.ImageDelete,
  NamespaceCreate: bodies.NamespaceCreate,
  NamespaceUpdate: bodies.NamespaceUpdate,
  NamespaceDelete: bodies.NamespaceDelete,
  SandboxCreate: bodies.SandboxCreate,
  SandboxStart: bodies.SandboxStart,
  SandboxExit: bodies.SandboxExit,
  SnapshotPrepare: bodies.SnapshotPrepare,
  SnapshotCommit: bodies.SnapshotCommit,
  SnapshotRemove: bodies.SnapshotRemove,
  TaskCreate: bodies.TaskCreate,
  TaskStart: bodies.TaskStart,
  TaskDelete: bodies.TaskDelete,
  TaskExit: bodies.TaskExit,
  TaskOOM: bodies.TaskOOM,
  TaskExecAdded: bodies.TaskExecAdded,
  TaskExecStarted: bodies.TaskExecStarted,
  TaskPaused: bodies.TaskPaused,
  TaskResumed: bodies.TaskResumed,
  TaskCheckpointed: bodies.TaskCheckpointed,
} as const;

type Known = typeof KNOWN;

/** What happened: `type` names the body's message, such as `TaskExit`; `Unknown` keeps what this client cannot decode. */
export type EventBody =
  | { [Name in keyof Known]: { readonly type: Name; readonly body: ReturnType<Known[Name]['decode']> } }[keyof Known]
  | { readonly type: 'Unknown'; readonly body: Any };

/** An event: when and where, and what happened. */
export type ContainerdEvent = {
  /** Such as `/tasks/exit`. */
  readonly topic: string;
  readonly namespace: string;
  readonly at: Date;
  /** Since 1970, exact. */
  readonly atNanos: bigint;
} & EventBody;

/** containerd's events. */
export class EventsClient {
  readonly #connection: ContainerdConnection;
  readonly #namespace: string;

  constructor(connection: ContainerdConnection, namespace: string) {
    this.#connection = connection;
    this.#namespace = namespace;
  }

  /**
   * Events from now on, of this client's namespace unless filters say otherwise; there is no history, and containerd does not say when the
   * subscription has begun. Leaving the loop ends it.
   * @throws ContainerdApiError unavailable when the daemon goes away: subscribe again, and look at what may have been missed
   */
  subscribe(options: ListOptions = {}): AsyncIterableIterator<ContainerdEvent> {
    const filters = options.filters ?? [`namespace==${this.#namespace}`];
    // The call begins here, not with the first read.
    return decodeEach(this.#connection.events.subscribe({ filters: [...filters] }, options));
  }

  /** Publishes an event of one's own in this client's namespace. */
  async publish(topic: string, event: Any): Promise<void> {
    await this.#connection.events.publish({ topic, event });
  }
}

/** Not a generator: one that was never read would not end the subscription when it is returned. */
function decodeEach(envelopes: AsyncIterableIterator<Envelope>): AsyncIterableIterator<ContainerdEvent> {
  return {
    async next(): Promise<IteratorResult<ContainerdEvent>> {
      const result = await envelopes.next();
      return result.done === true ? { done: true, value: undefined } : { done: false, value: toContainerdEvent(result.value) };
    },
    async return(): Promise<IteratorResult<ContainerdEvent>> {
      await envelopes.return?.();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator](): AsyncIterableIterator<ContainerdEvent> {
      return this;
    },
  };
}

/** An envelope with its body decoded. */
export function toContainerdEvent({ topic, namespace, timestamp, event }: Envelope): ContainerdEvent {
  const atNanos = timestamp === undefined ? 0n : timestampToNanos(timestamp);
  return { topic, namespace, at: toDateOrEpoch(timestamp), atNanos, ...toBody(event ?? { typeUrl: '', value: new Uint8Array(0) }) };
}

function toBody(event: Any): EventBody {
  for (const [type, message] of Object.entries(KNOWN)) {
    // The name in the table is the message's, so name and body belong together.
    if (isAnyOf(message, event)) return { type, body: unpackAny<unknown, never>(message, event) } as EventBody;
  }
  return { type: 'Unknown', body: event };
}
