/** The shape of ts-proto's generic service definitions (`outputServices=generic-definitions`), and what follows from it. */
import type { TtrpcMetadata } from './message.ts';

/** A message type as ts-proto generates it. */
export interface TtrpcMessageType {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
  fromPartial(partial: unknown): unknown;
}

/** One method of a service. */
export interface TtrpcMethod {
  readonly name: string;
  readonly requestType: TtrpcMessageType;
  readonly requestStream: boolean;
  readonly responseType: TtrpcMessageType;
  readonly responseStream: boolean;
}

/** A service: its full name, and its methods by their camel-case names. */
export interface TtrpcServiceDefinition {
  readonly fullName: string;
  readonly methods: Readonly<Record<string, TtrpcMethod>>;
}

/** What a message type decodes to. */
export type MessageOf<Type extends TtrpcMessageType> = ReturnType<Type['decode']>;
/** What may be given for a message: absent fields take their zero value. */
export type PartialOf<Type extends TtrpcMessageType> = Parameters<Type['fromPartial']>[0];

/** Options of one call. */
export interface TtrpcCallOptions {
  /** Milliseconds until the call fails with deadline_exceeded; the server is told too. None by default. */
  readonly timeoutMs?: number;
  /** Sent along; keys are lower-case. */
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
  /** Gives up waiting. ttrpc has no message for it, so the server goes on. */
  readonly signal?: AbortSignal;
}

/** What a handler is told about its call. */
export interface TtrpcCallContext {
  readonly service: string;
  readonly method: string;
  readonly metadata: TtrpcMetadata;
  /** Aborts when the caller's connection is gone or its deadline has passed. */
  readonly signal: AbortSignal;
}

type Input<Method extends TtrpcMethod> = Method['requestStream'] extends true
  ? AsyncIterable<MessageOf<Method['requestType']>>
  : MessageOf<Method['requestType']>;

type Output<Method extends TtrpcMethod> = Method['responseStream'] extends true
  ? AsyncIterable<PartialOf<Method['responseType']>>
  : Promise<PartialOf<Method['responseType']>> | PartialOf<Method['responseType']>;

/** The handlers of a service. A method without one is answered with not_implemented. */
export type TtrpcHandlers<Definition extends TtrpcServiceDefinition> = {
  readonly [Name in keyof Definition['methods']]?: (
    request: Input<Definition['methods'][Name]>,
    context: TtrpcCallContext,
  ) => Output<Definition['methods'][Name]>;
};

type CallInput<Method extends TtrpcMethod> = Method['requestStream'] extends true
  ? AsyncIterable<PartialOf<Method['requestType']>>
  : PartialOf<Method['requestType']>;

type CallOutput<Method extends TtrpcMethod> = Method['responseStream'] extends true
  ? AsyncIterableIterator<MessageOf<Method['responseType']>>
  : Promise<MessageOf<Method['responseType']>>;

/** A service as its caller sees it: one function for each method. */
export type TtrpcServiceClient<Definition extends TtrpcServiceDefinition> = {
  readonly [Name in keyof Definition['methods']]: (
    request: CallInput<Definition['methods'][Name]>,
    options?: TtrpcCallOptions,
  ) => CallOutput<Definition['methods'][Name]>;
};
