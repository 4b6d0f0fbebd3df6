/** Turns ts-proto's gRPC service descriptions into clients of promises and async iterables. */
import { Metadata, type Client, type ServiceError } from '@grpc/grpc-js';
import { ContainerdApiError, kindOfGrpcStatus } from './errors.ts';

/** One method as ts-proto describes it (`outputServices=grpc-js`). */
export interface GrpcMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (value: never) => Buffer;
  readonly responseDeserialize: (value: Buffer) => unknown;
}

/** A service: its methods by their camel-case names. */
export type GrpcService = Readonly<Record<string, GrpcMethod>>;

/** Options of one call. */
export interface GrpcCallOptions {
  /** Cancels the call, here and on the server. */
  readonly signal?: AbortSignal;
  /** Headers of this call, over those of the client. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A call in which both sides send any number of messages. Iterate it for the server's; stopping the iteration cancels the call. */
export interface GrpcDuplexCall<Request, Response> extends AsyncIterable<Response> {
  /** Sends a message; resolves when there is room for the next. */
  write(request: Request): Promise<void>;
  /** Says that no more messages follow. */
  end(): void;
  cancel(): void;
  [Symbol.asyncIterator](): AsyncIterableIterator<Response>;
}

type RequestOf<Method extends GrpcMethod> = Parameters<Method['requestSerialize']>[0];
type ResponseOf<Method extends GrpcMethod> = ReturnType<Method['responseDeserialize']>;

type ClientMethod<Method extends GrpcMethod> = Method['requestStream'] extends true
  ? (options?: GrpcCallOptions) => GrpcDuplexCall<RequestOf<Method>, ResponseOf<Method>>
  : Method['responseStream'] extends true
    ? (request: RequestOf<Method>, options?: GrpcCallOptions) => AsyncIterableIterator<ResponseOf<Method>>
    : (request: RequestOf<Method>, options?: GrpcCallOptions) => Promise<ResponseOf<Method>>;

/** A service as its caller sees it. Requests may leave fields out; errors are ContainerdApiError (code `STATUS`) or the signal's reason. */
export type GrpcServiceClient<Service extends GrpcService> = { readonly [Name in keyof Service]: ClientMethod<Service[Name]> };

/** The methods of `service` over a connection, with `headers` on every call. */
export function createGrpcClient<Service extends GrpcService>(
  service: Service,
  client: Client,
  headers: Readonly<Record<string, string>> = {},
): GrpcServiceClient<Service> {
  const methods = Object.entries(service).map(([name, method]) => [name, bindMethod(client, method, headers)]);
  return Object.fromEntries(methods) as GrpcServiceClient<Service>;
}

function bindMethod(client: Client, method: GrpcMethod, headers: Readonly<Record<string, string>>): unknown {
  if (method.requestStream) return (options?: GrpcCallOptions) => callDuplex(client, method, headers, options);
  if (method.responseStream) {
    return (request: never, options?: GrpcCallOptions) => callServerStream(client, method, headers, request, options);
  }
  return (request: never, options?: GrpcCallOptions) => callUnary(client, method, headers, request, options);
}

async function callUnary(
  client: Client,
  method: GrpcMethod,
  headers: Readonly<Record<string, string>>,
  request: never,
  options: GrpcCallOptions = {},
): Promise<unknown> {
  const { signal } = options;
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const call = client.makeUnaryRequest(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
    request,
    metadataOf(headers, options),
    (error, response) => {
      if (error !== null) reject(signal?.aborted === true ? (signal.reason as Error) : toApiError(error));
      else resolve(response);
    },
  );
  const onAbort = (): void => {
    call.cancel();
  };
  signal?.addEventListener('abort', onAbort);
  try {
    return await promise;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

function callServerStream(
  client: Client,
  method: GrpcMethod,
  headers: Readonly<Record<string, string>>,
  request: never,
  options: GrpcCallOptions = {},
): AsyncIterableIterator<unknown> {
  options.signal?.throwIfAborted();
  const metadata = metadataOf(headers, options);
  const call = client.makeServerStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, request, metadata);
  return iterate(call, options.signal);
}

function callDuplex(
  client: Client,
  method: GrpcMethod,
  headers: Readonly<Record<string, string>>,
  options: GrpcCallOptions = {},
): GrpcDuplexCall<never, unknown> {
  options.signal?.throwIfAborted();
  const call = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, metadataOf(headers, options));
  let failure: Error | undefined;
  call.on('error', (error) => {
    failure ??= error;
  });
  const responses = iterate(call, options.signal);
  return {
    write: (request) =>
      new Promise((resolve, reject) => {
        call.write(request, (error: Error | null | undefined) => {
          // The stream says that it is destroyed; why, the signal or the call knows.
          if (error) reject(options.signal?.aborted === true ? (options.signal.reason as Error) : (toApiError(failure ?? error) as Error));
          else resolve();
        });
      }),
    end: () => {
      call.end();
    },
    cancel: () => {
      call.cancel();
    },
    [Symbol.asyncIterator]: () => responses,
  };
}

/** A stream of the server's messages, as far as both kinds of call have it. */
interface ResponseStream extends AsyncIterable<unknown> {
  cancel(): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** The call runs from now on, whether it is iterated or not; an error waits until it is. */
function iterate(call: ResponseStream, signal: AbortSignal | undefined): AsyncIterableIterator<unknown> {
  let failure: Error | undefined;
  call.on('error', (error) => {
    failure ??= error;
  });
  const onAbort = (): void => {
    call.cancel();
  };
  signal?.addEventListener('abort', onAbort);
  call.once('close', () => {
    signal?.removeEventListener('abort', onAbort);
  });
  const messages = call[Symbol.asyncIterator]();
  const raise = (error: unknown): never => {
    signal?.throwIfAborted();
    throw toApiError(failure ?? error);
  };
  return {
    async next(): Promise<IteratorResult<unknown>> {
      try {
        const result = await messages.next();
        if (result.done === true && failure !== undefined) raise(failure);
        return result;
      } catch (error) {
        return raise(error);
      }
    },
    async return(): Promise<IteratorResult<unknown>> {
      call.cancel();
      // Whatever the cancelled call still reports is of no interest to who stopped listening.
      await messages.return?.().catch(() => undefined);
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator](): AsyncIterableIterator<unknown> {
      return this;
    },
  };
}

function metadataOf(headers: Readonly<Record<string, string>>, options: GrpcCallOptions): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries({ ...headers, ...options.metadata })) metadata.set(key, value);
  return metadata;
}

/** What the server answered, as the error of this package; anything else as it is. */
function toApiError(error: unknown): unknown {
  if (!isServiceError(error)) return error;
  return new ContainerdApiError(kindOfGrpcStatus(error.code, error.details), 'STATUS', error.details, { cause: error });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}
