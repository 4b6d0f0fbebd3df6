import type { TtrpcClient } from './client.ts';
import type { TtrpcStream } from './client-stream.ts';
import type { TtrpcCallOptions, TtrpcMessageType, TtrpcMethod, TtrpcServiceClient, TtrpcServiceDefinition } from './definition.ts';
import { TtrpcError } from './errors.ts';

/**
 * The methods of a service as functions of `client`. Requests may leave fields out; responses are whole messages.
 * @example
 * const task = createTtrpcClient(TaskV2Definition, await TtrpcClient.connect('/run/containerd/s/…'));
 * const { pid } = await task.connect({ id: 'web' });
 */
export function createTtrpcClient<Definition extends TtrpcServiceDefinition>(
  definition: Definition,
  client: TtrpcClient,
): TtrpcServiceClient<Definition> {
  const methods = Object.entries(definition.methods).map(([name, method]) => [name, bindMethod(client, definition.fullName, method)]);
  return Object.fromEntries(methods) as TtrpcServiceClient<Definition>;
}

type BoundMethod = (request: unknown, options?: TtrpcCallOptions) => unknown;

function bindMethod(client: TtrpcClient, service: string, method: TtrpcMethod): BoundMethod {
  if (!method.requestStream && !method.responseStream) {
    return async (request, options) =>
      decodeMessage(method.responseType, await client.call(service, method.name, encodeMessage(method.requestType, request), options));
  }
  return (request, options = {}) => {
    const stream = client.stream(service, method.name, {
      ...options,
      hasRequestStream: method.requestStream,
      ...(method.requestStream ? {} : { payload: encodeMessage(method.requestType, request) }),
    });
    const sent = method.requestStream ? sendAll(stream, method.requestType, request as AsyncIterable<unknown>) : Promise.resolve();
    // A failure to send also ends the receiving side, where it is reported.
    sent.catch(() => undefined);
    return method.responseStream ? receiveAll(stream, sent, method.responseType) : receiveOne(stream, sent, method.responseType);
  };
}

async function sendAll(stream: TtrpcStream, type: TtrpcMessageType, messages: AsyncIterable<unknown>): Promise<void> {
  for await (const message of messages) await stream.send(encodeMessage(type, message));
  await stream.closeSend();
}

async function* receiveAll(stream: TtrpcStream, sent: Promise<void>, type: TtrpcMessageType): AsyncGenerator {
  yield* receive(stream, sent, type);
}

async function receiveOne(stream: TtrpcStream, sent: Promise<void>, type: TtrpcMessageType): Promise<unknown> {
  for await (const message of receive(stream, sent, type)) return message;
  throw new TtrpcError('internal', 'stream ended without a response', { code: 'MALFORMED' });
}

/** The peer's messages; what goes wrong while sending is raised here, unless the peer's own error says more. */
async function* receive(stream: TtrpcStream, sent: Promise<void>, type: TtrpcMessageType): AsyncGenerator {
  const messages = stream[Symbol.asyncIterator]();
  const sendFailure = sent.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => Promise.reject(error as Error),
  );
  sendFailure.catch(() => undefined);
  try {
    for (;;) {
      const result = await Promise.race([messages.next(), sendFailure]);
      if (result.done === true) return;
      yield decodeMessage(type, result.value);
    }
  } finally {
    await messages.return?.();
  }
}

function encodeMessage(type: TtrpcMessageType, message: unknown): Uint8Array {
  return type.encode(type.fromPartial(message)).finish();
}

function decodeMessage(type: TtrpcMessageType, bytes: Uint8Array): unknown {
  try {
    return type.decode(bytes);
  } catch (error) {
    throw new TtrpcError('internal', `cannot decode a response of ${bytes.length} bytes`, { code: 'MALFORMED', cause: error });
  }
}
