import { Metadata, type handleServerStreamingCall, type handleUnaryCall, type ServerWritableStream } from '@grpc/grpc-js';
import { failedPrecondition } from '../errors.ts';
import { validateIdentifier } from '../identifiers.ts';
import { toStatus } from './status.ts';

/** What a method may know about its call besides the request. */
export interface CallContext {
  /**
   * The namespace the client works in.
   *
   * @throws ContainerdError `failed_precondition`, `NAMESPACE_REQUIRED` when the client named none
   */
  namespace(): string;
  /** The lease that holds what the call creates. */
  readonly leaseId: string | undefined;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
}

/** A method that answers once. */
export type UnaryMethod<Request, Response> = (request: Request, context: CallContext) => Promise<Response> | Response;

/** A method that answers with any number of messages. */
export type StreamMethod<Request, Response> = (request: Request, context: CallContext) => AsyncIterable<Response>;

/** Makes a gRPC handler of a method: errors become statuses. */
export function unary<Request, Response>(method: UnaryMethod<Request, Response>): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const fail = (error: unknown): void => {
      callback(toStatus(error, call.getPath()));
    };
    try {
      const response = method(call.request, contextOf(call));
      if (response instanceof Promise) {
        response.then((value: Response) => {
          callback(null, value);
        }, fail);
      } else callback(null, response);
    } catch (error) {
      fail(error);
    }
  };
}

/** Makes a gRPC handler of a streaming method. The client's pace is kept, and its going away ends the method. */
export function serverStream<Request, Response>(method: StreamMethod<Request, Response>): handleServerStreamingCall<Request, Response> {
  return (call) => {
    void writeAll(call, method).then(
      () => {
        call.end();
      },
      (error: unknown) => {
        if (!call.cancelled) call.emit('error', toStatus(error, call.getPath()));
      },
    );
  };
}

async function writeAll<Request, Response>(call: ServerWritableStream<Request, Response>, method: StreamMethod<Request, Response>): Promise<void> {
  const messages = method(call.request, contextOf(call));
  // The headers tell a subscriber that its subscription stands, before there is anything to say.
  call.sendMetadata(new Metadata());
  for await (const message of messages) {
    if (call.cancelled) return;
    if (!call.write(message)) await drained(call);
  }
}

function drained(call: ServerWritableStream<unknown, unknown>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      call.off('cancelled', done);
      resolve();
    };
    call.on('drain', done);
    call.on('cancelled', done);
  });
}

/** The calls that grpc-js hands to a handler, as far as a context needs them. */
interface AnyCall {
  readonly metadata: Metadata;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** The context of a call. */
export function contextOf(call: AnyCall): CallContext {
  let controller: AbortController | undefined;
  return {
    namespace: () => namespaceOf(call.metadata),
    leaseId: headerOf(call.metadata, 'containerd-lease'),
    get signal() {
      if (controller === undefined) {
        const created = new AbortController();
        call.on('cancelled', () => {
          created.abort();
        });
        controller = created;
      }
      return controller.signal;
    },
  };
}

function namespaceOf(metadata: Metadata): string {
  const namespace = headerOf(metadata, 'containerd-namespace');
  if (namespace === undefined) throw failedPrecondition('NAMESPACE_REQUIRED', 'namespace is required');
  validateIdentifier(namespace);
  return namespace;
}

/** The first value of a header; an empty one counts as none. */
function headerOf(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}
