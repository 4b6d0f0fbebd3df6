import { isAnyOf, timestampToNanos, type ContainerdConnection } from '@dray/containerd-api';
import * as bodies from '@dray/containerd-api/events';
import type { Any, Envelope } from '@dray/containerd-api/types';
import { toDateOrEpoch, type ListOptions } from './values.ts';

/** The bodies this client knows, by the short names of their messages. */
export interface EventBodies {
  readonly ContainerCreate: bodies.ContainerCreate;
  readonly ContainerUpdate: bodies.ContainerUpdate;
  readonly ContainerDelete: bodies.ContainerDelete;
  readonly ContentCreate: bodies.ContentCreate;
  readonly ContentDelete: bodies.ContentDelete;
  readonly ImageCreate: bodies.ImageCreate;
  readonly ImageUpdate: bodies.ImageUpdate;
  readonly ImageDelete: bodies.ImageDelete;
  readonly NamespaceCreate: bodies.NamespaceCreate;
  readonly NamespaceUpdate: bodies.NamespaceUpdate;
  readonly NamespaceDelete: bodies.NamespaceDelete;
  readonly SandboxCreate: bodies.SandboxCreate;
  readonly SandboxStart: bodies.SandboxStart;
  readonly SandboxExit: bodies.SandboxExit;
  readonly SnapshotPrepare: bodies.SnapshotPrepare;
  readonly SnapshotCommit: bodies.SnapshotCommit;
  readonly SnapshotRemove: bodies.SnapshotRemove;
  readonly TaskCreate: bodies.TaskCreate;
  readonly TaskStart: bodies.TaskStart;
  readonly TaskDelete: bodies.TaskDelete;
  readonly TaskExit: bodies.TaskExit;
  readonly TaskOOM: bodies.TaskOOM;
  readonly TaskExecAdded: bodies.TaskExecAdded;
  readonly TaskExecStarted: bodies.TaskExecStarted;
  readonly TaskPaused: bodies.TaskPaused;
  readonly TaskResumed: bodies.TaskResumed;
  readonly TaskCheckpointed: bodies.TaskCheckpointed;
}

/** What happened: `type` names the body's message, such as `TaskExit`; `Unknown` keeps what this client cannot decode. */
export type EventBody =
  | { [Name in keyof EventBodies]: { readonly type: Name; readonly body: EventBodies[Name] } }[keyof EventBodies]
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

/** How to tell and decode each body. */
const DECODERS: { readonly [Name in keyof EventBodies]: { readonly $type: string; decode(bytes: Uint8Array): EventBodies[Name] } } = {
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
};

function toBody(event: Any): EventBody {
  for (const [type, message] of Object.entries(DECODERS)) {
    // The table's type says that name and body belong together.
    if (isAnyOf(message, event)) return { type, body: message.decode(event.value) } as EventBody;
  }
  return { type: 'Unknown', body: event };
}
